#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "procgraph/engine.hpp"

namespace procgraph {

/// Throws Error (`shape`) unless `values` has the dtype and one of the numbers of values.
void check_values(std::string_view node, std::string_view name, const ArrayView& values,
                  DType dtype, std::initializer_list<std::int64_t> counts);
/// Throws Error (`shape`) unless `values` has exactly this dtype and shape.
void check_shape(std::string_view node, std::string_view name, const ArrayView& values, DType dtype,
                 const std::vector<std::int64_t>& shape);
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace procgraph
