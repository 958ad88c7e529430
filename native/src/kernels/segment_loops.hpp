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
constexpr std::size_t kLineBytes = 64;
constexpr std::size_t kCopied = 480;  // words of short segments at a time

void prefetch_segment(const SegmentCursor& cursor, std::size_t words) {
  prefetch(cursor.at);
  prefetch(cursor.at + kLine);
  if (words <= kShortSegment) {
    prefetch(cursor.at + 2 * kLine);
    return;
  }
  const std::size_t lines = words / kLine + 1;
  const std::size_t most = lines < kMostLines ? lines : kMostLines;
  for (std::size_t i = 2; i <= most; ++i) prefetch(cursor.at + i * kLine);
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

/// Runs `body(synapses, n, value)`, with the value of a segment. Short ones of the same value are
/// copied one behind another first, without a question: where a short loop ends is what the
/// processor guesses wrong, and that takes as long as a dozen synapses.
template <std::size_t kHeader, class Synapse, class Value, class Body>
void each_run(SegmentCursor* cursors, std::size_t count, Value value_of, Body body) {
  constexpr std::size_t kOneLine = kLineBytes / sizeof(Synapse);
  constexpr std::size_t kSecond = kShortSegment > kOneLine ? kShortSegment - kOneLine : 0;
  alignas(64) Synapse copied[kCopied + kShortSegment];
  std::size_t n = 0;
  u32 value = 0;
  each_segment<kHeader>(
      cursors, count, [](u32 size) { return (size * sizeof(Synapse) + 3) / sizeof(u32); },
      [&](const u32* words, const SegmentCursor& cursor) {
        const u32 own = value_of(words, cursor);
        if (cursor.count > kShortSegment) {
          body(reinterpret_cast<const Synapse*>(words), std::size_t{cursor.count}, own);
          return;
        }
        if (own != value || n > kCopied) {
          body(copied, n, value);
          n = 0;
          value = own;
        }
        std::memcpy(copied + n, words, kLineBytes);
        std::memcpy(copied + n + kOneLine, words + kLine, sizeof copied[0] * kSecond);
        n += cursor.count;
      });
  body(copied, n, value);
}

/// Of segments whose synapses bring their own weights. A lambda: the address of a function would be
/// called.
constexpr auto payload_of = [](const u32*, const SegmentCursor& cursor) {
  return wrap(cursor.payload);
};

void deliver_packed(u32* acc, SegmentCursor* cursors, std::size_t count, u32 target_mask,
                    u32 weight_shift) {
  const auto add = [=](const u32* PG_RESTRICT words, std::size_t n, u32 payload) {
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
  };
  each_run<2, u32>(cursors, count, payload_of, add);
}

void deliver_book(u32* acc, SegmentCursor* cursors, std::size_t count, u32 target_mask,
                  u32 target_bits, const i32* book) {
  const auto add = [=](const u32* PG_RESTRICT words, std::size_t n, u32 payload) {
    u32* PG_RESTRICT sums = acc;
    const i32* PG_RESTRICT weights = book;
    PG_UNROLL_SOME for (std::size_t m = 0; m < n; ++m) {
      const u32 word = words[m];
      sums[word & target_mask] += payload * wrap(weights[word >> target_bits]);
    }
  };
  each_run<2, u32>(cursors, count, payload_of, add);
}

/// Targets alone; the weight of a segment is in its header.
template <class Target>
void deliver_index(u32* acc, SegmentCursor* cursors, std::size_t count) {
  const auto value_of = [](const u32* words, const SegmentCursor& cursor) {
    return words[-1] * wrap(cursor.payload);
  };
  const auto add = [=](const Target* PG_RESTRICT targets, std::size_t n, u32 value) {
    u32* PG_RESTRICT sums = acc;
    PG_UNROLL_SOME for (std::size_t m = 0; m < n; ++m) sums[targets[m]] += value;
  };
  each_run<3, Target>(cursors, count, value_of, add);
}

void deliver_index32(u32* acc, SegmentCursor* cursors, std::size_t count) {
  deliver_index<u32>(acc, cursors, count);
}

void deliver_index16(u32* acc, SegmentCursor* cursors, std::size_t count) {
  deliver_index<std::uint16_t>(acc, cursors, count);
}

struct WideSynapse {
  u32 target;
  u32 weight;
};

void deliver_wide(u32* acc, SegmentCursor* cursors, std::size_t count) {
  const auto add = [=](const WideSynapse* PG_RESTRICT synapses, std::size_t n, u32 payload) {
    u32* PG_RESTRICT sums = acc;
    PG_UNROLL_SOME for (std::size_t m = 0; m < n; ++m) {
      sums[synapses[m].target] += payload * synapses[m].weight;
    }
  };
  each_run<2, WideSynapse>(cursors, count, payload_of, add);
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
