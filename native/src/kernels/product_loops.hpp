// Included by hot_loops.cpp only, within its instruction set.
//
// Payloads times weights, added to what is waiting: payloads that are there, and those that are
// drawn.
#pragma once

#include "kernels/draw_loops.hpp"

namespace procgraph {
namespace {

template <bool common>
void take_scaled(u32* sums, u32* base, const i32* payloads, const i32* weights, std::size_t n) {
  const auto product = [=](std::size_t i) {
    return wrap(payloads[i]) * wrap(weights[common ? 0 : i]);
  };
  if (base == nullptr) {
    PG_INDEPENDENT for (std::size_t i = 0; i < n; ++i) sums[i] = product(i);
  } else if (base == sums) {
    PG_INDEPENDENT for (std::size_t i = 0; i < n; ++i) sums[i] += product(i);
  } else {
    PG_INDEPENDENT for (std::size_t i = 0; i < n; ++i) {
      sums[i] = base[i] + product(i);
      base[i] = 0;
    }
  }
}

void take_products(u32* sums, u32* base, const i32* payloads, const i32* weights, bool common,
                   std::size_t n) {
  (common ? take_scaled<true> : take_scaled<false>)(sums, base, payloads, weights, n);
}

#if defined(__AVX512BW__)

/// Where what is added to comes from.
enum class Base { none, sums, elsewhere };

/// Runs `add` for where that is.
template <class Add>
std::size_t with_base(u32* sums, u32* base, Add add) {
  if (base == nullptr) return add.template operator()<Base::none>(sums);
  if (base == sums) return add.template operator()<Base::sums>(sums);
  return add.template operator()<Base::elsewhere>(base);
}

/// What a vector of sums begins with.
template <Base base>
__m512i take(__mmask16 present, const u32* sums, u32* waiting) {
  if constexpr (base == Base::none) return _mm512_setzero_si512();
  if constexpr (base == Base::sums) return _mm512_maskz_loadu_epi32(present, sums);
  const __m512i found = _mm512_maskz_loadu_epi32(present, waiting);
  _mm512_mask_storeu_epi32(waiting, present, _mm512_setzero_si512());
  return found;
}

/// The upper halves of draws, and what they are held against.
struct Drawn {
  const DrawStream& stream;
  u32 first;
  const u16* upper;  ///< room for whole vectors
  std::size_t n;
  const CountTable& table;
  u32 weight;

  /// Adds what only the lower half of a draw says; returns 1 if it is a count that was zero.
  std::size_t settle(std::size_t i, u32* sums) const {
    i32 sure = 0;
    for (std::size_t k = 0; k < table.usual; ++k) sure += upper[i] >= table.sure[k];
    const i32 count = count_on(stream, first, i, upper[i], table, sure);
    sums[i] += weight * wrap(count - sure);
    return sure == 0 && count != 0 ? 1 : 0;
  }
};

/// What a draw adds, added at once for each of a few usual thresholds that it exceeds: no counts
/// are made, and nothing is multiplied.
template <std::size_t usual, Base base>
class FewThresholds {
 public:
  explicit FewThresholds(const Drawn& drawn)
      : drawn_(drawn),
        rare_(splat_half(drawn.table.open[usual])),
        weight_(_mm512_set1_epi32(static_cast<int>(drawn.weight))) {
    PG_UNROLL for (std::size_t k = 0; k < usual; ++k) {
      sure_[k] = splat_half(drawn.table.sure[k]);
      open_[k] = splat_half(drawn.table.open[k]);
    }
  }

  std::size_t add(u32* sums, u32* waiting) const {
    const std::size_t n = drawn_.n;
    __m512i left = _mm512_set1_epi16(-1);  // zero where a count is open
    std::size_t events = 0;
    std::size_t i = 0;
    for (; i + 32 <= n; i += 32) {
      events += add_vector(i, 0xFFFFFFFFu, sums + i, waiting + i, left);
    }
    if (i < n) {
      const auto present = static_cast<__mmask32>((std::uint64_t{1} << (n - i)) - 1);
      events += add_vector(i, present, sums + i, waiting + i, left);
    }
    if (_mm512_testn_epi16_mask(left, left) == 0) return events;
    return events + settle(sums);
  }

 private:
  static __m512i splat_half(u16 x) { return _mm512_set1_epi16(static_cast<short>(x)); }

