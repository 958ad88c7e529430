#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/hot_loops.hpp"

namespace procgraph {

/// Prepares the counting of thresholds (ascending, one at least, -1 ... 2^31 - 1) below a draw.
/// Keeps a pointer to them.
CountTable make_count_table(const std::vector<std::int32_t>& thresholds);

}  // namespace procgraph
