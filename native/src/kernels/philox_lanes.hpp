// Included by hot_loops.cpp only, within its instruction set.
//
// Philox on a vector of counters. Each 32-bit word sits in the low half of a 64-bit lane, where the
// widening multiplication wants it; what the high halves hold does not matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace procgraph {
namespace {

#if defined(__AVX512F__)

using Lanes = __m512i;
constexpr std::size_t kLanes = 8;
constexpr std::size_t kUsual = 4;   // groups at a time
constexpr std::size_t kGroups = 8;  // at most

Lanes splat(std::uint32_t x) {
  return _mm512_set1_epi64(static_cast<long long>(x));
}
Lanes count_up() {
  return _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
}
Lanes add_lanes(Lanes a, Lanes b) {
  return _mm512_add_epi64(a, b);
}
Lanes load_counters(const std::uint32_t* m) {  // each shifted right by two
  const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(m));
  return _mm512_cvtepu32_epi64(_mm256_srli_epi32(words, 2));
}
Lanes multiply(Lanes a, Lanes b) {
  return _mm512_mul_epu32(a, b);
}
Lanes xor_lanes(Lanes a, Lanes b) {
  return _mm512_xor_si512(a, b);
}
Lanes high(Lanes product) {
  return _mm512_srli_epi64(product, 32);
}
Lanes mix(Lanes product, Lanes word, Lanes key) {
  return _mm512_ternarylogic_epi64(high(product), word, key, 0x96);  // exclusive or of three
}
/// Words low, high of each lane side by side.
Lanes join(Lanes low, Lanes high) {
  return _mm512_mask_blend_epi32(0xAAAA, low, _mm512_slli_epi64(high, 32));
}
/// Words a, b, c, d of each counter in turn; the same in memory for all instruction sets.
void store_words(void* out, Lanes ab, Lanes cd) {
  const Lanes first = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
  const Lanes second = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi64(ab, first, cd));
  _mm512_storeu_si512(static_cast<char*>(out) + 64, _mm512_permutex2var_epi64(ab, second, cd));
}

#elif defined(__AVX2__)

using Lanes = __m256i;
constexpr std::size_t kLanes = 4;
constexpr std::size_t kUsual = 2;
constexpr std::size_t kGroups = 2;

