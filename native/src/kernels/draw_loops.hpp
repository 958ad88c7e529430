// Included by hot_loops.cpp only, within its instruction set.
//
// The draws of elements: an upper half of 16 bits and a lower one of 15, half words of two Philox
// streams. To count thresholds below a draw, as a Poisson source does, the upper half nearly always
// is enough, which is half of the random numbers and half of the width to compare.
#pragma once

#include "kernels/count_lanes.hpp"
#include "kernels/philox_lanes.hpp"
#include "procgraph/kernel.h"

namespace procgraph {
namespace {

constexpr std::size_t kDrawn = PG_KERNEL_CHUNK;  // at a time: a chunk in one go
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
