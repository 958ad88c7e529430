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

/// Values of eight sources in eight steps.
constexpr std::size_t kRows = 8;

#if defined(__AVX2__)

using RowValues = __m256;  // in one step

RowValues load_rows(const float* values) {
  return _mm256_loadu_ps(values);
}
RowValues times(RowValues x, float factor) {
  return _mm256_mul_ps(x, _mm256_set1_ps(factor));
}
RowValues magnitude(RowValues x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
}
/// Each is zero, or at least that after so many steps.
bool stay_above(RowValues x, float decay, float least) {
  const RowValues last = times(magnitude(x), decay);
  const RowValues above = _mm256_cmp_ps(last, _mm256_set1_ps(least), _CMP_GE_OQ);
  const RowValues zero = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_EQ_OQ);
  return _mm256_movemask_ps(_mm256_or_ps(above, zero)) == 0xFF;
}
RowValues decayed(RowValues x, float factor) {
  const RowValues next = times(x, factor);
  const RowValues small = _mm256_cmp_ps(magnitude(next), _mm256_set1_ps(0x1p-126F), _CMP_LT_OQ);
  return _mm256_andnot_ps(small, next);
}

/// Row i of `out` gets column i of `a`.
void store_transposed(const RowValues* a, float* out, std::size_t stride) {
  RowValues pairs[kRows];
  PG_UNROLL for (std::size_t k = 0; k < kRows; k += 2) {
    pairs[k] = _mm256_unpacklo_ps(a[k], a[k + 1]);
    pairs[k + 1] = _mm256_unpackhi_ps(a[k], a[k + 1]);
  }
  RowValues fours[kRows];
  PG_UNROLL for (std::size_t k = 0; k < kRows; k += 4) {
    PG_UNROLL for (std::size_t h = 0; h < 2; ++h) {
      fours[k + 2 * h] = _mm256_shuffle_ps(pairs[k + h], pairs[k + h + 2], 0x44);
      fours[k + 2 * h + 1] = _mm256_shuffle_ps(pairs[k + h], pairs[k + h + 2], 0xEE);
    }
  }
  PG_UNROLL for (std::size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * stride, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * stride, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
  }
}

#else

struct RowValues {
  float row[kRows];
};

RowValues load_rows(const float* values) {
  RowValues out;
  for (std::size_t i = 0; i < kRows; ++i) out.row[i] = values[i];
  return out;
}
RowValues times(RowValues x, float factor) {
  for (std::size_t i = 0; i < kRows; ++i) x.row[i] *= factor;
  return x;
}
bool stay_above(const RowValues& x, float decay, float least) {
  bool all = true;
  for (std::size_t i = 0; i < kRows; ++i) {
    const float last = x.row[i] < 0 ? -x.row[i] * decay : x.row[i] * decay;
    all &= (x.row[i] == 0) | (last >= least);
  }
  return all;
}
RowValues decayed(RowValues x, float factor) {
  for (std::size_t i = 0; i < kRows; ++i) x.row[i] = decayed(x.row[i], factor);
  return x;
}
void store_transposed(const RowValues* a, float* out, std::size_t stride) {
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t k = 0; k < kRows; ++k) out[i * stride + k] = a[k].row[i];
  }
}

#endif

void decay_rows(const float* values, std::size_t count, float factor, float* out,
                std::size_t stride) {
  RowValues now = load_rows(values);
  RowValues block[kRows];
  const float two = factor * factor;
  const float eight = two * two * two * two;
  for (std::size_t r = 0; r < count; r += kRows) {
    // Each step waits for the one before: what cannot become denormal in this block is not asked.
    const bool large = stay_above(now, eight, 0x1p-120F);
    PG_UNROLL for (std::size_t k = 0; k < kRows; ++k) {
      block[k] = now;
      now = large ? times(now, factor) : decayed(now, factor);
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
