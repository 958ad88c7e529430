// Included by hot_loops.cpp only, within its instruction set.
//
// How many thresholds the upper halves of draws exceed, with vectors where there are any.
#pragma once

#include "kernels/segment_loops.hpp"

namespace procgraph {
namespace {

using u16 = std::uint16_t;

constexpr std::size_t kBlock = 64;

/// What the upper halves alone say.
struct Counted {
  std::size_t events = 0;  // counts that are not zero
  std::size_t open = 0;    // listed elements whose count is the least possible
};

#if defined(__AVX512BW__)

/// Where counts are written to.
struct Counts {
  i32* out;
  void put(std::size_t at, __mmask16 present, __m512i counts) const {
    _mm512_mask_storeu_epi32(out + at, present, counts);
  }
};

/// Vectors of 32 upper halves against the table in registers.
class UpperCounter {
 public:
  explicit UpperCounter(const CountTable& table)
      : table_(table), open_(_mm512_maskz_loadu_epi16(first(table.usual + 1), table.open)) {}

  /// Counts for x[0] ... x[32 * vectors - 1], the elements from `at` on.
  template <std::size_t vectors, class Sink>
  void count(const u16* x, std::size_t at, const Sink& sink, u16* list, Counted& counted) {
    __m512i values[vectors];
    __m512i above[vectors];
    exceeded<vectors>(x, values, above);
    __m512i left = _mm512_set1_epi16(-1);  // zero where a count is open
    PG_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      put(sink, at + 32 * v, 0xFFFFFFFFu, above[v]);
      events_ = _mm512_add_epi16(events_, _mm512_min_epu16(above[v], _mm512_set1_epi16(1)));
      left = _mm512_min_epu16(left, _mm512_subs_epu16(next(above[v]), values[v]));
    }
    if (_mm512_testn_epi16_mask(left, left) == 0) return;
    PG_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      add_open(_mm512_cmpge_epu16_mask(values[v], next(above[v])), at + 32 * v, list, counted);
    }
  }

  /// The last n of them, less than a vector.
  template <class Sink>
  void count_rest(const u16* x, std::size_t n, std::size_t at, const Sink& sink, u16* list,
                  Counted& counted) {
    __m512i values[1];
    __m512i above[1];
    exceeded<1>(x, values, above);
    const __mmask32 present = first(n);
    above[0] = _mm512_maskz_mov_epi16(present, above[0]);
    put(sink, at, present, above[0]);
    events_ = _mm512_add_epi16(events_, _mm512_min_epu16(above[0], _mm512_set1_epi16(1)));
    add_open(_mm512_mask_cmpge_epu16_mask(present, values[0], next(above[0])), at, list, counted);
  }

  /// Counts that are not zero, of fewer than 2^21 elements.
  std::size_t events() const {
    const __m512i ones = _mm512_set1_epi16(1);
    return static_cast<std::size_t>(_mm512_reduce_add_epi32(_mm512_madd_epi16(events_, ones)));
  }

 private:
  static __mmask32 first(std::size_t n) {
    return static_cast<__mmask32>((std::uint64_t{1} << n) - 1);
  }

  template <class Sink>
  static void put(const Sink& sink, std::size_t at, __mmask32 present, __m512i above) {
    sink.put(at, static_cast<__mmask16>(present),
             _mm512_cvtepu16_epi32(_mm512_castsi512_si256(above)));
    sink.put(at + 16, static_cast<__mmask16>(present >> 16),
             _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(above, 1)));
  }

  template <std::size_t vectors>
  void exceeded(const u16* x, __m512i* values, __m512i* above) const {
    PG_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      values[v] = _mm512_loadu_si512(x + 32 * v);
      above[v] = _mm512_setzero_si512();
    }
    for (std::size_t k = 0; k < table_.usual; ++k) {
      const __m512i sure = _mm512_set1_epi16(static_cast<short>(table_.sure[k]));
      PG_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
        const __mmask32 more = _mm512_cmpge_epu16_mask(values[v], sure);
        above[v] = _mm512_mask_sub_epi16(above[v], more, above[v], _mm512_set1_epi16(-1));
      }
    }
  }

  /// The upper halves from which on these counts are open.
  __m512i next(__m512i above) const { return _mm512_permutexvar_epi16(above, open_); }

  static void add_open(__mmask32 open, std::size_t at, u16* list, Counted& counted) {
    for (; open != 0; open &= open - 1) {
      list[counted.open++] = static_cast<u16>(at + static_cast<u32>(__builtin_ctz(open)));
    }
  }

  const CountTable& table_;
  __m512i open_;
  __m512i events_ = _mm512_setzero_si512();
};

bool fits(const CountTable& table) {
  return table.usual < CountTable::kNext;
}

