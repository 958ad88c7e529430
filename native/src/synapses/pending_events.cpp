#include "synapses/pending_events.hpp"

#include <algorithm>

namespace procgraph {

PendingEvents::PendingEvents(std::size_t targets, std::size_t inputs, std::size_t room,
                             const HotLoops& loops)
    : loops_(&loops), inputs_(inputs), room_(room + 8 * targets + 4096), old_(targets) {
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
  latest_ = now - 1;
  base_ = now - 1;
}

void PendingEvents::forget_before(std::int64_t step) {
  const std::uint32_t passed = distance_of(step) - 1;
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
  base_ = step - 1;
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

std::size_t PendingEvents::newest(const std::int32_t* targets, std::size_t n, std::int64_t since,
                                  std::int64_t from, std::uint32_t* list) {
  const std::uint16_t* times = times_[0].data();
  for (std::size_t k = 0; k < n; ++k) found_[k] = times[targets[k]];
  return loops_->select_times(found_, nullptr, n, distance_of(since), distance_of(from), list);
}

std::size_t PendingEvents::older(std::size_t age, const std::int32_t* targets,
                                 const std::uint32_t* list, std::size_t n, std::int64_t since,
                                 std::int64_t from, std::uint32_t* out) {
  const std::size_t next = age + 1;
  if (next < kRecent) {
    const std::uint16_t* times = times_[next].data();
    for (std::size_t k = 0; k < n; ++k) found_[k] = times[targets[place(list[k])]];
  } else {
    const std::size_t back = next - kRecent + 1;
    for (std::size_t k = 0; k < n; ++k) {
      const auto& times = old_[static_cast<std::size_t>(targets[place(list[k])])].times;
      found_[k] = times.size() < back ? std::uint16_t{0} : times[times.size() - back];
    }
  }
  return loops_->select_times(found_, list, n, distance_of(since), distance_of(from), out);
}

void PendingEvents::values(std::size_t age, std::size_t input, const std::int32_t* targets,
                           const std::uint32_t* list, std::size_t n, float* out) const {
  for (std::size_t k = 0; k < n; ++k) {
    const auto target = static_cast<std::size_t>(targets[place(list[k])]);
    if (age < kRecent) {
      out[k] = values_[age][input][target];
    } else {
      const Old& old = old_[target];
      out[k] = old.values[(old.times.size() - 1 - (age - kRecent)) * inputs_ + input];
    }
  }
}

}  // namespace procgraph
