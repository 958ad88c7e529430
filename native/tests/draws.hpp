#pragma once

#include <cstdint>

#include "kernels/hot_loops.hpp"
#include "random/philox.hpp"

/// The draw of an element, from scalar Philox.
inline std::int32_t draw_of(std::uint32_t element, const procgraph::DrawStream& stream) {
  const auto half = [&](std::uint32_t c3) {
    const procgraph::Block words =
        procgraph::philox({element / 8, static_cast<std::uint32_t>(stream.step),
                           static_cast<std::uint32_t>(stream.step >> 32), c3},
                          {stream.key_low, stream.key_high});
    return words[element % 8 / 2] >> (16 * (element % 2)) & 0xFFFFu;
  };
  return static_cast<std::int32_t>(half(stream.c3) << 15 | half(stream.c3 | 1u << 31) >> 1);
}
