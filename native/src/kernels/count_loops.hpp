// Included by hot_loops.cpp only, within its instruction set.
//
// Counting how many thresholds are below a draw, as a Poisson source does: by a table of ranges
// where there are vectors of 16, by comparing with each threshold elsewhere.
#pragma once

namespace procgraph {
namespace {

#if defined(__AVX512F__)

constexpr std::size_t kBlock = 128;  // as much as stays in registers

/// Thresholds and values are not negative, so that the sign of a difference tells them apart.
void count_block(const i32* x, const i32* thresholds, std::size_t count, i32* out) {
  constexpr std::size_t kVectors = kBlock / 16;
  __m512i values[kVectors];
  __m512i above[kVectors];
  PG_UNROLL for (std::size_t v = 0; v < kVectors; ++v) {
    values[v] = _mm512_loadu_si512(x + 16 * v);
    above[v] = _mm512_setzero_si512();
  }
  for (std::size_t k = 0; k < count; ++k) {
    const __m512i threshold = _mm512_set1_epi32(thresholds[k]);
    PG_UNROLL for (std::size_t v = 0; v < kVectors; ++v) {
      const __m512i left = _mm512_sub_epi32(threshold, values[v]);
      above[v] = _mm512_add_epi32(above[v], _mm512_srli_epi32(left, 31));
    }
  }
  PG_UNROLL for (std::size_t v = 0; v < kVectors; ++v) {
    _mm512_storeu_si512(out + 16 * v, above[v]);
  }
}

/// Counts on where all of the first `usual` thresholds were exceeded.
void count_rest(const i32* x, const i32* thresholds, std::size_t usual, std::size_t count,
                i32* out) {
  __m512i above = _mm512_loadu_si512(out);
  const auto full = _mm512_cmpeq_epi32_mask(above, _mm512_set1_epi32(static_cast<i32>(usual)));
  if (full == 0) return;
  const __m512i values = _mm512_loadu_si512(x);
  for (std::size_t k = usual; k < count; ++k) {
    const __m512i left = _mm512_sub_epi32(_mm512_set1_epi32(thresholds[k]), values);
    above = _mm512_add_epi32(above, _mm512_srli_epi32(left, 31));
  }
  _mm512_storeu_si512(out, above);
}

/// The table in registers.
class RangeCounter {
 public:
  explicit RangeCounter(const CountTable& table)
      : table_(table),
        limit_{_mm512_load_si512(table.limit), _mm512_load_si512(table.limit + 16)},
        base_{_mm512_load_si512(table.base), _mm512_load_si512(table.base + 16)},
        lowest_(_mm512_set1_epi32(static_cast<i32>(table.lowest))),
        usual_(_mm512_set1_epi32(static_cast<i32>(table.usual))),
        shift_(_mm512_set1_epi32(static_cast<i32>(table.shift))) {}

