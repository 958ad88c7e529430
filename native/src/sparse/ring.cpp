#include "sparse/ring.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "sparse/costs.hpp"

namespace procgraph {
namespace {

constexpr std::uint32_t kLine = 16;             // sums of a cache line
constexpr double kMostBytes = 8.0 * (1 << 20);  // beyond, most sums would come from memory

/// Calls `each(target, delay, weight)` for the synapses of a row of `Format::wide`.
template <class Each>
void for_row(const std::uint32_t* at, Each&& each) {
  std::uint32_t delay = 0;
  while (at[0] != 0) {
    const std::uint32_t count = at[0];
    delay += at[1];
    at += 2;
    for (std::uint32_t m = 0; m < count; ++m, at += 2) each(at[0], delay, at[1]);
  }
}

}  // namespace

bool RingTable::pays(std::span<const Member> members, std::int32_t n_pre, std::size_t lanes) {
  std::uint64_t low = UINT64_MAX;
  std::uint64_t high = 0;
  std::set<std::int32_t> delays;
  double synapses = 0;  // of a source
  for (const Member& member : members) {
    low = std::min(low, member.target());
    high = std::max(high, member.target() + static_cast<std::uint64_t>(member.attrs().n_post));
    delays.insert(member.delays().begin(), member.delays().end());
    synapses += static_cast<double>(member.attrs().synapses) / n_pre;
  }
  if (delays.empty()) return false;
  const auto width = static_cast<double>(high - low);
  const double bytes = 4 * width * *delays.rbegin() * static_cast<double>(lanes);
  if (bytes > kMostBytes) return false;
  const char* forced = std::getenv("PROCGRAPH_RING");
  if (forced != nullptr && *forced != '\0') return std::strcmp(forced, "0") != 0;
  const double segments = std::min(synapses, static_cast<double>(delays.size()));
  const double at_once = synapses * cost::scatter(bytes) + cost::kRow +
                         width * cost::kTake / std::max(1.0, cost::kActive * n_pre);
  const bool constant = std::all_of(members.begin(), members.end(),
                                    [](const Member& member) { return member.constant(); });
  const double each = constant ? cost::kIndex16 : cost::kPacked;
  return at_once < synapses * each + segments * cost::kSegment;
}

RingTable::RingTable(const std::vector<Rows>& rows, std::int32_t lag, std::int32_t longest,
                     std::size_t lanes, const HotLoops& loops)
    : lag_(lag), slots_(static_cast<std::uint32_t>(longest)), lanes_(lanes), loops_(loops) {
  bool first = true;
  for (const Rows& own : rows) {
    Part& part = parts_.emplace_back();
    part.base = own.base;
    std::uint32_t width = 0;
    std::uint64_t count = 0;
    for (std::size_t source = 0; source < own.begin.size(); ++source) {
      part.begin.push_back(count);
      for_row(own.row(source), [&](std::uint32_t target, std::uint32_t, std::uint32_t weight) {
        if (first) weight_ = weight;
        first = false;
        constant_ &= weight == weight_;
        width = std::max(width, target + 1);
        ++count;
      });
    }
    part.begin.push_back(count);
    part.width = (width + kLine - 1) / kLine * kLine;
  }
  for (std::size_t p = 0; p < parts_.size(); ++p) fill(parts_[p], rows[p]);
}

void RingTable::fill(Part& part, const Rows& rows) const {
  const auto bytes = static_cast<std::size_t>(part.begin.back()) * sizeof(std::uint32_t);
  part.places = os::Pages(bytes);
  if (!constant_) part.weights = os::Pages(bytes);
  part.sums = os::Pages(lanes_ * part.total(slots_) * sizeof(std::uint32_t));
  std::size_t at = 0;
  for (std::size_t source = 0; source < rows.begin.size(); ++source) {
    for_row(rows.row(source), [&](std::uint32_t target, std::uint32_t delay, std::uint32_t weight) {
      part.places.as<std::uint32_t>()[at] = (delay - 1) * part.width + target;
      if (!constant_) part.weights.as<std::uint32_t>()[at] = weight;
      ++at;
    });
  }
}

void RingTable::reset() {
  for (Part& part : parts_) {
    if (part.width != 0) std::memset(part.sums.as<char>(), 0, part.sums.size());
  }
}

void RingTable::restart(const EventRing& events, std::int64_t step) {
  reset();
  for (const Part& part : parts_) {
    for (std::size_t lane = 0; lane < lanes_ && part.width != 0; ++lane) {
      for (std::int64_t emitted = step - slots_; emitted < step - lag_; ++emitted) {
        events.each(emitted, lane, [&](const EventList& list) {
          scatter_late(list, emitted, step, part, sums(part, lane));
        });
      }
    }
  }
}

/// What is due from `step` on of events that should have been taken up before.
void RingTable::scatter_late(const EventList& events, std::int64_t emitted, std::int64_t step,
                             const Part& part, std::uint32_t* sums) const {
  for (std::size_t e = 0; e < events.size(); ++e) {
    const auto source = static_cast<std::size_t>(events.index()[e]);
    const auto payload = static_cast<std::uint32_t>(events.payload()[e]);
    for (std::uint64_t m = part.begin[source]; m < part.begin[source + 1]; ++m) {
      const std::uint32_t place = part.places.as<std::uint32_t>()[m];
      const std::int64_t due = emitted + 1 + place / part.width;
      if (due < step) continue;
      const std::uint32_t weight = constant_ ? weight_ : part.weights.as<std::uint32_t>()[m];
      sums[slot(due) * part.width + place % part.width] += payload * weight;
    }
  }
}

void RingTable::prepare(const EventRing& events, std::int64_t step, std::size_t part) const {
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    events.each(step - lag_, lane, [&](const EventList& fresh) {
      for (std::size_t e = 0; e < fresh.size(); ++e) {
        loops_.prefetch(&parts_[part].begin[static_cast<std::size_t>(fresh.index()[e])]);
      }
    });
  }
}

