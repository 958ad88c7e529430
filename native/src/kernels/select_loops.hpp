// Included by hot_loops.cpp only, within its instruction set.
//
// Choosing pairs of a connectivity rule.
#pragma once

#include "kernels/segment_loops.hpp"

namespace procgraph {
namespace {

using u8 = unsigned char;

std::size_t select_rest(const u8* bytes, const u8* limits, std::size_t first, std::size_t n,
                        u32* out) {
  std::size_t count = 0;
  for (std::size_t i = first; i < n; ++i) {
    if (bytes[i] <= limits[i]) out[count++] = static_cast<u32>(i);
  }
  return count;
}

#if defined(__AVX512BW__)

std::size_t select_at_most(const u8* bytes, const u8* limits, std::size_t n, u32* out) {
  std::size_t count = 0;
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    std::uint64_t chosen =
        _mm512_cmple_epu8_mask(_mm512_loadu_si512(bytes + i), _mm512_loadu_si512(limits + i));
    for (; chosen != 0; chosen &= chosen - 1) {
      out[count++] = static_cast<u32>(i) + static_cast<u32>(__builtin_ctzll(chosen));
    }
  }
  return count + select_rest(bytes, limits, i, n, out + count);
}

#else

std::size_t select_at_most(const u8* PG_RESTRICT bytes, const u8* PG_RESTRICT limits, std::size_t n,
                           u32* PG_RESTRICT out) {
  constexpr std::size_t kGroup = 32;
  std::size_t count = 0;
  std::size_t i = 0;
  for (; i + kGroup <= n; i += kGroup) {
    u8 any = 0;
    for (std::size_t j = 0; j < kGroup; ++j) {
      any = static_cast<u8>(any | (bytes[i + j] <= limits[i + j] ? 1 : 0));
    }
    if (any != 0) count += select_rest(bytes, limits, i, i + kGroup, out + count);
  }
  return count + select_rest(bytes, limits, i, n, out + count);
}

#endif

}  // namespace
}  // namespace procgraph
