// Included by hot_loops.cpp only, within its instruction set.
//
// Weights and traces of plastic synapses.
#pragma once

#include "kernels/segment_loops.hpp"

namespace procgraph {
namespace {

void quantise(const float* PG_RESTRICT weights, std::size_t n, double factor,
              i32* PG_RESTRICT out) {
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  constexpr double kLargest = 2147483647.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(weights[i]) * factor;
    const double low = x < -kLargest ? -kLargest : x;
    const double limited = low > kLargest ? kLargest : low;
    out[i] = static_cast<i32>((limited + kRound) - kRound);
  }
}

float decayed(float value, float factor) {
  const float next = value * factor;
  return (next < 0 ? -next : next) < 0x1p-126F ? 0.0F : next;
}

void decay(float* values, std::size_t n, float factor) {
  for (std::size_t i = 0; i < n; ++i) values[i] = decayed(values[i], factor);
}

/// Row i of `out` gets column i of `block`.
void store_transposed(const float (*block)[8], float* out, std::size_t stride) {
#if defined(__AVX2__)
  __m256 a[8];
  for (std::size_t k = 0; k < 8; ++k) a[k] = _mm256_load_ps(block[k]);
  __m256 pairs[8];
  for (std::size_t k = 0; k < 8; k += 2) {
    pairs[k] = _mm256_unpacklo_ps(a[k], a[k + 1]);
    pairs[k + 1] = _mm256_unpackhi_ps(a[k], a[k + 1]);
  }
  __m256 fours[8];
  for (std::size_t k = 0; k < 8; k += 4) {
    for (std::size_t h = 0; h < 2; ++h) {
      fours[k + 2 * h] = _mm256_shuffle_ps(pairs[k + h], pairs[k + h + 2], 0x44);
      fours[k + 2 * h + 1] = _mm256_shuffle_ps(pairs[k + h], pairs[k + h + 2], 0xEE);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * stride, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * stride, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
  }
#else
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t k = 0; k < 8; ++k) out[i * stride + k] = block[k][i];
  }
#endif
}

void decay_rows(const float* values, std::size_t count, float factor, float* out,
                std::size_t stride) {
  alignas(32) float now[8];
  alignas(32) float block[8][8];
  for (std::size_t i = 0; i < 8; ++i) now[i] = values[i];
  const float two = factor * factor;
  const float eight = two * two * two * two;
  for (std::size_t r = 0; r < count; r += 8) {
    // Each step waits for the one before: what cannot become denormal in this block is not asked.
    bool large = true;
    for (std::size_t i = 0; i < 8; ++i) {
      const float last = now[i] < 0 ? -now[i] * eight : now[i] * eight;
      large &= (now[i] == 0) | (last >= 0x1p-120F);
    }
    if (large) {
      for (std::size_t k = 0; k < 8; ++k) {
        for (std::size_t i = 0; i < 8; ++i) block[k][i] = now[i];
        for (std::size_t i = 0; i < 8; ++i) now[i] *= factor;
      }
    } else {
      for (std::size_t k = 0; k < 8; ++k) {
        for (std::size_t i = 0; i < 8; ++i) block[k][i] = now[i];
        for (std::size_t i = 0; i < 8; ++i) now[i] = decayed(now[i], factor);
      }
    }
    store_transposed(block, out + r, stride);
  }
}

std::size_t select_times(const std::uint16_t* times, const u32* list, std::size_t n, u32 least,
                         u32 origin, u32* out) {
  std::size_t count = 0;
  std::size_t k = 0;
#if defined(__AVX512F__)
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i start = _mm512_set1_epi32(static_cast<i32>(origin));
  const __m512i bound = _mm512_set1_epi32(static_cast<i32>(least));
  for (; k + 16 <= n; k += 16) {
    const __m512i time =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(times + k)));
    const __m512i number = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<i32>(k)));
    const __m512i place =
        list == nullptr ? _mm512_slli_epi32(number, 16)
                        : _mm512_and_si512(_mm512_loadu_si512(list + k), _mm512_set1_epi32(-65536));
    const __mmask16 late = _mm512_cmpge_epu32_mask(time, bound);
    const __m512i entry = _mm512_add_epi32(place, _mm512_sub_epi32(time, start));
    _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(late, entry));
    count += count_set(late);
  }
#endif
  for (; k < n; ++k) {
    const u32 place = list == nullptr ? static_cast<u32>(k) << 16 : list[k] & 0xFFFF0000U;
    out[count] = place + (times[k] - origin);
    count += times[k] >= least;
  }
  return count;
}

void prefetch_range(const void* address, std::size_t bytes) {
  const auto* begin = static_cast<const char*>(address);
  for (std::size_t at = 0; at < bytes; at += 64) prefetch(begin + at);
}

}  // namespace
}  // namespace procgraph
