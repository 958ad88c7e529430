#include "procgraph/dtype.hpp"

#include <array>

namespace procgraph {
namespace {

struct Info {
  const char* name;
  std::size_t size;
};

constexpr std::array<Info, 11> kInfo = {{
    {"bool", 1},
    {"int8", 1},
    {"uint8", 1},
    {"int16", 2},
    {"uint16", 2},
    {"int32", 4},
    {"uint32", 4},
    {"int64", 8},
    {"uint64", 8},
    {"float32", 4},
    {"float64", 8},
}};

}  // namespace

std::size_t item_size(DType dtype) {
  return kInfo[static_cast<std::size_t>(dtype)].size;
}

const char* dtype_name(DType dtype) {
  return kInfo[static_cast<std::size_t>(dtype)].name;
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (std::size_t i = 0; i < kInfo.size(); ++i) {
    if (name == kInfo[i].name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace procgraph
