#pragma once

#include <cstdint>

#include "random/philox.hpp"

namespace procgraph {

/// A keyed permutation of [0, n): a balanced Feistel network of 8 rounds on at least bits(n - 1)
/// bits, walked until the value falls below n. One per row of a connectivity rule.
class Permutation {
 public:
  Permutation(std::uint32_t n, Key key, std::uint32_t row, std::uint32_t stream) : n_(n) {
    int bits = 0;
    for (std::uint32_t last = n - 1; last > 0; last >>= 1) ++bits;
    half_ = bits > 2 ? (bits + 1) / 2 : 1;
    const Block first = philox({row, 0, stream, 5}, key);
    const Block second = philox({row, 1, stream, 5}, key);
    for (std::size_t i = 0; i < 4; ++i) {
      round_keys_[i] = first[i];
      round_keys_[i + 4] = second[i];
    }
  }

  std::uint32_t operator()(std::uint32_t index) const {
    std::uint32_t value = index;
    do {
      value = encrypt(value);
    } while (value >= n_);
    return value;
  }

  std::uint32_t n() const { return n_; }
  int half() const { return half_; }
  const std::uint32_t* round_keys() const { return round_keys_; }

 private:
  static std::uint32_t mix32(std::uint32_t x) {
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ (x >> 16);
  }

  std::uint32_t encrypt(std::uint32_t value) const {
    const std::uint32_t mask = (1u << half_) - 1;
    std::uint32_t left = value >> half_;
    std::uint32_t right = value & mask;
    for (const std::uint32_t key : round_keys_) {
      const std::uint32_t next = left ^ (mix32(right * 0x9E3779B1u + key) & mask);
      left = right;
      right = next;
    }
    return (left << half_) | right;
  }

  std::uint32_t n_;
  int half_;
  std::uint32_t round_keys_[8];
};

}  // namespace procgraph
