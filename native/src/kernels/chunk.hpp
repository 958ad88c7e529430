#pragma once

#include <cstddef>

#include "procgraph/kernel.h"

namespace procgraph {

/// Many elements are computed in chunks of this many.
constexpr std::size_t kChunk = 512;

/// The next chunk of a run of which `left` elements are left. Few elements, which stay in a near
/// cache from step to step, are computed in larger chunks, and a small rest goes with the last.
constexpr std::size_t next_chunk(std::size_t left) {
  constexpr std::size_t kFew = 8192;
  if (left <= PG_KERNEL_CHUNK) return left;
  return left <= kFew ? 2 * kChunk : kChunk;
}
static_assert(2 * kChunk <= PG_KERNEL_CHUNK);

}  // namespace procgraph