/// `x` has room for whole vectors.
template <class Sink>
Counted count_vectors(const u16* x, std::size_t n, const CountTable& table, const Sink& sink,
                      u16* list) {
  UpperCounter counter(table);
  Counted counted;
  std::size_t i = 0;
  for (; i + 256 <= n; i += 256) counter.count<8>(x + i, i, sink, list, counted);
  for (; i + 64 <= n; i += 64) counter.count<2>(x + i, i, sink, list, counted);
  for (; i + 32 <= n; i += 32) counter.count<1>(x + i, i, sink, list, counted);
  if (i < n) counter.count_rest(x + i, n - i, i, sink, list, counted);
  counted.events = counter.events();
  return counted;
}

Counted count_vectors(const u16* x, std::size_t n, const CountTable& table, i32* out, u16* list) {
  return count_vectors(x, n, table, Counts{out}, list);
}

#elif defined(__AVX2__)

/// A block of upper halves, 16 to a vector, against the table.
class BlockCounter {
 public:
  explicit BlockCounter(const CountTable& table) : table_(table) {}

  /// Counts for x[0] ... x[kBlock - 1]; true if some are open.
  bool count(const u16* x, i32* out) {
    __m256i values[kVectors];
    __m256i above[kVectors];
    PG_UNROLL for (std::size_t v = 0; v < kVectors; ++v) {
      values[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + 16 * v));
      above[v] = _mm256_setzero_si256();
    }
    const __m256i rare = splat_half(table_.open[table_.usual]);
    __m256i open = _mm256_setzero_si256();
    PG_UNROLL for (std::size_t v = 0; v < kVectors; ++v) {
      open = _mm256_or_si256(open, reached(values[v], rare));
    }
    for (std::size_t k = 0; k < table_.usual; ++k) {
      const __m256i sure = splat_half(table_.sure[k]);
      const __m256i next = splat_half(table_.open[k]);
      PG_UNROLL for (std::size_t v = 0; v < kVectors; ++v) {
        above[v] = _mm256_sub_epi16(above[v], reached(values[v], sure));
        open = _mm256_or_si256(open, _mm256_cmpeq_epi16(values[v], next));
      }
    }
    PG_UNROLL for (std::size_t v = 0; v < kVectors; ++v) {
      zeros_ = _mm256_sub_epi16(zeros_, _mm256_cmpeq_epi16(above[v], _mm256_setzero_si256()));
      auto* to = reinterpret_cast<__m256i*>(out + 16 * v);
      _mm256_storeu_si256(to, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(above[v])));
      _mm256_storeu_si256(to + 1, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(above[v], 1)));
    }
    return _mm256_testz_si256(open, open) == 0;
  }

  /// Whether a draw with this upper half may exceed a threshold that is not counted.
  bool is_open(u16 x) const {
    bool open = x >= table_.open[table_.usual];
    for (std::size_t k = 0; k < table_.usual; ++k) open |= x == table_.open[k];
    return open;
  }

  /// Counts of zero so far, of fewer than 2^19 elements.
  std::size_t zeros() const {
    alignas(32) i32 sums[8];
    const __m256i pairs = _mm256_madd_epi16(zeros_, _mm256_set1_epi16(1));
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums), pairs);
    i32 total = 0;
    for (const i32 sum : sums) total += sum;
    return static_cast<std::size_t>(total);
  }

 private:
  static constexpr std::size_t kVectors = kBlock / 16;
  static __m256i splat_half(u16 x) { return _mm256_set1_epi16(static_cast<short>(x)); }
  static __m256i reached(__m256i x, __m256i least) {
    return _mm256_cmpeq_epi16(_mm256_max_epu16(x, least), x);
  }

  const CountTable& table_;
  __m256i zeros_ = _mm256_setzero_si256();
};

bool fits(const CountTable&) {
  return true;
}

/// `x` has room for whole blocks.
Counted count_vectors(const u16* x, std::size_t n, const CountTable& table, i32* out, u16* list) {
  BlockCounter counter(table);
  Counted counted;
  const auto add_open = [&](std::size_t first, std::size_t size) {
    for (std::size_t i = first; i < first + size; ++i) {
      if (counter.is_open(x[i])) list[counted.open++] = static_cast<u16>(i);
    }
  };
  std::size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    if (counter.count(x + i, out + i)) add_open(i, kBlock);
  }
  counted.events = i - counter.zeros();
  if (i < n) {
    alignas(32) i32 rest[kBlock];
    if (counter.count(x + i, rest)) add_open(i, n - i);
    for (std::size_t j = 0; i + j < n; ++j) {
      out[i + j] = rest[j];
      counted.events += rest[j] != 0;
    }
  }
  return counted;
}

#else

bool fits(const CountTable&) {
  return false;
}
Counted count_vectors(const u16*, std::size_t, const CountTable&, i32*, u16*) {
  return {};
}

#endif

}  // namespace
}  // namespace procgraph
