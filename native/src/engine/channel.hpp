#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/bounded_queue.hpp"
#include "engine/ports.hpp"

namespace procgraph {

/// Joins an output to an input; pulls what is due.
class Channel {
 public:
  Channel(const ChannelSpec& spec, std::string name, Output& source, Input& target,
          const HotLoops& loops);

  void pull(std::int64_t step);
  /// True if any range of the target can be pulled on its own.
  bool divisible() const { return !mapped() && !bounded(); }
  /// Adds what is due for elements [begin, end) of a lane to `sums`, the lane's sums; true if
  /// anything was. For divisible channels.
  bool pull_range(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t end,
                  std::uint32_t* sums) const;
  /// Moves queued events into the target's sums.
  void drain();
  void reset();
  /// Copies what an array source held `delay` steps ago, through the index map and to the target's
  /// dtype.
  void gather(std::int64_t step, std::size_t lane, std::byte* values);

  const ChannelSpec& spec() const { return *spec_; }
  const std::string& name() const { return name_; }
  Output& source() const { return *source_; }
  Input& target() const { return *target_; }
  bool bounded() const { return spec_->capacity.has_value(); }
  bool mapped() const { return spec_->map_src != nullptr; }
  /// An array whose values cannot be read in place.
  bool gathered() const { return mapped() || source_->port().dtype != target_->port().dtype; }
  std::vector<BoundedQueue>& queues() { return queues_; }
  const std::vector<BoundedQueue>& queues() const { return queues_; }

  /// The source adds straight to the target's sums; there is nothing to pull.
  bool fused = false;

 private:
  void pull_events(const EventList& events, std::size_t lane);
  void pull_current(std::int64_t from, std::size_t lane);
  void mark(const EventList& events, std::size_t lane);
  void route(const EventList& events);
  void enqueue(std::size_t lane, std::int64_t step);
  void build_map();

  const ChannelSpec* spec_;
  std::string name_;
  Output* source_;
  Input* target_;
  const HotLoops* loops_;
  std::vector<BoundedQueue> queues_;     // per lane
  std::vector<std::int32_t> row_begin_;  // index map by source element
  std::vector<std::int32_t> row_target_;
  EventList arrivals_;
  std::vector<std::pair<std::int32_t, std::int32_t>> routed_;
};

}  // namespace procgraph
