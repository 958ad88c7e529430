#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "procgraph/storage.hpp"

namespace procgraph {

class Member;

/// How a delivery table stores synapses. A row holds the synapses of one source in segments of
/// equal delay, ascending; a row is a stream of 32-bit words:
///
///     {count, steps since the previous segment's delay, [weight]} synapses ... {0, 0}
///
/// A target is an offset from the first sum of the partition.
enum class Format : std::uint8_t {
  packed32,  ///< target in the low bits, weight >> shift in the high bits
  book32,    ///< target in the low bits, number of the weight in a book of weights in the high bits
  index16,   ///< two targets a word, one weight a segment
  index32,   ///< target, one weight a segment
  wide,      ///< target, weight
};

constexpr std::size_t kIndexHeaderWords = 3;  ///< of a segment of index16 or index32

struct Layout {
  Format format = Format::wide;
  std::uint32_t target_bits = 32;
  std::uint32_t zero_bits = 0;          ///< packed32: low bits that are zero in all weights
  std::vector<std::int32_t> book = {};  ///< book32: all weights, ascending

  bool weight_in_header() const { return format == Format::index16 || format == Format::index32; }
  std::size_t header_words() const { return weight_in_header() ? kIndexHeaderWords : 2; }
  std::size_t body_words(std::size_t count) const {
    if (format == Format::index16) return (count + 1) / 2;
    return format == Format::wide ? 2 * count : count;
  }
  std::uint32_t target_mask() const { return (1u << target_bits) - 1; }
  /// Target of synapse number m of a segment whose body begins at `words`.
  std::uint32_t target(const std::uint32_t* words, std::size_t m) const {
    switch (format) {
      case Format::index16:
        return words[m / 2] >> (m % 2 * 16) & 0xFFFF;
      case Format::index32:
        return words[m];
      case Format::wide:
        return words[2 * m];
      default:
        return words[m] & target_mask();
    }
  }
  std::uint32_t weight_shift() const { return target_bits - zero_bits; }
  StorageFormat stored_as() const;
};

/// The layout that holds all weights exactly and is delivered fastest by the costs of
/// `sparse/costs.hpp`, for targets below `range`.
Layout choose_layout(std::span<const Member> members, std::int32_t n_pre, std::uint64_t range);

}  // namespace procgraph
