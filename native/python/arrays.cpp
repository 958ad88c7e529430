#include "arrays.hpp"

namespace py = pybind11;

namespace procgraph::python {

py::dtype numpy_dtype(DType dtype) {
  return py::dtype(dtype_name(dtype));
}

py::array to_numpy(Array&& array) {
  const auto* data = array.data.release();
  const py::capsule owner(data, [](void* p) { delete[] static_cast<std::byte*>(p); });
  const std::vector<py::ssize_t> shape(array.shape.begin(), array.shape.end());
  return py::array(numpy_dtype(array.dtype), shape, data, owner);
}

Borrowed borrow(const py::object& values, std::optional<DType> wanted) {
  py::array array = py::array::ensure(values, py::array::c_style);
  if (!array) throw py::type_error("the value cannot be made an array");
  if (wanted && !array.dtype().is(numpy_dtype(*wanted))) {
    const char kind = array.dtype().kind();
    const bool to_float = *wanted == DType::float32 && (kind == 'f' || kind == 'i' || kind == 'u');
    const bool to_int = *wanted == DType::int32 && (kind == 'i' || kind == 'u' || kind == 'b');
    if (to_float || to_int) {
      array = py::array::ensure(array.attr("astype")(numpy_dtype(*wanted)), py::array::c_style);
    }
  }
  const std::string name = py::str(array.dtype());
  const auto dtype = parse_dtype(name);
  if (!dtype) throw py::type_error("arrays of dtype " + name + " are not supported");
  ArrayView view{*dtype, {array.shape(), array.shape() + array.ndim()}, array.data()};
  return {std::move(array), std::move(view)};
}

py::array view_of(void* data, DType dtype, std::int64_t n, bool writeable) {
  // A base object keeps NumPy from copying; the memory belongs to the engine.
  py::array view(numpy_dtype(dtype), {n}, data, py::none());
  if (!writeable) view.attr("flags").attr("writeable") = false;
  return view;
}

}  // namespace procgraph::python