Lanes splat(std::uint32_t x) {
  return _mm256_set1_epi64x(static_cast<long long>(x));
}
Lanes count_up() {
  return _mm256_set_epi64x(3, 2, 1, 0);
}
Lanes add_lanes(Lanes a, Lanes b) {
  return _mm256_add_epi64(a, b);
}
Lanes load_counters(const std::uint32_t* m) {
  const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(m));
  return _mm256_cvtepu32_epi64(_mm_srli_epi32(words, 2));
}
Lanes multiply(Lanes a, Lanes b) {
  return _mm256_mul_epu32(a, b);
}
Lanes xor_lanes(Lanes a, Lanes b) {
  return _mm256_xor_si256(a, b);
}
Lanes high(Lanes product) {
  return _mm256_srli_epi64(product, 32);
}
Lanes mix(Lanes product, Lanes word, Lanes key) {
  return xor_lanes(high(product), xor_lanes(word, key));
}
Lanes join(Lanes low, Lanes high) {
  return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xAA);
}
void store_words(void* out, Lanes ab, Lanes cd) {
  const Lanes even = _mm256_unpacklo_epi64(ab, cd);  // counters 0, 2
  const Lanes odd = _mm256_unpackhi_epi64(ab, cd);   // counters 1, 3
  auto* to = static_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

#else

constexpr std::size_t kLanes = 8;
constexpr std::size_t kUsual = 1;
constexpr std::size_t kGroups = 1;
struct Lanes {
  std::uint64_t lane[kLanes];
};

template <class Operation>
Lanes each(Operation operation) {
  Lanes out;
  for (std::size_t i = 0; i < kLanes; ++i) out.lane[i] = operation(i);
  return out;
}

Lanes splat(std::uint32_t x) {
  return each([=](std::size_t) { return std::uint64_t{x}; });
}
Lanes count_up() {
  return each([](std::size_t i) { return std::uint64_t{i}; });
}
Lanes add_lanes(const Lanes& a, const Lanes& b) {
  return each([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
}
Lanes load_counters(const std::uint32_t* m) {
  return each([=](std::size_t i) { return std::uint64_t{m[i] >> 2}; });
}
Lanes multiply(const Lanes& a, const Lanes& b) {
  return each([&](std::size_t i) {
    return std::uint64_t{static_cast<std::uint32_t>(a.lane[i])} *
           static_cast<std::uint32_t>(b.lane[i]);
  });
}
Lanes xor_lanes(const Lanes& a, const Lanes& b) {
  return each([&](std::size_t i) { return a.lane[i] ^ b.lane[i]; });
}
Lanes high(const Lanes& product) {
  return each([&](std::size_t i) { return product.lane[i] >> 32; });
}
Lanes mix(const Lanes& product, const Lanes& word, const Lanes& key) {
  return each([&](std::size_t i) { return (product.lane[i] >> 32) ^ word.lane[i] ^ key.lane[i]; });
}
Lanes join(const Lanes& low, const Lanes& high) {
  return each(
      [&](std::size_t i) { return static_cast<std::uint32_t>(low.lane[i]) | high.lane[i] << 32; });
}
void store_words(void* out, const Lanes& ab, const Lanes& cd) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const std::uint64_t words[] = {ab.lane[i], cd.lane[i]};
    std::memcpy(static_cast<char*>(out) + sizeof words * i, words, sizeof words);
  }
}

#endif

constexpr std::uint32_t kMultiplier0 = 0xD2511F53u;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57u;

/// Keys of one round, for the first and the third word.
struct RoundKey {
  std::uint32_t a;
  std::uint32_t c;
};

/// Philox for counters that differ in their first word only. What is the same for all counters in
/// the first rounds is computed once.
class PhiloxRun {
 public:
  PhiloxRun(std::uint32_t key_low, std::uint32_t key_high, std::uint64_t step, std::uint32_t c3) {
    const auto c1 = static_cast<std::uint32_t>(step);
    const std::uint64_t p1 = std::uint64_t{kMultiplier1} * static_cast<std::uint32_t>(step >> 32);
    const std::uint32_t a = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key_low;
    const std::uint64_t p0 = std::uint64_t{kMultiplier0} * a;
    keys_[0] = {0, c3 ^ key_high};
    for (int round = 1; round < 10; ++round) {
      key_low += 0x9E3779B9u;
      key_high += 0xBB67AE85u;
      std::uint32_t known_a = 0;
      std::uint32_t known_c = 0;
      if (round == 1) {
        known_a = static_cast<std::uint32_t>(p1);
        known_c = static_cast<std::uint32_t>(p0 >> 32);
      } else if (round == 2) {
        known_c = static_cast<std::uint32_t>(p0);
      }
      keys_[round] = {key_low ^ known_a, key_high ^ known_c};
    }
  }

  /// Writes n half words of the counters from `block` on, and up to a whole group some more.
  void fill(std::uint32_t block, std::size_t n, std::uint16_t* out) const {
    constexpr std::size_t kHalves = 8 * kLanes;  // of a group
    std::size_t left = (n + kHalves - 1) / kHalves;
    while (left > kGroups) {
      draw<kUsual>(block, out);
      left -= kUsual;
      block += static_cast<std::uint32_t>(kUsual * kLanes);
      out += kUsual * kHalves;
    }
    draw_last<kGroups>(left, block, out);
  }

 private:
  /// The last groups all at once: each group waits for itself, so that a few take as long as one.
  template <std::size_t groups>
  void draw_last(std::size_t wanted, std::uint32_t block, std::uint16_t* out) const {
    if constexpr (groups > 0) {
      if (wanted == groups) {
        draw<groups>(block, out);
      } else {
        draw_last<groups - 1>(wanted, block, out);
      }
    }
  }

  /// Several groups of kLanes counters at a time, because each round waits for its multiplications.
  template <std::size_t groups>
  void draw(std::uint32_t block, std::uint16_t* out) const {
    const Lanes m0 = splat(kMultiplier0);
    const Lanes m1 = splat(kMultiplier1);
    Lanes a[groups];
    Lanes b[groups];
    Lanes c[groups];
    Lanes d[groups];
    for (std::size_t g = 0; g < groups; ++g) {
      const auto first = block + static_cast<std::uint32_t>(g * kLanes);
      d[g] = multiply(m0, add_lanes(splat(first), count_up()));
      c[g] = xor_lanes(high(d[g]), splat(keys_[0].c));
    }
    for (std::size_t g = 0; g < groups; ++g) {
      b[g] = multiply(m1, c[g]);
      a[g] = xor_lanes(high(b[g]), splat(keys_[1].a));
      c[g] = xor_lanes(d[g], splat(keys_[1].c));
    }
    for (std::size_t g = 0; g < groups; ++g) {
      d[g] = multiply(m0, a[g]);
      const Lanes p1 = multiply(m1, c[g]);
      a[g] = mix(p1, b[g], splat(keys_[2].a));
      b[g] = p1;
      c[g] = xor_lanes(high(d[g]), splat(keys_[2].c));
    }
    for (int round = 3; round < 10; ++round) {
      const Lanes key_a = splat(keys_[round].a);
      const Lanes key_c = splat(keys_[round].c);
      for (std::size_t g = 0; g < groups; ++g) {
        const Lanes p0 = multiply(m0, a[g]);
        const Lanes p1 = multiply(m1, c[g]);
        a[g] = mix(p1, b[g], key_a);
        b[g] = p1;
        c[g] = mix(p0, d[g], key_c);
        d[g] = p0;
      }
    }
    for (std::size_t g = 0; g < groups; ++g) {
      store_words(out + 8 * kLanes * g, join(a[g], b[g]), join(c[g], d[g]));
    }
  }

  RoundKey keys_[10];
};

/// All words of kLanes counters with these first words, in pairs.
struct LaneWords {
  Lanes ab;
  Lanes cd;
};
LaneWords philox_lanes(std::uint32_t key_low, std::uint32_t key_high, Lanes a, std::uint32_t c1,
                       std::uint32_t c3) {
  Lanes b = splat(c1);
  Lanes c = splat(0);
  Lanes d = splat(c3);
  for (int round = 0; round < 10; ++round) {
    const Lanes p0 = multiply(splat(kMultiplier0), a);
    const Lanes p1 = multiply(splat(kMultiplier1), c);
    a = mix(p1, b, splat(key_low));
    b = p1;
    c = mix(p0, d, splat(key_high));
    d = p0;
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return {join(a, b), join(c, d)};
}

}  // namespace
}  // namespace procgraph
