#include "engine/channel.hpp"

#include <algorithm>

#include "engine/convert.hpp"
#include "format/text.hpp"
#include "procgraph/error.hpp"

namespace procgraph {

Channel::Channel(const ChannelSpec& spec, std::string name, Output& source, Input& target,
                 const HotLoops& loops)
    : spec_(&spec), name_(std::move(name)), source_(&source), target_(&target), loops_(&loops) {
  if (bounded()) queues_.assign(source.lanes(), BoundedQueue(*spec.capacity));
  if (mapped() && source.port().kind == PortKind::events) build_map();
}

void Channel::build_map() {
  const auto src = spec_->map_src->as<std::int32_t>();
  const auto dst = spec_->map_dst->as<std::int32_t>();
  row_begin_.assign(source_->n() + 1, 0);
  for (const std::int32_t s : src) ++row_begin_[static_cast<std::size_t>(s) + 1];
  for (std::size_t i = 1; i < row_begin_.size(); ++i) row_begin_[i] += row_begin_[i - 1];
  std::vector<std::int32_t> next(row_begin_.begin(), row_begin_.end() - 1);
  row_target_.resize(dst.size());
  for (std::size_t m = 0; m < src.size(); ++m) {
    row_target_[static_cast<std::size_t>(next[static_cast<std::size_t>(src[m])]++)] = dst[m];
  }
}

void Channel::pull(std::int64_t step) {
  const std::int64_t from = step - spec_->delay;
  if (source_->port().kind == PortKind::current) {
    if (source_->silent(from)) return;
    for (std::size_t lane = 0; lane < source_->lanes(); ++lane) pull_current(from, lane);
    return;
  }
  for (std::size_t lane = 0; lane < source_->lanes(); ++lane) {
    const EventList& events = source_->events.at(from, lane);
    if (events.size() == 0) continue;
    if (!bounded()) {
      pull_events(events, lane);
      continue;
    }
    route(events);
    enqueue(lane, step);
  }
}

bool Channel::pull_range(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t end,
                         std::uint32_t* sums) const {
  const std::int64_t from = step - spec_->delay;
  if (source_->port().kind == PortKind::current) {
    if (source_->silent(from)) return false;
    loops_->add(sums, source_->current(from, lane) + begin, end - begin);
    return true;
  }
  const EventList& events = source_->events.at(from, lane);
  const std::int32_t* index = events.index();
  const std::int32_t* last = index + events.size();
  if (end - begin < source_->n()) {
    last = std::lower_bound(index, last, static_cast<std::int32_t>(end));
    index = std::lower_bound(index, last, static_cast<std::int32_t>(begin));
  }
  const std::int32_t* payload = events.payload() + (index - events.index());
  const bool any = index != last;
  for (; index != last; ++index, ++payload) {
    sums[static_cast<std::size_t>(*index) - begin] += static_cast<std::uint32_t>(*payload);
  }
  return any;
}

void Channel::pull_events(const EventList& events, std::size_t lane) {
  std::uint32_t* sums = target_->sums(lane);
  mark(events, lane);
  const std::int32_t* index = events.index();
  const std::int32_t* payload = events.payload();
  for (std::size_t e = 0; e < events.size(); ++e) {
    const auto value = static_cast<std::uint32_t>(payload[e]);
    if (!mapped()) {
      sums[index[e]] += value;
      continue;
    }
    const auto row = static_cast<std::size_t>(index[e]);
    for (std::int32_t m = row_begin_[row]; m < row_begin_[row + 1]; ++m) {
      sums[row_target_[static_cast<std::size_t>(m)]] += value;
    }
  }
}

/// Tells an event-driven target where events arrive.
void Channel::mark(const EventList& events, std::size_t lane) {
  const std::span<LineMask> marks = target_->marks(lane);
  if (marks.empty()) return;
  for (std::size_t e = 0; e < events.size(); ++e) {
    const auto row = static_cast<std::size_t>(events.index()[e]);
    if (!mapped()) {
      set_mark(marks.data(), row);
      continue;
    }
    for (std::int32_t m = row_begin_[row]; m < row_begin_[row + 1]; ++m) {
      set_mark(marks.data(), static_cast<std::size_t>(row_target_[static_cast<std::size_t>(m)]));
    }
  }
}

void Channel::pull_current(std::int64_t from, std::size_t lane) {
  std::uint32_t* sums = target_->sums(lane);
  target_->mark_all(lane);
  const std::int32_t* values = source_->current(from, lane);
  if (!mapped()) {
    loops_->add(sums, values, source_->n());
    return;
  }
  const auto src = spec_->map_src->as<std::int32_t>();
  const auto dst = spec_->map_dst->as<std::int32_t>();
  for (std::size_t m = 0; m < src.size(); ++m) {
    sums[dst[m]] += static_cast<std::uint32_t>(values[src[m]]);
  }
}

/// Fills arrivals_ in the order of arrival: one event per target element, ascending.
void Channel::route(const EventList& events) {
  arrivals_.clear();
  if (!mapped()) {
    arrivals_.append(events);
    return;
  }
  routed_.clear();
  for (std::size_t e = 0; e < events.size(); ++e) {
    const auto row = static_cast<std::size_t>(events.index()[e]);
    for (std::int32_t m = row_begin_[row]; m < row_begin_[row + 1]; ++m) {
      routed_.emplace_back(row_target_[static_cast<std::size_t>(m)], events.payload()[e]);
    }
  }
  std::sort(routed_.begin(), routed_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < routed_.size();) {
    const std::int32_t target = routed_[i].first;
    std::uint32_t sum = 0;
    for (; i < routed_.size() && routed_[i].first == target; ++i) {
      sum += static_cast<std::uint32_t>(routed_[i].second);
    }
    if (sum != 0) arrivals_.append(target, static_cast<std::int32_t>(sum));
  }
}

void Channel::enqueue(std::size_t lane, std::int64_t step) {
  BoundedQueue& queue = queues_[lane];
  if (spec_->policy == Policy::latest && arrivals_.size() > 0) {
    while (queue.size() > 0) queue.drop_head();
  }
  for (std::size_t e = 0; e < arrivals_.size(); ++e) {
    if (queue.full()) {
      if (spec_->policy == Policy::drop_newest) {
        ++queue.dropped;
        continue;
      }
      if (spec_->policy == Policy::error) {
        throw Error(ErrorKind::overflow, name_,
                    text("its queue of ", queue.capacity(), " events is full in step ", step,
                         "; raise the capacity or choose a policy that drops"));
      }
      if (spec_->policy == Policy::block) {
        throw Error(ErrorKind::blocked, name_,
                    text("its queue of ", queue.capacity(), " events is full in step ", step,
                         "; the source would wait for the target, which runs in the same "
                         "executor and cannot run before the step is over"));
      }
      queue.drop_head();
    }
    queue.push({arrivals_.index()[e], arrivals_.payload()[e]});
  }
}

void Channel::drain() {
  if (!bounded()) return;
  for (std::size_t lane = 0; lane < queues_.size(); ++lane) {
    BoundedQueue& queue = queues_[lane];
    if (queue.size() == 0) continue;
    std::uint32_t* sums = target_->sums(lane);
    target_->mark_all(lane);
    for (std::size_t i = 0; i < queue.size(); ++i) {
      sums[queue[i].index] += static_cast<std::uint32_t>(queue[i].payload);
    }
    queue.clear();
  }
}

void Channel::reset() {
  for (auto& queue : queues_) {
    queue.clear();
    queue.high_water = 0;
    queue.dropped = 0;
  }
}

void Channel::gather(std::int64_t step, std::size_t lane, std::byte* values) {
  std::span<const std::int32_t> src;
  std::span<const std::int32_t> dst;
  if (mapped()) {
    src = spec_->map_src->as<std::int32_t>();
    dst = spec_->map_dst->as<std::int32_t>();
    if (src.empty()) return;
  }
  convert(source_->array(step - spec_->delay, lane), source_->port().dtype, values,
          target_->port().dtype, target_->n(), src, dst);
}

}  // namespace procgraph
