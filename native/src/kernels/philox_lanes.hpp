// Included by hot_loops.cpp only, within its instruction set.
//
// Philox on a vector of counters. Each 32-bit word sits in the low half of a 64-bit lane, where the
// widening multiplication wants it; what the high halves hold does not matter.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace procgraph {
namespace {

#if defined(__AVX512F__)

using Lanes = __m512i;
constexpr std::size_t kLanes = 8;

Lanes splat(std::uint32_t x) {
  return _mm512_set1_epi64(static_cast<long long>(x));
}
Lanes count_up() {
  return _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
}
Lanes add_lanes(Lanes a, Lanes b) {
  return _mm512_add_epi64(a, b);
}
Lanes multiply(Lanes a, Lanes b) {
  return _mm512_mul_epu32(a, b);
}
Lanes mix(Lanes product, Lanes word, Lanes key) {
  return _mm512_xor_si512(_mm512_srli_epi64(product, 32), _mm512_xor_si512(word, key));
}
/// Words low, high of each lane side by side.
Lanes join(Lanes low, Lanes high) {
  return _mm512_mask_blend_epi32(0xAAAA, low, _mm512_slli_epi64(high, 32));
}
Lanes halve(Lanes words) {
  return _mm512_srli_epi32(words, 1);
}
void store_words(std::int32_t* out, Lanes ab, Lanes cd) {
  const Lanes first = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
  const Lanes second = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi64(ab, first, cd));
  _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi64(ab, second, cd));
}

#elif defined(__AVX2__)

using Lanes = __m256i;
constexpr std::size_t kLanes = 4;

Lanes splat(std::uint32_t x) {
  return _mm256_set1_epi64x(static_cast<long long>(x));
}
Lanes count_up() {
  return _mm256_set_epi64x(3, 2, 1, 0);
}
Lanes add_lanes(Lanes a, Lanes b) {
  return _mm256_add_epi64(a, b);
}
Lanes multiply(Lanes a, Lanes b) {
  return _mm256_mul_epu32(a, b);
}
Lanes mix(Lanes product, Lanes word, Lanes key) {
  return _mm256_xor_si256(_mm256_srli_epi64(product, 32), _mm256_xor_si256(word, key));
}
Lanes join(Lanes low, Lanes high) {
  return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xAA);
}
Lanes halve(Lanes words) {
  return _mm256_srli_epi32(words, 1);
}
void store_words(std::int32_t* out, Lanes ab, Lanes cd) {
  const Lanes even = _mm256_unpacklo_epi64(ab, cd);  // counters 0, 2
  const Lanes odd = _mm256_unpackhi_epi64(ab, cd);   // counters 1, 3
  auto* to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

#else

constexpr std::size_t kLanes = 8;
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
Lanes multiply(const Lanes& a, const Lanes& b) {
  return each([&](std::size_t i) {
    return std::uint64_t{static_cast<std::uint32_t>(a.lane[i])} *
           static_cast<std::uint32_t>(b.lane[i]);
  });
}
Lanes mix(const Lanes& product, const Lanes& word, const Lanes& key) {
  return each([&](std::size_t i) { return (product.lane[i] >> 32) ^ word.lane[i] ^ key.lane[i]; });
}
Lanes join(const Lanes& low, const Lanes& high) {
  return each(
      [&](std::size_t i) { return static_cast<std::uint32_t>(low.lane[i]) | high.lane[i] << 32; });
}
Lanes halve(const Lanes& words) {
  return each([&](std::size_t i) { return (words.lane[i] >> 1) & 0x7FFFFFFF7FFFFFFFu; });
}
void store_words(std::int32_t* out, const Lanes& ab, const Lanes& cd) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    out[4 * i] = static_cast<std::int32_t>(ab.lane[i]);
    out[4 * i + 1] = static_cast<std::int32_t>(ab.lane[i] >> 32);
    out[4 * i + 2] = static_cast<std::int32_t>(cd.lane[i]);
    out[4 * i + 3] = static_cast<std::int32_t>(cd.lane[i] >> 32);
  }
}

#endif

/// All words of kLanes counters from `block` on, in pairs.
struct LaneWords {
  Lanes ab;
  Lanes cd;
};
LaneWords philox_lanes(std::uint32_t key_low, std::uint32_t key_high, std::uint32_t block,
                       std::uint32_t c1, std::uint32_t c2, std::uint32_t c3) {
  Lanes a = add_lanes(splat(block), count_up());
  Lanes b = splat(c1);
  Lanes c = splat(c2);
  Lanes d = splat(c3);
  for (int round = 0; round < 10; ++round) {
    const Lanes p0 = multiply(splat(0xD2511F53u), a);
    const Lanes p1 = multiply(splat(0xCD9E8D57u), c);
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
