#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// Synapses in the order of the contract, handed over in runs of at most kSynapseRun.
struct SynapseRun {
  std::int64_t first = 0;  ///< number of the first synapse of the run
  std::span<const std::int32_t> pre;
  std::span<const std::int32_t> post;
  std::span<const std::uint32_t> words;  ///< u(e, 6), where weights or delays are drawn
};
constexpr std::size_t kSynapseRun = 1024;

/// Source elements begin ... end - 1.
struct SourceRange {
  std::int32_t begin = 0;
  std::int32_t end = INT32_MAX;
  std::int64_t first = -1;  ///< number of the first synapse of `begin`, where known
};

using RunVisitor = std::function<void(const SynapseRun&)>;

/// Calls `visit` for all synapses of a sparse node that start in `range`, in ascending order of
/// their numbers; may hand over others as well, where the rule cannot tell them apart beforehand.
/// Not to be called by `visit`.
void for_each_synapse(const SparseAttrs& attrs, const HotLoops& loops, SourceRange range,
                      const RunVisitor& visit);

/// Number of the first synapse of each source, and of all, where the rule goes by sources.
std::vector<std::int64_t> first_synapses(const SparseAttrs& attrs);

/// Throws Error (`format`) where the rule makes another number of synapses than the Program says.
void check_rule_size(const SparseAttrs& attrs);

}  // namespace procgraph