  __m512i operator()(__m512i x) const {
    const __m512i y = _mm512_xor_si512(x, _mm512_set1_epi32(INT32_MAX));
    const __m512 number = _mm512_cvt_roundepi32_ps(_mm512_max_epi32(y, lowest_),
                                                   _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    const __m512i range = _mm512_srlv_epi32(_mm512_castps_si512(number), shift_);
    const __m512i limit = _mm512_permutex2var_epi32(limit_[0], range, limit_[1]);
    const __m512i base = _mm512_permutex2var_epi32(base_[0], range, base_[1]);
    const __mmask16 one_more = _mm512_cmplt_epu32_mask(y, limit);
    __m512i above = _mm512_mask_sub_epi32(base, one_more, base, _mm512_set1_epi32(-1));
    if (__builtin_expect(_mm512_cmpeq_epi32_mask(above, usual_) != 0, 0)) {
      above = count_on(above, y);
    }
    return above;
  }

 private:
  __m512i count_on(__m512i above, __m512i y) const {
    for (std::size_t k = table_.usual; k < table_.count; ++k) {
      const __m512i limit = _mm512_set1_epi32(INT32_MAX - table_.thresholds[k]);
      const __mmask16 one_more = _mm512_cmplt_epu32_mask(y, limit);
      above = _mm512_mask_sub_epi32(above, one_more, above, _mm512_set1_epi32(-1));
    }
    return above;
  }

  const CountTable& table_;
  __m512i limit_[2];
  __m512i base_[2];
  __m512i lowest_;
  __m512i usual_;
  __m512i shift_;
};

/// Full vectors; returns how many values that were.
std::size_t count_by_range(const i32* x, std::size_t n, const CountTable& table, i32* out) {
  const RangeCounter count(table);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_si512(out + i, count(_mm512_loadu_si512(x + i)));
  }
  return i;
}

#else

constexpr std::size_t kBlock = 32;

void count_block(const i32* PG_RESTRICT x, const i32* PG_RESTRICT thresholds, std::size_t count,
                 i32* PG_RESTRICT out) {
  i32 above[kBlock] = {};
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t j = 0; j < kBlock; ++j) above[j] += x[j] > thresholds[k];
  }
  for (std::size_t j = 0; j < kBlock; ++j) out[j] = above[j];
}

void count_rest(const i32* x, const i32* thresholds, std::size_t usual, std::size_t count,
                i32* out) {
  i32 most = 0;
  for (std::size_t j = 0; j < 16; ++j) most = out[j] > most ? out[j] : most;
  if (static_cast<std::size_t>(most) < usual) return;
  for (std::size_t k = usual; k < count; ++k) {
    for (std::size_t j = 0; j < 16; ++j) out[j] += x[j] > thresholds[k];
  }
}

#endif

/// All values against the thresholds that one in 500 exceeds, then the few that do against the
/// rest. Returns how many values that were.
std::size_t count_by_threshold(const i32* x, std::size_t n, const CountTable& table, i32* out) {
  constexpr i32 kRare = INT32_MAX - INT32_MAX / 512;
  std::size_t usual = 1;
  while (usual < table.count && table.thresholds[usual - 1] < kRare) ++usual;
  std::size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) count_block(x + i, table.thresholds, usual, out + i);
  const std::size_t end = usual < table.count ? i : 0;
  for (std::size_t j = 0; j < end; j += 16) {
    count_rest(x + j, table.thresholds, usual, table.count, out + j);
  }
  return i;
}

void count_above(const i32* x, std::size_t n, const CountTable& table, i32* out) {
#if defined(__AVX512F__)
  std::size_t i =
      table.tabulated ? count_by_range(x, n, table, out) : count_by_threshold(x, n, table, out);
#else
  std::size_t i = count_by_threshold(x, n, table, out);
#endif
  for (; i < n; ++i) {
    i32 above = 0;
    for (std::size_t k = 0; k < table.count; ++k) above += x[i] > table.thresholds[k];
    out[i] = above;
  }
}

std::size_t draw_counts(u32 key_low, u32 key_high, u32 block, std::int64_t step, u32 c3,
                        std::size_t n, const CountTable& table, i32* out) {
  constexpr std::size_t kDrawn = 512;  // at a time, to stay in the cache
  const PhiloxRun run(key_low, key_high, static_cast<std::uint64_t>(step), c3);
  alignas(64) i32 draws[kDrawn];
  i32 events = 0;
  for (std::size_t begin = 0; begin < n; begin += kDrawn) {
    const std::size_t size = n - begin < kDrawn ? n - begin : kDrawn;
    run.fill(block + static_cast<u32>(begin / 4), (size + 31) / 32 * 32, draws);
    count_above(draws, size, table, out + begin);
    for (std::size_t i = 0; i < size; ++i) events += out[begin + i] != 0;
  }
  return static_cast<std::size_t>(events);
}

}  // namespace
}  // namespace procgraph
