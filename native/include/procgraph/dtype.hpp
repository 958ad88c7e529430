#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace procgraph {

enum class DType : std::uint8_t {
  boolean,
  int8,
  uint8,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  uint64,
  float32,
  float64,
};

/// Bytes of one value.
std::size_t item_size(DType dtype);
/// Name as written in files: "bool", "int8", ...
const char* dtype_name(DType dtype);
std::optional<DType> parse_dtype(std::string_view name);

}  // namespace procgraph
