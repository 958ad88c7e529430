#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/chunk.hpp"
#include "kernels/hot_loops.hpp"

namespace procgraph {

/// Events of the targets of a plastic node that some of their synapses have yet to learn from, with
/// what the rule saw of the target then. Steps are kept as distances from a base: 0 is no event.
///
/// Events may reach each synapse a lag of its own after the target, and have happened for it only
/// then: it has an event in the step in which that arrives.
class PendingEvents {
 public:
  /// Rows are visited at least this often, or caught up with.
  static constexpr std::int64_t kPass = 4096;

  /// Lists are made for up to kChunk synapses, into room for 16 more. Of events before the
  /// last few of each target there should be no more than `room`, and some for each target. No lag
  /// is above `reach`.
  PendingEvents(std::size_t targets, std::size_t inputs, std::size_t room, std::int32_t reach,
                const HotLoops& loops);

  /// Forgets all events; those to come happen at `now` or later, or are those on their way.
  void clear(std::int64_t now);
  /// Forgets events that all synapses have before `step`.
  void forget_before(std::int64_t step);
  /// As that where synapses have learnt from all that they have before `now`.
  void learnt(std::int64_t now);
  void push(std::size_t target, std::int64_t step, const std::vector<float>& values);
  /// True when it is time to catch up with all rows, so that memory stays bounded.
  bool full() const { return older_count_ > limit_; }
  /// False where no synapse has anything to learn since `step`.
  bool any_since(std::int64_t step) const { return latest_ + reach_ >= step; }

  // Lists of synapses with the same number of events since some step. An entry has the synapse's
  // place in its chunk in the upper half and in the lower one the distance of the event from
  // `from`.
  static std::size_t place(std::uint32_t entry) { return entry >> 16; }
  static std::size_t distance(std::uint32_t entry) { return entry & 0xFFFF; }
  /// Synapses in consecutive places; `lags` is null where there are none.
  struct Synapses {
    const std::int32_t* targets;
    const std::int32_t* lags;
  };
  /// Events at `since` or later and, where there are lags, at `last` at the latest: without, none
  /// that happened later have been pushed.
  struct Window {
    std::int64_t since;
    std::int64_t last;
    std::int64_t from;
  };
  /// Lists the synapses, of n, with an event in a window: the newest one.
  std::size_t newest(const Synapses& synapses, std::size_t n, const Window& window,
                     std::uint32_t* list);
  /// Of a list of events of one age (0: the newest), lists those with an event before.
  std::size_t older(std::size_t age, const Synapses& synapses, const std::uint32_t* list,
                    std::size_t n, const Window& window, std::uint32_t* out);
  /// What was pushed with the event of that age, for the synapses of a list.
  void values(std::size_t age, std::size_t input, const Synapses& synapses,
              const std::uint32_t* list, std::size_t n, float* out) const;

 private:
  static constexpr std::size_t kRecent = 4;  // ages that have arrays of their own
  struct Old {
    std::vector<std::uint16_t> times;  // ascending
    std::vector<float> values;
  };
  std::uint32_t distance_of(std::int64_t step) const {
    return static_cast<std::uint32_t>(step - base_);
  }
  std::uint32_t time(std::size_t target, std::size_t age) const;
  float value(std::size_t target, std::size_t age, std::size_t input) const;
  void find_arrived(const Synapses& synapses, std::size_t n, std::int64_t last);
  void delay_found(std::size_t age, const Synapses& synapses, const std::uint32_t* list,
                   std::size_t n);

  const HotLoops* loops_;
  std::size_t inputs_;
  std::size_t room_;
  std::size_t limit_;
  std::int64_t reach_;
  std::int64_t base_ = -1;
  std::int64_t latest_ = -1;
  std::size_t older_count_ = 0;
  std::vector<std::uint16_t> times_[kRecent];
  std::vector<std::vector<float>> values_[kRecent];  // by input
  std::vector<Old> old_;
  std::uint16_t found_[kChunk];      // times of the events of a list
  std::uint16_t under_way_[kChunk];  // by place: later events, which have yet to arrive
  std::uint16_t early_[kChunk];      // places with such events
};

}  // namespace procgraph
