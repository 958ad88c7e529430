#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "random/rules.hpp"

namespace procgraph {

constexpr std::uint32_t kDistanceBands = 10;

/// Band of the probability (threshold + 1) / 2^32: 0 above 2^-4, else the largest b of 1 ... 9 with
/// a probability of at most 2^-(b + 3).
constexpr std::uint32_t distance_band(std::uint32_t threshold) {
  const auto leading = static_cast<std::uint32_t>(std::countl_zero(threshold));
  return leading < 4 ? 0 : std::min(leading - 3, kDistanceBands - 1);
}

/// Calls `visit` for the synapses that the rule `distance` makes from the sources in `range`.
/// Numbers count from the range's first synapse: nothing in a Program is given by number here.
void for_each_distance_synapse(const SparseAttrs& attrs, const HotLoops& loops, SourceRange range,
                               const RunVisitor& visit);

/// Number of synapses that the rule makes.
std::int64_t count_distance_synapses(const SparseAttrs& attrs, const HotLoops& loops);

}  // namespace procgraph
