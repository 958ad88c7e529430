#pragma once

#include "random/rules.hpp"

namespace procgraph {

/// Calls `visit` for the synapses that the rule `distance` makes from the sources in `range`.
/// Numbers count from the range's first synapse: nothing in a Program is given by number here.
void for_each_distance_synapse(const SparseAttrs& attrs, const HotLoops& loops, SourceRange range,
                               const RunVisitor& visit);

/// Number of synapses that the rule makes.
std::int64_t count_distance_synapses(const SparseAttrs& attrs, const HotLoops& loops);

}  // namespace procgraph
