#pragma once

#include "nodes/elementwise_part.hpp"

namespace procgraph {

/// Nanoseconds that the compiled kernel of a node takes for an element, without draws: the least of
/// a few calls on copies of what the first elements begin with, and no input.
double try_kernel(const ElementwiseCore& core);

}  // namespace procgraph
