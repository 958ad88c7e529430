// Included by hot_loops.cpp only, within its instruction set.
//
// The draws of elements: an upper half of 16 bits and a lower one of 15, half words of two Philox
// streams. To count thresholds below a draw, as a Poisson source does, the upper half nearly always
// is enough, which is half of the random numbers and half of the width to compare.
#pragma once

namespace procgraph {
namespace {

using u16 = std::uint16_t;

constexpr std::size_t kDrawn = 1408;  // at a time, to stay in the nearest cache
constexpr std::size_t kBlock = 64;
constexpr u32 kLowerHalves = 0x80000000u;

static_assert(kDrawn % kBlock == 0);

/// Half words of n elements and, up to a whole group of counters, of those that follow.
void fill_halves(const DrawStream& stream, u32 c3, u32 block, std::size_t n, u16* out) {
  static_assert(kBlock % (8 * kLanes) == 0);
  const PhiloxRun run(stream.key_low, stream.key_high, stream.step, c3);
  run.fill(block, n, out);
}

i32 join_halves(u32 upper, u32 lower) {
  return static_cast<i32>(upper << 15 | lower >> 1);
}

void draw_values(const DrawStream& stream, u32 block, std::size_t n, i32* out) {
  alignas(64) u16 upper[kDrawn];
  alignas(64) u16 lower[kDrawn];
  for (std::size_t begin = 0; begin < n; begin += kDrawn) {
    const std::size_t size = n - begin < kDrawn ? n - begin : kDrawn;
    const u32 first = block + static_cast<u32>(begin / 8);
    fill_halves(stream, stream.c3, first, size, upper);
    fill_halves(stream, stream.c3 | kLowerHalves, first, size, lower);
    for (std::size_t i = 0; i < size; ++i) out[begin + i] = join_halves(upper[i], lower[i]);
  }
}

/// The lower half of one draw; rarely asked for.
u32 lower_half(const DrawStream& stream, u32 block, std::size_t number) {
  u16 halves[kBlock];
  fill_halves(stream, stream.c3 | kLowerHalves, block, 1, halves);
  return halves[number];
}

/// Goes on from `count` thresholds that are less than a draw with this upper half.
i32 count_on(const DrawStream& stream, u32 first, std::size_t element, u32 upper,
             const CountTable& table, i32 count) {
  auto k = static_cast<std::size_t>(count);
  const auto least = static_cast<i32>(upper << 15);
  while (k < table.count && least > table.thresholds[k]) ++k;
  if (k < table.count && (least | 0x7FFF) > table.thresholds[k]) {
    const u32 block = first + static_cast<u32>(element / 8);
    const i32 draw = join_halves(upper, lower_half(stream, block, element % 8));
    while (k < table.count && draw > table.thresholds[k]) ++k;
  }
  return static_cast<i32>(k);
}

/// What the upper halves alone say.
struct Counted {
  std::size_t events = 0;  // counts that are not zero
  std::size_t open = 0;    // listed elements whose count is the least possible
};

#if defined(__AVX512BW__)

/// Vectors of 32 upper halves against the table in registers.
class UpperCounter {
 public:
  explicit UpperCounter(const CountTable& table)
      : table_(table), open_(_mm512_maskz_loadu_epi16(first(table.usual + 1), table.open)) {}

