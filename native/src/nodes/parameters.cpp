#include "nodes/parameters.hpp"

#include "format/text.hpp"

namespace procgraph {
namespace {

[[noreturn]] void refuse(std::string_view node, std::string_view name, const ArrayView& values,
                         DType dtype, const std::string& allowed) {
  throw Error(ErrorKind::shape, text("node '", node, "'"),
              text("'", name, "' cannot take ", dtype_name(values.dtype), " ",
                   shape_text(values.shape), "; allowed: ", dtype_name(dtype), " ", allowed));
}

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += text(i == 0 ? "" : ", ", shape[i]);
  return out + "]";
}

void check_values(std::string_view node, std::string_view name, const ArrayView& values,
                  DType dtype, std::initializer_list<std::int64_t> counts) {
  std::string allowed;
  for (const std::int64_t count : counts) {
    if (values.dtype == dtype && values.count() == count) return;
    allowed += text(allowed.empty() ? "of " : " or ", count);
  }
  refuse(node, name, values, dtype, allowed + " values");
}

void check_shape(std::string_view node, std::string_view name, const ArrayView& values, DType dtype,
                 const std::vector<std::int64_t>& shape) {
  if (values.dtype != dtype || values.shape != shape) {
    refuse(node, name, values, dtype, shape_text(shape));
  }
}

}  // namespace procgraph
