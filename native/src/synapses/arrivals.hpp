#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace procgraph {

/// Elements with a payload in one step, ascending.
struct Arrivals {
  std::span<const std::int32_t> elements;
  std::span<const std::int32_t> payloads;

  Arrivals part(std::size_t begin, std::size_t end) const {
    return {elements.subspan(begin, end - begin), payloads.subspan(begin, end - begin)};
  }
};

}  // namespace procgraph
