#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/chunk.hpp"
#include "kernels/hot_loops.hpp"

namespace procgraph {

/// Events of the targets of a plastic node that some of their synapses have yet to learn from, with
/// what the rule saw of the target then. Steps are kept as distances from a base: 0 is no event.
class PendingEvents {
 public:
  /// Rows are visited at least this often, or caught up with.
  static constexpr std::int64_t kPass = 4096;

  /// Lists are made for up to kChunk synapses, into room for 16 more. Of events before the
  /// last few of each target there should be no more than `room`, and some for each target.
  PendingEvents(std::size_t targets, std::size_t inputs, std::size_t room, const HotLoops& loops);

  /// Forgets all events; those to come happen at `now` or later.
  void clear(std::int64_t now);
  /// Forgets events before `step`.
  void forget_before(std::int64_t step);
  void push(std::size_t target, std::int64_t step, const std::vector<float>& values);
  /// True when it is time to catch up with all rows, so that memory stays bounded.
  bool full() const { return older_count_ > room_; }
  /// False where no synapse has anything to learn since `step`.
  bool any_since(std::int64_t step) const { return latest_ >= step; }

  // Lists of synapses with the same number of events since some step. An entry has the synapse's
  // place in its chunk in the upper half and in the lower one the distance of the event from
  // `from`.
  static std::size_t place(std::uint32_t entry) { return entry >> 16; }
  static std::size_t distance(std::uint32_t entry) { return entry & 0xFFFF; }
  /// Lists the synapses, of n, whose target has an event at `since` or later: the newest one.
  std::size_t newest(const std::int32_t* targets, std::size_t n, std::int64_t since,
                     std::int64_t from, std::uint32_t* list);
  /// Of a list of events of one age (0: the newest), lists those with an event before.
  std::size_t older(std::size_t age, const std::int32_t* targets, const std::uint32_t* list,
                    std::size_t n, std::int64_t since, std::int64_t from, std::uint32_t* out);
  /// What was pushed with the event of that age, for the synapses of a list.
  void values(std::size_t age, std::size_t input, const std::int32_t* targets,
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

  const HotLoops* loops_;
  std::size_t inputs_;
  std::size_t room_;
  std::int64_t base_ = -1;
  std::int64_t latest_ = -1;
  std::size_t older_count_ = 0;
  std::vector<std::uint16_t> times_[kRecent];
  std::vector<std::vector<float>> values_[kRecent];  // by input
  std::vector<Old> old_;
  std::uint16_t found_[kChunk];  // times of the events of a list
};

}  // namespace procgraph
