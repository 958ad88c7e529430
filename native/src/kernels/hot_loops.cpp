// Compiled once per instruction set with PG_HOT_LOOPS naming the table. Includes nothing with
// inline functions: the linker could pick a copy of them that older processors cannot run.
#include "kernels/hot_loops.hpp"

#if defined(__AVX512F__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined register of its own intrinsics for a mistake.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#elif defined(__AVX2__)
#include <immintrin.h>
#endif

// Arrays of vectors stay in registers only where their loops are unrolled.
#if defined(__clang__)
#define PG_UNROLL _Pragma("clang loop unroll(full)")
#define PG_UNROLL_SOME _Pragma("clang loop unroll_count(4)")
#elif defined(__GNUC__)
#define PG_UNROLL _Pragma("GCC unroll 8")
#define PG_UNROLL_SOME _Pragma("GCC unroll 4")
#else
#define PG_UNROLL
#define PG_UNROLL_SOME
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PG_NOINLINE __attribute__((noinline))
#else
#define PG_NOINLINE
#endif

// Arrays are the same or do not overlap.
#if defined(__clang__)
#define PG_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define PG_INDEPENDENT _Pragma("GCC ivdep")
#else
#define PG_INDEPENDENT
#endif

#include "kernels/draw_loops.hpp"
#include "kernels/mask_loops.hpp"
#include "kernels/philox_lanes.hpp"
#include "kernels/plastic_loops.hpp"
#include "kernels/product_loops.hpp"
#include "kernels/segment_loops.hpp"
#include "kernels/select_loops.hpp"

namespace procgraph {
namespace {

void add(u32* PG_RESTRICT acc, const i32* PG_RESTRICT values, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) acc[i] += wrap(values[i]);
}

void add_scalar(u32* acc, u32 value, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) acc[i] += value;
}

void add_row(u32* PG_RESTRICT acc, const i32* PG_RESTRICT row, u32 payload, std::size_t n) {
  if (payload == 1) {
    add(acc, row, n);
    return;
  }
  for (std::size_t i = 0; i < n; ++i) acc[i] += payload * wrap(row[i]);
}

// Several rows in one pass, so that the sums are loaded and stored once for all of them.
void add_eight_ones(u32* PG_RESTRICT acc, const i32* const* rows, std::size_t n) {
  const i32* PG_RESTRICT a = rows[0];
  const i32* PG_RESTRICT b = rows[1];
  const i32* PG_RESTRICT c = rows[2];
  const i32* PG_RESTRICT d = rows[3];
  const i32* PG_RESTRICT e = rows[4];
  const i32* PG_RESTRICT f = rows[5];
  const i32* PG_RESTRICT g = rows[6];
  const i32* PG_RESTRICT h = rows[7];
  for (std::size_t i = 0; i < n; ++i) {
    acc[i] += ((wrap(a[i]) + wrap(b[i])) + (wrap(c[i]) + wrap(d[i]))) +
              ((wrap(e[i]) + wrap(f[i])) + (wrap(g[i]) + wrap(h[i])));
  }
}

void add_four_rows(u32* PG_RESTRICT acc, const i32* const* rows, const i32* payloads,
                   std::size_t n) {
  const i32* PG_RESTRICT a = rows[0];
  const i32* PG_RESTRICT b = rows[1];
  const i32* PG_RESTRICT c = rows[2];
  const i32* PG_RESTRICT d = rows[3];
  const u32 pa = wrap(payloads[0]);
  const u32 pb = wrap(payloads[1]);
  const u32 pc = wrap(payloads[2]);
  const u32 pd = wrap(payloads[3]);
  for (std::size_t i = 0; i < n; ++i) {
    acc[i] += (pa * wrap(a[i]) + pb * wrap(b[i])) + (pc * wrap(c[i]) + pd * wrap(d[i]));
  }
}

