// Included by hot_loops.cpp only, within its instruction set.
//
// Weights and traces of plastic synapses.
#pragma once

#include "kernels/segment_loops.hpp"

namespace procgraph {
namespace {

void quantise(const float* PG_RESTRICT weights, std::size_t n, double factor,
              i32* PG_RESTRICT out) {
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  constexpr double kLargest = 2147483647.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(weights[i]) * factor;
    const double low = x < -kLargest ? -kLargest : x;
    const double limited = low > kLargest ? kLargest : low;
    out[i] = static_cast<i32>((limited + kRound) - kRound);
  }
}

float decayed(float value, float factor) {
  const float next = value * factor;
  return (next < 0 ? -next : next) < 0x1p-126F ? 0.0F : next;
}

void decay(float* values, std::size_t n, float factor) {
  for (std::size_t i = 0; i < n; ++i) values[i] = decayed(values[i], factor);
}

void decay_rows(const float* values, std::size_t count, float factor, float* out,
                std::size_t stride) {
  float now[8];
  for (std::size_t i = 0; i < 8; ++i) now[i] = values[i];
  for (std::size_t r = 0; r < count; r += 8) {
    float block[8][8];
    for (std::size_t k = 0; k < 8; ++k) {
      for (std::size_t i = 0; i < 8; ++i) {
        block[k][i] = now[i];
        now[i] = decayed(now[i], factor);
      }
    }
    for (std::size_t i = 0; i < 8; ++i) {
      for (std::size_t k = 0; k < 8; ++k) out[i * stride + r + k] = block[k][i];
    }
  }
}

void prefetch_range(const void* address, std::size_t bytes) {
  const auto* begin = static_cast<const char*>(address);
  for (std::size_t at = 0; at < bytes; at += 64) prefetch(begin + at);
}

}  // namespace
}  // namespace procgraph
