// Included by hot_loops.cpp only, within its instruction set.
//
// Delivery of row segments, and the permutation of connectivity rules.
#pragma once

#include <cstring>

#include "kernels/hot_loops.hpp"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define PG_RESTRICT __restrict
#else
#define PG_RESTRICT __restrict__
#endif

namespace procgraph {
namespace {

using u32 = std::uint32_t;
using i32 = std::int32_t;

u32 wrap(i32 x) {
  return static_cast<u32>(x);
}

#if defined(__AVX512F__)
/// The number of bits set. GCC 12 may keep a mask in 16 bits of memory, and count 32 from there, if
/// it is not told to have it in a register.
std::size_t count_set(__mmask16 mask) {
  u32 bits = mask;
  __asm__("" : "+r"(bits));
  return static_cast<std::size_t>(__builtin_popcount(bits));
}
#endif

void prefetch(const void* address) {
#if defined(_MSC_VER) && !defined(__clang__)
#if defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#else
  __prefetch(address);
#endif
#else
  __builtin_prefetch(address);
#endif
}

constexpr std::size_t kAhead = 6;       // segments
constexpr std::size_t kMostLines = 24;  // of one segment; the processor fetches the rest itself
constexpr std::size_t kLine = 16;       // words
constexpr std::size_t kCopied = 480;    // words of short segments at a time

void prefetch_segment(const SegmentCursor& cursor, std::size_t words) {
  const std::size_t lines = words / kLine + 1;
  const std::size_t most = lines < kMostLines ? lines : kMostLines;
  for (std::size_t i = 0; i <= most; ++i) prefetch(cursor.at + i * kLine);
}

/// Runs `body` for all cursors, with `words(count)` the length of a segment behind its header.
template <std::size_t kHeader, class Words, class Body>
void each_segment(SegmentCursor* cursors, std::size_t count, Words words, Body body) {
  for (std::size_t i = 0; i < count && i < kAhead; ++i) {
    prefetch_segment(cursors[i], words(cursors[i].count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) {
      prefetch_segment(cursors[i + kAhead], words(cursors[i + kAhead].count));
    }
    SegmentCursor& cursor = cursors[i];
    body(cursor.at + kHeader, cursor);
    cursor.at += kHeader + words(cursor.count);
  }
}

/// Runs `body(words, n, payload)` for synapses of one word each. Short segments of single spikes
/// are copied one behind another first, without a question: where a short loop ends is what the
/// processor guesses wrong, and that takes as long as a dozen synapses.
template <class Body>
void each_word(SegmentCursor* cursors, std::size_t count, Body body) {
  alignas(64) u32 copied[kCopied + kShortSegment];
  std::size_t n = 0;
  each_segment<2>(
      cursors, count, [](u32 words) { return std::size_t{words}; },
      [&](const u32* words, const SegmentCursor& cursor) {
        if (cursor.count > kShortSegment || cursor.payload != 1) {
          body(words, cursor.count, wrap(cursor.payload));
          return;
        }
        std::memcpy(copied + n, words, kShortSegment * sizeof(u32));
        n += cursor.count;
        if (n <= kCopied) return;
        body(copied, n, 1);
        n = 0;
      });
  body(copied, n, 1);
}

void deliver_packed(u32* acc, SegmentCursor* cursors, std::size_t count, u32 target_mask,
                    u32 weight_shift) {
  each_word(cursors, count, [=](const u32* PG_RESTRICT words, std::size_t n, u32 payload) {
    u32* PG_RESTRICT sums = acc;
    if (payload == 1) {
      PG_UNROLL_SOME for (std::size_t m = 0; m < n; ++m) {
        const u32 word = words[m];
        sums[word & target_mask] += wrap(static_cast<i32>(word & ~target_mask) >> weight_shift);
      }
      return;
    }
    PG_UNROLL_SOME for (std::size_t m = 0; m < n; ++m) {
      const u32 word = words[m];
      sums[word & target_mask] +=
          payload * wrap(static_cast<i32>(word & ~target_mask) >> weight_shift);
    }
  });
}

void deliver_book(u32* acc, SegmentCursor* cursors, std::size_t count, u32 target_mask,
                  u32 target_bits, const i32* book) {
  each_word(cursors, count, [=](const u32* PG_RESTRICT words, std::size_t n, u32 payload) {
    u32* PG_RESTRICT sums = acc;
    const i32* PG_RESTRICT weights = book;
    PG_UNROLL_SOME for (std::size_t m = 0; m < n; ++m) {
      const u32 word = words[m];
      sums[word & target_mask] += payload * wrap(weights[word >> target_bits]);
    }
  });
}

void deliver_index32(u32* acc, SegmentCursor* cursors, std::size_t count) {
  each_segment<3>(
      cursors, count, [](u32 n) { return std::size_t{n}; },
      [=](const u32* PG_RESTRICT targets, const SegmentCursor& cursor) {
        u32* PG_RESTRICT sums = acc;
        const u32 value = targets[-1] * wrap(cursor.payload);
        const u32 n = cursor.count;
        PG_UNROLL_SOME for (u32 m = 0; m < n; ++m) sums[targets[m]] += value;
      });
}

void deliver_index16(u32* acc, SegmentCursor* cursors, std::size_t count) {
  each_segment<3>(
      cursors, count, [](u32 n) { return (std::size_t{n} + 1) / 2; },
      [=](const u32* PG_RESTRICT words, const SegmentCursor& cursor) {
        u32* PG_RESTRICT sums = acc;
        const u32 value = words[-1] * wrap(cursor.payload);
        const u32 n = cursor.count;
        const u32 pairs = n / 2;
        PG_UNROLL_SOME for (u32 m = 0; m < pairs; ++m) {
          const u32 word = words[m];
          sums[word & 0xFFFF] += value;
          sums[word >> 16] += value;
        }
        if (n % 2 != 0) sums[words[pairs] & 0xFFFF] += value;
      });
}

void deliver_wide(u32* acc, SegmentCursor* cursors, std::size_t count) {
  each_segment<2>(
      cursors, count, [](u32 n) { return 2 * std::size_t{n}; },
      [=](const u32* PG_RESTRICT words, const SegmentCursor& cursor) {
        u32* PG_RESTRICT sums = acc;
        const std::size_t n = cursor.count;
        const u32 payload = wrap(cursor.payload);
        PG_UNROLL_SOME for (std::size_t m = 0; m < n; ++m) {
          sums[words[2 * m]] += payload * words[2 * m + 1];
        }
      });
}

/// Place in a ring; at most one turn behind its end.
u32 in_ring(u32 at, u32 total) {
  const u32 wrapped = at - total;  // above `at` unless that is behind the end
  return wrapped < at ? wrapped : at;
}

void scatter(u32* sums, u32 first, u32 total, const u32* PG_RESTRICT places, std::size_t count,
             u32 value) {
  PG_UNROLL_SOME for (std::size_t m = 0; m < count; ++m) {
    sums[in_ring(first + places[m], total)] += value;
  }
}

void scatter_weights(u32* sums, u32 first, u32 total, const u32* PG_RESTRICT places,
                     const u32* PG_RESTRICT weights, std::size_t count, u32 payload) {
  PG_UNROLL_SOME for (std::size_t m = 0; m < count; ++m) {
    sums[in_ring(first + places[m], total)] += payload * weights[m];
  }
}

void take_sums(u32* PG_RESTRICT to, u32* PG_RESTRICT from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    to[i] += from[i];
    from[i] = 0;
  }
}

constexpr std::size_t kPermuted = 64;

/// One pass of the Feistel network over values of which those below `done` stay as they are.
void encrypt_block(const u32* round_keys, int half, u32 done, u32* values) {
  const u32 mask = (1u << half) - 1;
  for (std::size_t i = 0; i < kPermuted; ++i) {
    u32 left = values[i] >> half;
    u32 right = values[i] & mask;
    for (int round = 0; round < 8; ++round) {
      u32 x = right * 0x9E3779B1u + round_keys[round];
      x ^= x >> 16;
      x *= 0x7FEB352Du;
      x ^= x >> 15;
      x *= 0x846CA68Bu;
      x ^= x >> 16;
      const u32 next = left ^ (x & mask);
      left = right;
      right = next;
    }
    const u32 found = (left << half) | right;
    values[i] = values[i] < done ? values[i] : found;
  }
}

void permute(const u32* round_keys, int half, u32 n, u32 first, std::size_t count, u32* out) {
  u32 values[kPermuted];
  for (std::size_t begin = 0; begin < count; begin += kPermuted) {
    const std::size_t size = count - begin < kPermuted ? count - begin : kPermuted;
    // Places behind the last index repeat it: all stay within the permuted range.
    for (std::size_t i = 0; i < kPermuted; ++i) {
      values[i] = first + static_cast<u32>(begin + (i < size ? i : size - 1));
    }
    encrypt_block(round_keys, half, 0, values);
    bool all = false;
    while (!all) {
      u32 beyond = 0;
      for (std::size_t i = 0; i < kPermuted; ++i) beyond |= values[i] >= n ? 1u : 0u;
      all = beyond == 0;
      if (!all) encrypt_block(round_keys, half, n, values);
    }
    for (std::size_t i = 0; i < size; ++i) out[begin + i] = values[i];
  }
}

}  // namespace
}  // namespace procgraph