void RingTable::deliver(const EventRing& events, std::int64_t step, std::size_t part,
                        const Arena& arena) {
  const Part& own = parts_[part];
  const std::uint32_t first = slot(step + slots_ - lag_ + 1) * own.width;  // of a delay of one step
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    std::uint32_t* later = sums(own, lane);
    events.each(step - lag_, lane,
                [&](const EventList& fresh) { scatter(fresh, own, first, later); });
    loops_.take_sums(arena.at(lane, own.base), later + slot(step) * own.width, own.width);
  }
}

void RingTable::scatter(const EventList& fresh, const Part& part, std::uint32_t first,
                        std::uint32_t* sums) const {
  constexpr std::uint64_t kAhead = 8 * kLine;
  const auto* places = part.places.as<std::uint32_t>();
  const auto* weights = part.weights.as<std::uint32_t>();
  const auto source = [&](std::size_t e) { return static_cast<std::size_t>(fresh.index()[e]); };
  for (std::size_t e = 0; e < fresh.size(); ++e) {
    const std::uint64_t begin = part.begin[source(e)];
    const std::uint64_t bytes = 4 * std::min(part.begin[source(e) + 1] - begin, kAhead);
    loops_.prefetch_range(places + begin, static_cast<std::size_t>(bytes));
    if (!constant_) loops_.prefetch_range(weights + begin, static_cast<std::size_t>(bytes));
  }
  for (std::size_t e = 0; e < fresh.size(); ++e) {
    const std::uint64_t begin = part.begin[source(e)];
    const auto count = static_cast<std::size_t>(part.begin[source(e) + 1] - begin);
    const auto payload = static_cast<std::uint32_t>(fresh.payload()[e]);
    if (constant_) {
      loops_.scatter(sums, first, part.total(slots_), places + begin, count, weight_ * payload);
    } else {
      loops_.scatter_weights(sums, first, part.total(slots_), places + begin, weights + begin,
                             count, payload);
    }
  }
}

std::size_t RingTable::bytes() const {
  std::size_t out = 0;
  for (const Part& part : parts_) {
    out += part.places.size() + part.weights.size() + part.sums.size() + 8 * part.begin.size();
  }
  return out;
}

}  // namespace procgraph