  std::size_t add_vector(std::size_t i, __mmask32 present, u32* sums, u32* waiting,
                         __m512i& left) const {
    const __m512i x = _mm512_load_si512(drawn_.upper + i);
    __mmask32 more[usual];
    PG_UNROLL for (std::size_t k = 0; k < usual; ++k) {
      more[k] = _mm512_mask_cmpge_epu16_mask(present, x, sure_[k]);
      left = _mm512_min_epu16(left, _mm512_xor_si512(x, open_[k]));
    }
    left = _mm512_min_epu16(left, _mm512_subs_epu16(rare_, x));
    add_half(more, 0, present, sums, waiting);
    add_half(more, 16, present, sums + 16, waiting + 16);
    return static_cast<std::size_t>(__builtin_popcount(more[0]));
  }

  void add_half(const __mmask32* more, int shift, __mmask32 all, u32* sums, u32* waiting) const {
    const auto present = static_cast<__mmask16>(all >> shift);
    __m512i sum = take<base>(present, sums, waiting);
    PG_UNROLL for (std::size_t k = 0; k < usual; ++k) {
      sum = _mm512_mask_add_epi32(sum, static_cast<__mmask16>(more[k] >> shift), sum, weight_);
    }
    _mm512_mask_storeu_epi32(sums, present, sum);
  }

  PG_NOINLINE std::size_t settle(u32* sums) const {
    std::size_t events = 0;
    for (std::size_t i = 0; i < drawn_.n; i += 32) {
      const __m512i x = _mm512_load_si512(drawn_.upper + i);
      __mmask32 found = _mm512_cmpge_epu16_mask(x, rare_);
      PG_UNROLL for (std::size_t k = 0; k < usual; ++k) {
        found |= _mm512_cmpeq_epu16_mask(x, open_[k]);
      }
      for (; found != 0; found &= found - 1) {
        const std::size_t j = i + static_cast<u32>(__builtin_ctz(found));
        if (j < drawn_.n) events += drawn_.settle(j, sums);
      }
    }
    return events;
  }

  const Drawn& drawn_;
  __m512i sure_[usual];
  __m512i open_[usual];
  __m512i rare_;
  __m512i weight_;
};

/// Looks up the products of counts below kProducts.
template <Base base>
struct ProductSums {
  __m512i products;
  u32* sums;
  u32* waiting;
  void put(std::size_t at, __mmask16 present, __m512i counts) const {
    const __m512i sum = take<base>(present, sums + at, waiting + at);
    const __m512i product = _mm512_permutexvar_epi32(counts, products);
    _mm512_mask_storeu_epi32(sums + at, present, _mm512_add_epi32(sum, product));
  }
};
constexpr std::size_t kProducts = 16;

template <Base base>
std::size_t add_counted(const Drawn& drawn, u32* sums, u32* waiting) {
  u16 list[kDrawn];
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i weight = _mm512_set1_epi32(static_cast<int>(drawn.weight));
  const ProductSums<base> to{_mm512_mullo_epi32(lane, weight), sums, waiting};
  const Counted counted = count_vectors(drawn.upper, drawn.n, drawn.table, to, list);
  std::size_t events = counted.events;
  for (std::size_t j = 0; j < counted.open; ++j) events += drawn.settle(list[j], sums);
  return events;
}

std::size_t add_drawn(const DrawStream& stream, u32 first, std::size_t n, const CountTable& table,
                      u32 weight, u32* sums, u32* base) {
  alignas(64) u16 upper[kDrawn];
  fill_halves(stream, stream.c3, first, n, upper);
  const Drawn drawn{stream, first, upper, n, table, weight};
  return with_base(sums, base, [&]<Base kind>(u32* waiting) {
    switch (table.usual) {
      case 1:
        return FewThresholds<1, kind>(drawn).add(sums, waiting);
      case 2:
        return FewThresholds<2, kind>(drawn).add(sums, waiting);
      case 3:
        return FewThresholds<3, kind>(drawn).add(sums, waiting);
      default:
        return add_counted<kind>(drawn, sums, waiting);
    }
  });
}

#endif

std::size_t draw_products(const DrawStream& stream, u32 block, std::size_t n,
                          const CountTable& table, u32 weight, u32* sums, u32* base) {
  return each_drawn(block, n, [&](u32 first, std::size_t begin, std::size_t size) {
    u32* const to = sums + begin;
    u32* const from = base == nullptr ? nullptr : base + begin;
#if defined(__AVX512BW__)
    if (table.usual < kProducts) return add_drawn(stream, first, size, table, weight, to, from);
#endif
    // Where the products will be, unless something is there: less memory passes the nearest cache.
    alignas(64) i32 counts[kDrawn];
    i32* const room = from == to ? counts : reinterpret_cast<i32*>(to);
    const std::size_t events = count_drawn(stream, first, size, table, room);
    const auto weights = static_cast<i32>(weight);
    take_products(to, from, room, &weights, true, size);
    return events;
  });
}

}  // namespace
}  // namespace procgraph
