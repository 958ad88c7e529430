#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "procgraph/dtype.hpp"

namespace procgraph {

/// Whether an array output of dtype `from` may feed an array input of dtype `to`.
bool convertible(DType from, DType to);

/// Copies elements `src[m]` of `from` to elements `dst[m]` of `to`, converting the dtype. Without a
/// map (empty spans) the first `n` elements are copied in order.
void convert(const std::byte* from, DType from_type, std::byte* to, DType to_type, std::size_t n,
             std::span<const std::int32_t> src, std::span<const std::int32_t> dst);

}  // namespace procgraph
