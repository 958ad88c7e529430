#pragma once

#include <cstddef>

#include "procgraph/kernel.h"

namespace procgraph {

/// Elements are computed in chunks of this many, which the nearest cache holds; what is left over,
/// if little, goes with the last.
constexpr std::size_t kChunk = 512;
static_assert(kChunk <= PG_KERNEL_CHUNK);

/// The next chunk of a run of which `left` elements are left.
constexpr std::size_t next_chunk(std::size_t left) {
  return left <= PG_KERNEL_CHUNK ? left : kChunk;
}

}  // namespace procgraph
