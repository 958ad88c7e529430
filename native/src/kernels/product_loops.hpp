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

/// What a draw adds, added at once for each of one to three usual thresholds that it exceeds: no
/// counts are written, and nothing is multiplied.
template <std::size_t usual, Base base>
class FewThresholds {
 public:
  FewThresholds(const CountTable& table, u32 weight)
      : table_(table),
        rare_(_mm512_set1_epi16(static_cast<short>(table.open[usual]))),
        weight_(_mm512_set1_epi32(static_cast<int>(weight))) {
    PG_UNROLL for (std::size_t k = 0; k < usual; ++k) {
      sure_[k] = _mm512_set1_epi16(static_cast<short>(table.sure[k]));
      open_[k] = _mm512_set1_epi16(static_cast<short>(table.open[k]));
    }
  }

  /// `upper` has room for whole vectors.
  std::size_t add(const DrawStream& stream, u32 first, const u16* upper, std::size_t n, u32* sums,
                  u32* waiting) const {
    __m512i left = _mm512_set1_epi16(-1);  // zero where a count is open
    std::size_t events = 0;
    std::size_t i = 0;
    for (; i + 32 <= n; i += 32) {
      events += add_vector(upper + i, 0xFFFFFFFFu, sums + i, waiting + i, left);
    }
    if (i < n) {
      const auto present = static_cast<__mmask32>((std::uint64_t{1} << (n - i)) - 1);
      events += add_vector(upper + i, present, sums + i, waiting + i, left);
    }
    if (_mm512_testn_epi16_mask(left, left) == 0) return events;
    return events + settle(stream, first, upper, n, sums);
  }

 private:
  std::size_t add_vector(const u16* upper, __mmask32 present, u32* sums, u32* waiting,
                         __m512i& left) const {
    const __m512i x = _mm512_load_si512(upper);
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
    __m512i sum = _mm512_setzero_si512();
    if constexpr (base == Base::sums) sum = _mm512_maskz_loadu_epi32(present, sums);
    if constexpr (base == Base::elsewhere) {
      sum = _mm512_maskz_loadu_epi32(present, waiting);
      _mm512_mask_storeu_epi32(waiting, present, _mm512_setzero_si512());
    }
    PG_UNROLL for (std::size_t k = 0; k < usual; ++k) {
      sum = _mm512_mask_add_epi32(sum, static_cast<__mmask16>(more[k] >> shift), sum, weight_);
    }
    _mm512_mask_storeu_epi32(sums, present, sum);
  }

  PG_NOINLINE std::size_t settle(const DrawStream& stream, u32 first, const u16* upper,
                                 std::size_t n, u32* sums) const {
    const auto weight = static_cast<u32>(_mm_cvtsi128_si32(_mm512_castsi512_si128(weight_)));
    std::size_t events = 0;
    for (std::size_t i = 0; i < n; i += 32) {
      const __m512i x = _mm512_load_si512(upper + i);
      __mmask32 found = _mm512_cmpge_epu16_mask(x, rare_);
      PG_UNROLL for (std::size_t k = 0; k < usual; ++k) {
        found |= _mm512_cmpeq_epu16_mask(x, open_[k]);
      }
      for (; found != 0; found &= found - 1) {
        const std::size_t j = i + static_cast<u32>(__builtin_ctz(found));
        if (j >= n) break;
        i32 sure = 0;
        for (std::size_t k = 0; k < usual; ++k) sure += upper[j] >= table_.sure[k];
        const i32 count = count_on(stream, first, j, upper[j], table_, sure);
        sums[j] += weight * wrap(count - sure);
        events += sure == 0 && count != 0;
      }
    }
    return events;
  }

  const CountTable& table_;
  __m512i sure_[usual];
  __m512i open_[usual];
  __m512i rare_;
  __m512i weight_;
};

template <std::size_t usual>
std::size_t add_few(const DrawStream& stream, u32 first, const u16* upper, std::size_t n,
                    const CountTable& table, u32 weight, u32* sums, u32* base) {
  const auto add = [&]<Base kind>(u32* waiting) {
    return FewThresholds<usual, kind>(table, weight).add(stream, first, upper, n, sums, waiting);
  };
  if (base == nullptr) return add.template operator()<Base::none>(sums);
  if (base == sums) return add.template operator()<Base::sums>(sums);
  return add.template operator()<Base::elsewhere>(base);
}

/// True if the usual thresholds are few and products were added; then `events` counts are not zero.
bool add_if_few(const DrawStream& stream, u32 first, std::size_t n, const CountTable& table,
                u32 weight, u32* sums, u32* base, std::size_t& events) {
  if (table.usual == 0 || table.usual > 3) return false;
  alignas(64) u16 upper[kDrawn];
  fill_halves(stream, stream.c3, first, n, upper);
  const auto add = [&]<std::size_t usual>() {
    events = add_few<usual>(stream, first, upper, n, table, weight, sums, base);
    return true;
  };
  if (table.usual == 1) return add.template operator()<1>();
  if (table.usual == 2) return add.template operator()<2>();
  return add.template operator()<3>();
}

#else

bool add_if_few(const DrawStream&, u32, std::size_t, const CountTable&, u32, u32*, u32*,
                std::size_t&) {
  return false;
}

#endif

std::size_t draw_products(const DrawStream& stream, u32 block, std::size_t n,
                          const CountTable& table, u32 weight, u32* sums, u32* base) {
  return each_drawn(block, n, [&](u32 first, std::size_t begin, std::size_t size) {
    u32* const to = sums + begin;
    u32* const from = base == nullptr ? nullptr : base + begin;
    std::size_t events = 0;
    if (add_if_few(stream, first, size, table, weight, to, from, events)) return events;
    // Where the products will be, unless something is there: less memory passes the nearest cache.
    alignas(64) i32 counts[kDrawn];
    i32* const room = from == to ? counts : reinterpret_cast<i32*>(to);
    events = count_drawn(stream, first, size, table, room);
    const auto weights = static_cast<i32>(weight);
    take_products(to, from, room, &weights, true, size);
    return events;
  });
}

}  // namespace
}  // namespace procgraph
