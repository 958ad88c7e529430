#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace procgraph {

constexpr std::size_t kLineBytes = 64;
/// Between what different threads go through: more than processors read ahead (20 lines on
/// Intel's). A whole page, so that the lower bits of addresses stay: where these are alike for two
/// states, a load waits for a store to the other.
constexpr std::size_t kApartBytes = 4096;

template <class T>
struct LineAllocator {
  using value_type = T;
  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) {}  // NOLINT: a conversion
  T* allocate(std::size_t n) {
    if (n > (PTRDIFF_MAX - kLineBytes) / sizeof(T)) throw std::bad_array_new_length();
    const std::size_t bytes = (n * sizeof(T) + kLineBytes - 1) / kLineBytes * kLineBytes;
    return static_cast<T*>(::operator new(bytes, std::align_val_t{kLineBytes}));
  }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{kLineBytes}); }
  bool operator==(const LineAllocator&) const = default;
};

/// Shares no cache line with anything else: for what a thread writes all the time, which would slow
/// down another that uses the same line.
template <class T>
using LineVector = std::vector<T, LineAllocator<T>>;

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