bool all_one(const i32* payloads, std::size_t count) {
  i32 other = 0;
  for (std::size_t i = 0; i < count; ++i) other |= payloads[i] ^ 1;
  return other == 0;
}

void add_rows(u32* acc, const i32* const* rows, const i32* payloads, std::size_t count,
              std::size_t n) {
  std::size_t r = 0;
  for (; r + 8 <= count && all_one(payloads + r, 8); r += 8) add_eight_ones(acc, rows + r, n);
  for (; r + 4 <= count; r += 4) add_four_rows(acc, rows + r, payloads + r, n);
  for (; r < count; ++r) add_row(acc, rows[r], wrap(payloads[r]), n);
}

void add_segment(u32* PG_RESTRICT acc, const i32* PG_RESTRICT targets,
                 const i32* PG_RESTRICT weights, std::size_t count, u32 payload) {
  PG_UNROLL_SOME for (std::size_t m = 0; m < count; ++m) {
    acc[targets[m]] += payload * wrap(weights[m]);
  }
}

void add_targets(u32* PG_RESTRICT acc, const i32* PG_RESTRICT targets, std::size_t count,
                 u32 value) {
  PG_UNROLL_SOME for (std::size_t m = 0; m < count; ++m) acc[targets[m]] += value;
}

i32 clamp(i32 x, i32 limit) {
  const i32 low = x < -limit ? -limit : x;
  return low > limit ? limit : low;
}

/// Spikes are rare: most blocks hold none.
constexpr std::size_t kCompactBlock = 64;

#if defined(__AVX512F__)

bool any_in_block(const i32* payloads) {
  __m512i any = _mm512_loadu_si512(payloads);
  PG_UNROLL for (std::size_t i = 16; i < kCompactBlock; i += 16) {
    any = _mm512_or_si512(any, _mm512_loadu_si512(payloads + i));
  }
  return _mm512_test_epi32_mask(any, any) != 0;
}

std::size_t compact_vector(__m512i x, i32 first, i32 limit, i32* index, i32* values) {
  const __mmask16 set = _mm512_test_epi32_mask(x, x);
  if (set == 0) return 0;
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i bound = _mm512_set1_epi32(limit);
  const __m512i low = _mm512_max_epi32(x, _mm512_sub_epi32(_mm512_setzero_si512(), bound));
  const __m512i clamped = _mm512_min_epi32(low, bound);
  const __m512i position = _mm512_add_epi32(lane, _mm512_set1_epi32(first));
  _mm512_storeu_si512(index, _mm512_maskz_compress_epi32(set, position));
  _mm512_storeu_si512(values, _mm512_maskz_compress_epi32(set, clamped));
  return count_set(set);
}

std::size_t compact_group(const i32* payloads, i32 first, i32 limit, i32* index, i32* values) {
  return compact_vector(_mm512_loadu_si512(payloads), first, limit, index, values);
}

std::size_t compact_rest(const i32* payloads, std::size_t n, i32 first, i32 limit, i32* index,
                         i32* values) {
  if (n == 0) return 0;
  const auto present = static_cast<__mmask16>((1u << n) - 1);
  return compact_vector(_mm512_maskz_loadu_epi32(present, payloads), first, limit, index, values);
}

#else

bool any_in_block(const i32* payloads) {
  i32 any = 0;
  for (std::size_t i = 0; i < kCompactBlock; ++i) any |= payloads[i];
  return any != 0;
}

std::size_t compact_group(const i32* payloads, i32 first, i32 limit, i32* index, i32* values) {
  i32 any = 0;
  for (int i = 0; i < 16; ++i) any |= payloads[i];
  if (any == 0) return 0;
  std::size_t count = 0;
  for (i32 i = 0; i < 16; ++i) {
    index[count] = first + i;
    values[count] = clamp(payloads[i], limit);
    count += payloads[i] != 0;
  }
  return count;
}

