#pragma once

#include "nodes/elementwise_part.hpp"

namespace procgraph {

/// Where a node counts how many of its columns are below its draw, as a Poisson source does, and all
/// columns hold one value: those that a draw can exceed. Empty for all other nodes, which then run
/// their kernel. A kernel is known by name and hash, so that a changed one is not taken for it.
std::vector<std::int32_t> useful_thresholds(const ElementwiseAttrs& attrs,
                                            const std::vector<ColumnValues>& columns);

}  // namespace procgraph
