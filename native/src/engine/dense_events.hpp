#pragma once

#include <cstdint>

#include "engine/ports.hpp"

namespace procgraph {

// Dense events: where the graded events of an element-wise node only go through one-to-one synapse
// nodes into element-wise nodes, no list of them is made. The source writes one payload per element
// into a row per step, and the targets add weight times payload as they compute. The synapse nodes
// in between then only count their ticks. Lists and histories are made from the rows where somebody
// wants to see them, which is before a checkpoint; a recorder turns the whole thing off.

/// True if the source does not draw its payloads any more: since something was set, they do not
/// depend on the step alone.
bool is_undrawn(const Output& output);

/// Goes over to dense rows after `last`, the last step that was run, if the graph allows it and
/// lists and histories agree, and away from rows that nobody draws any more. True if it did.
bool use_dense_events(Output& output, std::int64_t last);

/// Goes back to lists.
void use_listed_events(Output& output, std::int64_t last);

}  // namespace procgraph
