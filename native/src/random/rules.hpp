#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "procgraph/program.hpp"

namespace procgraph {

/// Synapses in the order of the contract, handed over in runs.
struct SynapseRun {
  std::int64_t first = 0;  ///< number of the first synapse of the run
  std::span<const std::int32_t> pre;
  std::span<const std::int32_t> post;
};

/// Calls `visit` for all synapses of a sparse node, listed or made by its rule. Throws Error
/// (`format`) where the rule makes another number than the Program says.
void for_each_synapse(const SparseAttrs& attrs,
                      const std::function<void(const SynapseRun&)>& visit);

}  // namespace procgraph
