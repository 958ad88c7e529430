// Synapses of one weight as rows of bits, one for each pair: spikes are counted column by column.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "limit_neurons.hpp"

namespace {

/// Rows of bits with one delay; pairs that occur again are indices behind their row.
class Bits {
 public:
  Bits(const Shape& shape, std::size_t rows, Draw& draw)
      : blocks_((shape.neurons + kColumns - 1) / kColumns),
        again_(shape.row * shape.row / (2 * shape.neurons)) {
    bits_ = pages<Plane>((rows + 1) * blocks_);
    indices_ = pages<std::uint16_t>(rows * again_);
    none_ = bits_ + rows * blocks_;
    for (std::size_t r = 0; r < rows; ++r) {
      auto* words = reinterpret_cast<std::uint64_t*>(bits_ + r * blocks_);
      for (std::size_t m = 0; m < shape.row; ++m) {
        const std::size_t target = draw.below(shape.neurons);
        words[target / 64] |= std::uint64_t{1} << (target % 64);
      }
      for (std::size_t m = 0; m < again_; ++m)
        indices_[r * again_ + m] = static_cast<std::uint16_t>(draw.below(shape.neurons));
    }
  }

  /// `in` has room for whole blocks.
  void deliver(const std::vector<std::uint32_t>& fired, std::int32_t* in) {
    at_.clear();
    for (const std::uint32_t row : fired) {
      at_.push_back(bits_ + row * blocks_);
      __builtin_prefetch(at_.back());
      for (std::size_t m = 0; m < again_; m += 32) __builtin_prefetch(indices_ + row * again_ + m);
    }
    while (at_.size() % kTogether != 0) at_.push_back(none_);
    for (std::size_t block = 0; block < blocks_; ++block) count(block, in + block * kColumns);
    for (const std::uint32_t row : fired) {
      for (std::size_t m = 0; m < again_; ++m) ++in[indices_[row * again_ + m]];
    }
  }

 private:
  using Plane [[gnu::vector_size(64)]] = std::uint64_t;
  static constexpr std::size_t kColumns = 512, kTogether = 8, kPlanes = 7;  // counts up to 127

  /// Adds two planes to a third; returns what is carried.
  static Plane add(Plane& sum, Plane a, Plane b) {
    const Plane either = a ^ b;
    const Plane carry = (a & b) | (either & sum);
    sum ^= either;
    return carry;
  }

  void count(std::size_t block, std::int32_t* in) const {
    Plane planes[kPlanes] = {};
    for (std::size_t r = 0; r < at_.size(); r += kTogether) {
      const Plane* const* row = at_.data() + r;
      if (block + 1 < blocks_) {
        for (std::size_t i = 0; i < kTogether; ++i) __builtin_prefetch(row[i] + block + 1);
      }
      const auto bits = [&](std::size_t i) { return row[i][block]; };
      const Plane two_a = add(planes[0], bits(0), bits(1));
      const Plane two_b = add(planes[0], bits(2), bits(3));
      const Plane two_c = add(planes[0], bits(4), bits(5));
      const Plane two_d = add(planes[0], bits(6), bits(7));
      const Plane four_a = add(planes[1], two_a, two_b);
      const Plane four_b = add(planes[1], two_c, two_d);
      Plane carry = add(planes[2], four_a, four_b);
      for (std::size_t q = 3; q < kPlanes; ++q) {
        const Plane next = planes[q] & carry;
        planes[q] ^= carry;
        carry = next;
      }
    }
    alignas(64) std::uint16_t parts[kPlanes][kColumns / kLanes];
    for (std::size_t q = 0; q < kPlanes; ++q) std::memcpy(parts[q], &planes[q], sizeof planes[q]);
    const Signed lane = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                         1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
    for (std::size_t p = 0; p < kColumns / kLanes; ++p) {
      Signed sum;
      std::memcpy(&sum, in + p * kLanes, sizeof sum);
      for (std::size_t q = 0; q < kPlanes; ++q) {
        const Signed set = (lane & static_cast<std::int32_t>(parts[q][p])) != 0;  // -1 or 0
        sum -= set * (1 << q);
      }
      std::memcpy(in + p * kLanes, &sum, sizeof sum);
    }
  }

  std::size_t blocks_, again_;
  Plane *bits_ = nullptr, *none_ = nullptr;
  std::uint16_t* indices_ = nullptr;
  std::vector<const Plane*> at_;
};

}  // namespace
