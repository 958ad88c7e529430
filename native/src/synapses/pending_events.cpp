#include "synapses/pending_events.hpp"

#include <algorithm>

namespace procgraph {

PendingEvents::PendingEvents(std::size_t targets, std::size_t inputs, std::size_t room,
                             std::int32_t reach, const HotLoops& loops)
    : loops_(&loops),
      inputs_(inputs),
      room_(room + 8 * targets + 4096),
      limit_(room_),
      reach_(reach),
      old_(targets) {
  for (std::size_t age = 0; age < kRecent; ++age) {
    times_[age].resize(targets);
    values_[age].assign(inputs, std::vector<float>(targets));
  }
}

void PendingEvents::clear(std::int64_t now) {
  for (auto& times : times_) std::fill(times.begin(), times.end(), std::uint16_t{0});
  for (Old& old : old_) {
    old.times.clear();
    old.values.clear();
  }
  older_count_ = 0;
  limit_ = room_;
  base_ = now - 1 - reach_;
  latest_ = base_;
}

void PendingEvents::learnt(std::int64_t now) {
  if (reach_ == 0) return clear(now);
  forget_before(now);
  limit_ = room_ + older_count_;
}

void PendingEvents::forget_before(std::int64_t step) {
  const std::int64_t base = step - 1 - reach_;
  const std::uint32_t passed = distance_of(base);
  const auto earlier = [passed](std::uint16_t time) {
    return static_cast<std::uint16_t>(time > passed ? time - passed : 0);
  };
  for (auto& times : times_) {
    for (std::uint16_t& time : times) time = earlier(time);
  }
  older_count_ = 0;
  for (Old& old : old_) {
    const auto kept = std::upper_bound(old.times.begin(), old.times.end(), passed);
    const auto gone = kept - old.times.begin();
    old.times.erase(old.times.begin(), kept);
    old.values.erase(old.values.begin(),
                     old.values.begin() + gone * static_cast<std::ptrdiff_t>(inputs_));
    for (std::uint16_t& time : old.times) time = earlier(time);
    older_count_ += old.times.size();
  }
  base_ = base;
}

void PendingEvents::push(std::size_t target, std::int64_t step, const std::vector<float>& values) {
  latest_ = step;
  if (times_[kRecent - 1][target] != 0) {
    Old& old = old_[target];
    old.times.push_back(times_[kRecent - 1][target]);
    for (const auto& oldest : values_[kRecent - 1]) old.values.push_back(oldest[target]);
    ++older_count_;
  }
  for (std::size_t age = kRecent - 1; age > 0; --age) {
    times_[age][target] = times_[age - 1][target];
    for (std::size_t i = 0; i < inputs_; ++i) {
      values_[age][i][target] = values_[age - 1][i][target];
    }
  }
  times_[0][target] = static_cast<std::uint16_t>(distance_of(step));
  for (std::size_t i = 0; i < inputs_; ++i) values_[0][i][target] = values[i];
}

/// 0 if a target has no event of that age.
std::uint32_t PendingEvents::time(std::size_t target, std::size_t age) const {
  if (age < kRecent) return times_[age][target];
  const auto& times = old_[target].times;
  const std::size_t back = age - kRecent + 1;
  return times.size() < back ? 0U : times[times.size() - back];
}

float PendingEvents::value(std::size_t target, std::size_t age, std::size_t input) const {
  if (age < kRecent) return values_[age][input][target];
  const Old& old = old_[target];
  return old.values[(old.times.size() - 1 - (age - kRecent)) * inputs_ + input];
}

/// Finds when the newest event arrived that did at `last` or before. No event counts as one long
/// ago: with any lag it is before what anyone has yet to learn from.
void PendingEvents::find_arrived(const Synapses& synapses, std::size_t n, std::int64_t last) {
  const std::uint32_t latest = distance_of(last);
  const std::uint16_t* times = times_[0].data();
  std::size_t early = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const auto lag = static_cast<std::uint32_t>(synapses.lags[k]);
    const std::uint32_t found = times[synapses.targets[k]] + lag;
    found_[k] = static_cast<std::uint16_t>(found);
    under_way_[k] = 0;
    early_[early] = static_cast<std::uint16_t>(k);  // few, and where cannot be foretold
    early += found > latest;
  }
  for (std::size_t e = 0; e < early; ++e) {
    const std::size_t k = early_[e];
    const auto target = static_cast<std::size_t>(synapses.targets[k]);
    std::uint32_t found = 0;
    do {
      found = time(target, ++under_way_[k]) + static_cast<std::uint32_t>(synapses.lags[k]);
    } while (found > latest);
    found_[k] = static_cast<std::uint16_t>(found);
  }
}

std::size_t PendingEvents::newest(const Synapses& synapses, std::size_t n, const Window& window,
                                  std::uint32_t* list) {
  if (synapses.lags != nullptr) {
    find_arrived(synapses, n, window.last);
  } else {
    const std::uint16_t* times = times_[0].data();
    for (std::size_t k = 0; k < n; ++k) found_[k] = times[synapses.targets[k]];
  }
  return loops_->select_times(found_, nullptr, n, distance_of(window.since),
                              distance_of(window.from), list);
}

std::size_t PendingEvents::older(std::size_t age, const Synapses& synapses,
                                 const std::uint32_t* list, std::size_t n, const Window& window,
                                 std::uint32_t* out) {
  const std::size_t next = age + 1;
  const std::int32_t* targets = synapses.targets;
  if (next < kRecent) {
    const std::uint16_t* times = times_[next].data();
    for (std::size_t k = 0; k < n; ++k) found_[k] = times[targets[place(list[k])]];
  } else {
    for (std::size_t k = 0; k < n; ++k) {
      const auto target = static_cast<std::size_t>(targets[place(list[k])]);
      found_[k] = static_cast<std::uint16_t>(time(target, next));
    }
  }
  if (synapses.lags != nullptr) delay_found(next, synapses, list, n);
  return loops_->select_times(found_, list, n, distance_of(window.since), distance_of(window.from),
                              out);
}

/// What was found of one age becomes what has arrived.
void PendingEvents::delay_found(std::size_t age, const Synapses& synapses,
                                const std::uint32_t* list, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t at = place(list[k]);
    std::uint32_t found = found_[k];
    if (under_way_[at] != 0) {
      found = time(static_cast<std::size_t>(synapses.targets[at]), age + under_way_[at]);
    }
    found_[k] = static_cast<std::uint16_t>(found + static_cast<std::uint32_t>(synapses.lags[at]));
  }
}

void PendingEvents::values(std::size_t age, std::size_t input, const Synapses& synapses,
                           const std::uint32_t* list, std::size_t n, float* out) const {
  const bool lags = synapses.lags != nullptr;
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t at = place(list[k]);
    const std::size_t own = age + (lags ? under_way_[at] : 0U);
    out[k] = value(static_cast<std::size_t>(synapses.targets[at]), own, input);
  }
}

}  // namespace procgraph
