#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace procgraph {

/// CRC-32 with the zlib polynomial.
std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace procgraph