std::size_t compact_rest(const i32* payloads, std::size_t n, i32 first, i32 limit, i32* index,
                         i32* values) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    index[count] = first + static_cast<i32>(i);
    values[count] = clamp(payloads[i], limit);
    count += payloads[i] != 0;
  }
  return count;
}

#endif

std::size_t compact(const i32* payloads, std::size_t n, i32 first, i32 limit, i32* index,
                    i32* values) {
  std::size_t count = 0;
  std::size_t i = 0;
  const auto take_groups = [&](std::size_t end) {
    for (; i + 16 <= end; i += 16) {
      count += compact_group(payloads + i, first + static_cast<i32>(i), limit, index + count,
                             values + count);
    }
  };
  while (i + kCompactBlock <= n) {
    if (any_in_block(payloads + i)) {
      take_groups(i + kCompactBlock);
    } else {
      i += kCompactBlock;
    }
  }
  take_groups(n);
  count += compact_rest(payloads + i, n - i, first + static_cast<i32>(i), limit, index + count,
                        values + count);
  return count;
}

/// Round to nearest even without depending on a rounding instruction: adding 2^23 to a smaller
/// magnitude drops the fraction.
float round_even(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float rounded = (magnitude + 8388608.0f) - 8388608.0f;
  const float kept = magnitude < 8388608.0f ? rounded : magnitude;
  return x < 0 ? -kept : kept;
}

bool to_fixed(const float* PG_RESTRICT x, std::size_t n, float bound, float factor,
              i32* PG_RESTRICT out) {
  i32 any = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float number = x[i] == x[i] ? x[i] : 0.0f;
    const float low = number < -bound ? -bound : number;
    const float clipped = low > bound ? bound : low;
    const float scaled = round_even(clipped * factor);
    // Only a hostile Program can come here with more than int32 holds.
    const float floor = scaled < -2147483520.0f ? -2147483520.0f : scaled;
    out[i] = static_cast<i32>(floor > 2147483520.0f ? 2147483520.0f : floor);
    any |= out[i];
  }
  return any != 0;
}

void philox_words(u32 key_low, u32 key_high, u32 c0, u32 c1, u32 c3, std::size_t count, u32* out) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const Lanes block = add_lanes(splat(c0 + static_cast<u32>(i)), count_up());
    const LaneWords words = philox_lanes(key_low, key_high, block, c1, c3);
    store_words(out + 4 * i, words.ab, words.cd);
  }
}

void philox_pick(u32 key_low, u32 key_high, const u32* m, std::size_t count, u32 c1, u32 c3,
                 u32* out) {
  u32 words[4 * kLanes];
  for (std::size_t i = 0; i < count; i += kLanes) {
    const LaneWords found = philox_lanes(key_low, key_high, load_counters(m + i), c1, c3);
    store_words(words, found.ab, found.cd);
    for (std::size_t j = 0; j < kLanes; ++j) out[i + j] = words[4 * j + (m[i + j] & 3)];
  }
}

std::size_t clamp_count(i32* payloads, std::size_t n, i32 limit) {
  i32 count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    payloads[i] = clamp(payloads[i], limit);
    count += payloads[i] != 0;
  }
  return static_cast<std::size_t>(count);
}

}  // namespace

extern const HotLoops PG_HOT_LOOPS = {add_rows,        add,
                                      add_scalar,      add_segment,
                                      add_targets,     compact,
                                      to_fixed,        draw_values,
                                      draw_counts,     draw_products,
                                      clamp_count,     take_products,
                                      philox_words,    philox_pick,
                                      permute,         quantise,
                                      decay,           decay_rows,
                                      select_at_most,  select_times,
                                      prefetch,        prefetch_range,
                                      deliver_packed,  deliver_book,
                                      deliver_index16, deliver_index32,
                                      deliver_wide,    scatter,
                                      scatter_weights, take_sums,
                                      add_masks,       kMaskBlockNs};

}  // namespace procgraph
