#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace procgraph {

/// Ways of storing the synapses of a projection; docs/explanation/storage.md says what each holds.
enum class StorageFormat : std::uint8_t {
  bitmask,
  index16,
  index32,
  packed32,
  book32,
  wide,
  segments,
  rows,
  procedural,
  diagonal,
  constant,
  kernel,
  plastic,
};

/// Names in the order of the formats.
constexpr std::array<std::string_view, 13> kStorageFormats{
    "bitmask", "index16",    "index32",  "packed32", "book32", "wide",   "segments",
    "rows",    "procedural", "diagonal", "constant", "kernel", "plastic"};

constexpr std::string_view storage_name(StorageFormat format) {
  return kStorageFormats.at(static_cast<std::size_t>(format));
}

}  // namespace procgraph
