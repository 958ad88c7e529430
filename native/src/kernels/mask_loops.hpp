// Included by hot_loops.cpp only, within its instruction set.
//
// Delivery from rows of bits: the rows of all spikes of a step are added column by column with
// carry-save adders, which count for 512 targets at once, before the counts reach the sums.
#pragma once

#include "kernels/segment_loops.hpp"

namespace procgraph {
namespace {

using u64 = std::uint64_t;

#if defined(__AVX512BW__)
constexpr double kMaskBlockNs = 35;
#elif defined(__AVX2__)
constexpr double kMaskBlockNs = 95;
#else
constexpr double kMaskBlockNs = 340;
#endif
constexpr std::size_t kMaskWords = 8;   // of a block: 512 targets
constexpr std::size_t kMaskGroup = 64;  // targets whose counts are taken together

#if defined(__AVX512BW__)

using Plane = __m512i;

inline Plane load_plane(const u64* words) {
  return _mm512_load_si512(words);
}
inline void store_plane(u64* words, Plane x) {
  _mm512_store_si512(words, x);
}
inline Plane no_bits() {
  return _mm512_setzero_si512();
}
inline Plane both(Plane a, Plane b) {
  return _mm512_and_si512(a, b);
}
inline Plane either(Plane a, Plane b) {
  return _mm512_xor_si512(a, b);
}
/// sum = a ^ b ^ c; returns where two of them are set.
inline Plane full_add(Plane& sum, Plane a, Plane b) {
  const Plane carry = _mm512_ternarylogic_epi64(sum, a, b, 0xE8);
  sum = _mm512_ternarylogic_epi64(sum, a, b, 0x96);
  return carry;
}

/// sums[i] += value * (number whose bit q is bit i of planes[q]), for 64 targets or fewer.
template <std::size_t kPlanes>
void add_counts(u32* sums, const u64 (*planes)[kMaskWords], std::size_t word, std::size_t lines,
                u32 value) {
  __m512i counts = _mm512_setzero_si512();
  for (std::size_t q = 0; q < kPlanes; ++q) {
    const __m512i bit = _mm512_set1_epi8(static_cast<char>(1u << q));
    counts = _mm512_or_si512(counts, _mm512_maskz_mov_epi8(planes[q][word], bit));
  }
  alignas(64) unsigned char bytes[kMaskGroup];
  _mm512_store_si512(bytes, counts);
  const __m512i factor = _mm512_set1_epi32(static_cast<i32>(value));
  for (std::size_t line = 0; line < lines; ++line) {
    const __m128i narrow = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes) + line);
    const __m512i product = _mm512_mullo_epi32(_mm512_cvtepu8_epi32(narrow), factor);
    u32* at = sums + 16 * line;
    _mm512_storeu_si512(at, _mm512_add_epi32(_mm512_loadu_si512(at), product));
  }
}

#else

struct Plane {
  u64 words[kMaskWords];
};

inline Plane load_plane(const u64* words) {
  Plane out;
  for (std::size_t i = 0; i < kMaskWords; ++i) out.words[i] = words[i];
  return out;
}
inline void store_plane(u64* words, const Plane& x) {
  for (std::size_t i = 0; i < kMaskWords; ++i) words[i] = x.words[i];
}
inline Plane no_bits() {
  return {};
}
inline Plane both(Plane a, const Plane& b) {
  for (std::size_t i = 0; i < kMaskWords; ++i) a.words[i] &= b.words[i];
  return a;
}
inline Plane either(Plane a, const Plane& b) {
  for (std::size_t i = 0; i < kMaskWords; ++i) a.words[i] ^= b.words[i];
  return a;
}
inline Plane full_add(Plane& sum, const Plane& a, const Plane& b) {
  Plane carry;
  for (std::size_t i = 0; i < kMaskWords; ++i) {
    const u64 x = sum.words[i] ^ a.words[i];
    carry.words[i] = (sum.words[i] & a.words[i]) | (x & b.words[i]);
    sum.words[i] = x ^ b.words[i];
  }
  return carry;
}

#if defined(__AVX2__)

