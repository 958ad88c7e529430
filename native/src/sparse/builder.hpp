#pragma once

#include <cstdint>
#include <vector>

#include "engine/cuts.hpp"
#include "os/memory.hpp"
#include "sparse/member.hpp"
#include "sparse/workers.hpp"

namespace procgraph {

/// The rows of one table in one range of the arena; no source has one if no synapse leads there.
struct Rows {
  std::uint64_t base = 0;            ///< position of target 0 in the arena
  std::vector<std::uint64_t> begin;  ///< first word of each source's row
  os::Pages words;
  std::uint64_t used = 0;

  bool none() const { return begin.empty(); }
  const std::uint32_t* row(std::size_t source) const {
    return words.as<std::uint32_t>() + begin[source];
  }
};

Reach reach_of(const std::vector<Member>& members);
/// The most sums that a partition has of it.
std::uint64_t widest(const Cuts& cuts, const Reach& reach);

/// Makes the rows of a table in two passes over its synapses: count, then place. The result does
/// not depend on the number of threads.
class TableBuilder {
 public:
  /// Targets are numbered from the begin of `reach` in each partition.
  TableBuilder(std::vector<Member>& members, std::int32_t n_pre, const Cuts& cuts,
               const Reach& reach, const HotLoops& loops, const BuildOptions& options,
               Layout layout);

  /// Number of passes over all synapses that `build` reports, in synapses.
  std::vector<Rows> build(const std::function<void(double)>& progress);

 private:
  struct Range {
    SourceRange sources;
    std::vector<std::uint64_t> words;  // of each partition
  };

  void find_slots();
  void find_partitions();
  void cut_ranges();
  std::uint32_t& counter(std::size_t source, std::size_t slot, std::size_t part) const {
    return counters_.as<std::uint32_t>()[(source * slots_.size() + slot) * parts_.size() + part];
  }
  template <class Synapse>
  void scan(const Range& range, bool weights, Synapse&& synapse);
  void count(Range& range);
  void measure(Range& range);
  void place(Range& range, std::vector<Rows>& rows, std::vector<std::uint64_t> at);
  void write_headers(const Range& range, Rows& rows, std::size_t part, std::uint64_t at);
  template <Format format>
  void fill(const Range& range, std::vector<Rows>& rows);

  std::vector<Member>& members_;
  std::int32_t n_pre_;
  const HotLoops& loops_;
  const BuildOptions& options_;
  Layout layout_;
  std::vector<Slot> slots_;
  Reach reach_;
  std::vector<Reach> parts_;            // of each partition
  std::vector<std::uint16_t> part_of_;  // by line of the arena from the begin of the reach on
  std::vector<Range> ranges_;
  os::Pages counters_;  // by source, slot and partition: number, then next free place
};

}  // namespace procgraph
