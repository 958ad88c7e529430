#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/events.hpp"
#include "engine/lines.hpp"
#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

struct ListedSynapse {
  std::int64_t number;
  std::int32_t source;
  std::int32_t target;
  std::int32_t delay;
};
using SegmentVisitor = std::function<void(const ListedSynapse&)>;

/// Synapses sorted by source and then by delay, so that one segment is delivered when it is due.
class Segments {
 public:
  Segments(std::int32_t n_pre, const std::vector<std::int32_t>& delays, const HotLoops& loops);

  /// `visit_all` hands all synapses over in ascending number; it is called twice.
  void build(std::int64_t count, const std::function<void(const SegmentVisitor&)>& visit_all);
  void deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const;
  /// Marks the sums that `deliver` adds to.
  void mark(const EventList& due, std::size_t delay, std::span<LineMask> lines) const;
  /// One common weight, or one per synapse.
  void set_weights(std::span<const std::int32_t> weights);
  std::size_t bytes() const;

 private:
  struct Range {
    std::size_t begin;
    std::size_t end;
  };
  struct Entry {
    std::uint32_t number;
    std::int32_t target;
    std::uint32_t delay;
  };

  Range find(std::size_t source, std::size_t delay) const;
  void sort_rows(std::vector<Entry>& entries);
  void add_segments(std::size_t source, std::span<const Entry> row);

  const HotLoops& loops_;
  std::size_t n_pre_;
  std::vector<std::int32_t> delays_;
  std::vector<std::size_t> row_begin_;      // n_pre + 1
  std::vector<std::size_t> segment_begin_;  // of each source's list of segments, n_pre + 1
  std::vector<std::uint32_t> segment_delay_;
  std::vector<std::size_t> segment_end_;
  std::vector<std::int32_t> targets_;
  std::vector<std::int32_t> weights_;
  std::vector<std::uint32_t> order_;  // number of the synapse at each place
};

}  // namespace procgraph