template <std::size_t kPlanes>
void add_counts(u32* sums, const u64 (*planes)[kMaskWords], std::size_t word, std::size_t lines,
                u32 value) {
  const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
                                          2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  alignas(32) unsigned char bytes[kMaskGroup];
  for (std::size_t half = 0; half < 2; ++half) {
    __m256i counts = _mm256_setzero_si256();
    for (std::size_t q = 0; q < kPlanes; ++q) {
      const auto bits = static_cast<i32>(planes[q][word] >> (32 * half));
      const __m256i own =
          _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(bits), spread), bit);
      const __m256i place = _mm256_set1_epi8(static_cast<char>(1u << q));
      counts = _mm256_or_si256(counts, _mm256_and_si256(_mm256_cmpeq_epi8(own, bit), place));
    }
    _mm256_store_si256(reinterpret_cast<__m256i*>(bytes) + half, counts);
  }
  const __m256i factor = _mm256_set1_epi32(static_cast<i32>(value));
  for (std::size_t i = 0; i < 16 * lines; i += 8) {
    const __m128i narrow = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + i));
    const __m256i product = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(narrow), factor);
    auto* at = reinterpret_cast<__m256i*>(sums + i);
    _mm256_storeu_si256(at, _mm256_add_epi32(_mm256_loadu_si256(at), product));
  }
}

#else

/// Bit q of byte j becomes bit j of byte q.
inline u64 transpose(u64 x) {
  u64 t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAu;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCu;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0u;
  return x ^ t ^ (t << 28);
}

template <std::size_t kPlanes>
void add_counts(u32* PG_RESTRICT sums, const u64 (*PG_RESTRICT planes)[kMaskWords],
                std::size_t word, std::size_t lines, u32 value) {
  unsigned char counts[kMaskGroup];
  for (std::size_t t = 0; t < 8; ++t) {
    u64 bits = 0;
    for (std::size_t q = 0; q < kPlanes; ++q) {
      bits |= ((planes[q][word] >> (8 * t)) & 0xFF) << (8 * q);
    }
    bits = transpose(bits);
    for (std::size_t j = 0; j < 8; ++j)
      counts[8 * t + j] = static_cast<unsigned char>(bits >> (8 * j));
  }
  for (std::size_t line = 0; line < lines; ++line) {
    for (std::size_t i = 16 * line; i < 16 * line + 16; ++i) sums[i] += value * counts[i];
  }
}

#endif

#endif

/// Adds one block of eight rows to counters of `kPlanes` bits.
template <std::size_t kPlanes>
void count_rows(Plane* planes, const u64* const* rows, std::size_t at) {
  const auto row = [&](std::size_t r) { return load_plane(rows[r] + at); };
  const Plane two_a = full_add(planes[0], row(0), row(1));
  const Plane two_b = full_add(planes[0], row(2), row(3));
  const Plane four_a = full_add(planes[1], two_a, two_b);
  const Plane two_c = full_add(planes[0], row(4), row(5));
  const Plane two_d = full_add(planes[0], row(6), row(7));
  const Plane four_b = full_add(planes[1], two_c, two_d);
  Plane carry = full_add(planes[2], four_a, four_b);
  for (std::size_t q = 3; q < kPlanes; ++q) {
    const Plane next = both(planes[q], carry);
    planes[q] = either(planes[q], carry);
    carry = next;
  }
}

template <std::size_t kPlanes>
void add_mask_rows(u32* sums, const u64* const* rows, std::size_t count, std::size_t lines,
                   u32 value) {
  constexpr std::size_t kBlockLines = kMaskWords * 64 / 16;
  for (std::size_t block = 0; kBlockLines * block < lines; ++block) {
    Plane planes[kPlanes];
    for (std::size_t q = 0; q < kPlanes; ++q) planes[q] = no_bits();
    for (std::size_t r = 0; r < count; r += 8) {
      // Behind the end lies the row of another source.
      for (std::size_t i = r; i < r + 8 && kBlockLines * (block + kMaskBlocksAhead) < lines; ++i) {
        prefetch(rows[i] + (block + kMaskBlocksAhead) * kMaskWords);
      }
      count_rows<kPlanes>(planes, rows + r, block * kMaskWords);
    }
    alignas(64) u64 bits[kPlanes][kMaskWords];
    for (std::size_t q = 0; q < kPlanes; ++q) store_plane(bits[q], planes[q]);
    const std::size_t left = lines - kBlockLines * block;
    for (std::size_t word = 0; word < kMaskWords && 4 * word < left; ++word) {
      const std::size_t own = left - 4 * word < 4 ? left - 4 * word : 4;
      add_counts<kPlanes>(sums + (block * kMaskWords + word) * 64, bits, word, own, value);
    }
  }
}

void add_masks(u32* sums, const u64* const* rows, std::size_t count, std::size_t lines, u32 value) {
  if (count <= 8) {
    add_mask_rows<4>(sums, rows, count, lines, value);
  } else if (count <= 24) {
    add_mask_rows<5>(sums, rows, count, lines, value);
  } else if (count <= 56) {
    add_mask_rows<6>(sums, rows, count, lines, value);
  } else {
    add_mask_rows<8>(sums, rows, count, lines, value);
  }
}

}  // namespace
}  // namespace procgraph