  /// Counts for x[0] ... x[32 * vectors - 1], the elements from `at` on.
  template <std::size_t vectors>
  void count(const u16* x, std::size_t at, i32* out, u16* list, Counted& counted) {
    __m512i values[vectors];
    __m512i above[vectors];
    exceeded<vectors>(x, values, above);
    __m512i left = _mm512_set1_epi16(-1);  // zero where a count is open
    PG_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      _mm512_storeu_si512(out + 32 * v, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(above[v])));
      _mm512_storeu_si512(out + 32 * v + 16,
                          _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(above[v], 1)));
      events_ = _mm512_add_epi16(events_, _mm512_min_epu16(above[v], _mm512_set1_epi16(1)));
      left = _mm512_min_epu16(left, _mm512_subs_epu16(next(above[v]), values[v]));
    }
    if (_mm512_testn_epi16_mask(left, left) == 0) return;
    PG_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      add_open(_mm512_cmpge_epu16_mask(values[v], next(above[v])), at + 32 * v, list, counted);
    }
  }

  /// The last n of them, less than a vector.
  void count_rest(const u16* x, std::size_t n, std::size_t at, i32* out, u16* list,
                  Counted& counted) {
    __m512i values[1];
    __m512i above[1];
    exceeded<1>(x, values, above);
    const __mmask32 present = first(n);
    above[0] = _mm512_maskz_mov_epi16(present, above[0]);
    _mm512_mask_storeu_epi32(out, static_cast<__mmask16>(present),
                             _mm512_cvtepu16_epi32(_mm512_castsi512_si256(above[0])));
    _mm512_mask_storeu_epi32(out + 16, static_cast<__mmask16>(present >> 16),
                             _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(above[0], 1)));
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
Counted count_vectors(const u16* x, std::size_t n, const CountTable& table, i32* out, u16* list) {
  UpperCounter counter(table);
  Counted counted;
  std::size_t i = 0;
  for (; i + 256 <= n; i += 256) counter.count<8>(x + i, i, out + i, list, counted);
  for (; i + 64 <= n; i += 64) counter.count<2>(x + i, i, out + i, list, counted);
  for (; i + 32 <= n; i += 32) counter.count<1>(x + i, i, out + i, list, counted);
  if (i < n) counter.count_rest(x + i, n - i, i, out + i, list, counted);
  counted.events = counter.events();
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

/// Thresholds that are exceeded, and those that may be.
void count_block(const u16* PG_RESTRICT x, const CountTable& table, u16* PG_RESTRICT above,
                 u16* PG_RESTRICT most) {
  for (std::size_t j = 0; j < kBlock; ++j) above[j] = 0;
  for (std::size_t j = 0; j < kBlock; ++j) most[j] = 0;
  for (std::size_t k = 0; k < table.usual; ++k) {
    const u16 sure = table.sure[k];
    const u16 open = table.open[k];
    for (std::size_t j = 0; j < kBlock; ++j) above[j] = static_cast<u16>(above[j] + (x[j] >= sure));
    for (std::size_t j = 0; j < kBlock; ++j) most[j] = static_cast<u16>(most[j] + (x[j] >= open));
  }
  const u16 open = table.open[table.usual];
  for (std::size_t j = 0; j < kBlock; ++j) most[j] = static_cast<u16>(most[j] + (x[j] >= open));
}

/// `x` has room for whole blocks.
Counted count_blocks(const u16* x, std::size_t n, const CountTable& table, i32* out, u16* list) {
  Counted counted;
  alignas(64) u16 above[kBlock];
  alignas(64) u16 most[kBlock];
  for (std::size_t i = 0; i < n; i += kBlock) {
    const std::size_t size = n - i < kBlock ? n - i : kBlock;
    count_block(x + i, table, above, most);
    i32 events = 0;
    u16 left = 0;
    for (std::size_t j = 0; j < size; ++j) {
      out[i + j] = above[j];
      events += above[j] != 0;
      left = static_cast<u16>(left | (above[j] ^ most[j]));
    }
    counted.events += static_cast<std::size_t>(events);
    for (std::size_t j = 0; left != 0 && j < size; ++j) {
      if (above[j] != most[j]) list[counted.open++] = static_cast<u16>(i + j);
    }
  }
  return counted;
}

/// Counts for the n elements from `first` on, at most kDrawn, and how many are not zero.
std::size_t count_drawn(const DrawStream& stream, u32 first, std::size_t n, const CountTable& table,
                        i32* out) {
  alignas(64) u16 upper[kDrawn];
  u16 list[kDrawn];
  fill_halves(stream, stream.c3, first, n, upper);
  const Counted counted = fits(table) ? count_vectors(upper, n, table, out, list)
                                      : count_blocks(upper, n, table, out, list);
  std::size_t events = counted.events;
  for (std::size_t j = 0; j < counted.open; ++j) {
    const std::size_t i = list[j];
    const i32 count = count_on(stream, first, i, upper[i], table, out[i]);
    events += out[i] == 0 && count != 0;
    out[i] = count;
  }
  return events;
}

/// Runs `body(first block, begin, size)` for kDrawn elements at a time; adds up what it returns.
template <class Body>
std::size_t each_drawn(u32 block, std::size_t n, Body body) {
  std::size_t events = 0;
  for (std::size_t begin = 0; begin < n; begin += kDrawn) {
    const std::size_t size = n - begin < kDrawn ? n - begin : kDrawn;
    events += body(block + static_cast<u32>(begin / 8), begin, size);
  }
  return events;
}

std::size_t draw_counts(const DrawStream& stream, u32 block, std::size_t n, const CountTable& table,
                        i32* out) {
  return each_drawn(block, n, [&](u32 first, std::size_t begin, std::size_t size) {
    return count_drawn(stream, first, size, table, out + begin);
  });
}

}  // namespace
}  // namespace procgraph
