#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "procgraph/engine.hpp"

namespace procgraph::python {

/// Hands an array over to NumPy without copying it.
pybind11::array to_numpy(Array&& array);

pybind11::dtype numpy_dtype(DType dtype);

/// A C-ordered array that a view borrows from. float64 becomes float32 and int64 becomes int32
/// where the values are wanted as such.
struct Borrowed {
  pybind11::array owner;
  ArrayView view;
};

/// `wanted` is the dtype that the engine will ask for, if it is known.
Borrowed borrow(const pybind11::object& values, std::optional<DType> wanted);

/// A NumPy view of memory that a kernel is called with; valid during the call only.
pybind11::array view_of(void* data, DType dtype, std::int64_t n, bool writeable);

}  // namespace procgraph::python
