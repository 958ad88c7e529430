#pragma once

#include <cstddef>
#include <cstdint>

namespace procgraph {

/// Sums of one cache line: an input begins at a line of its own.
constexpr std::size_t kSumsPerLine = 16;
constexpr std::size_t lines_of(std::size_t n) {
  return (n + kSumsPerLine - 1) / kSumsPerLine;
}

/// A bit for each sum of a line.
using LineMask = std::uint16_t;
constexpr LineMask kWholeLine = 0xFFFF;
/// Sets the bit of an element in the masks of its input's lines.
inline void set_mark(LineMask* lines, std::size_t element) {
  LineMask& line = lines[element / kSumsPerLine];
  line = static_cast<LineMask>(line | 1u << element % kSumsPerLine);
}

}  // namespace procgraph
