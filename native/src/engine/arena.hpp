#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/ports.hpp"
#include "os/memory.hpp"

namespace procgraph {

/// The sums of all inputs of an engine, one after the other and each from the begin of a cache line
/// on, so that a delivery table can reach several inputs with one offset. Lanes lie `stride` apart.
class Arena {
 public:
  /// Places the inputs in the given order.
  void place(const std::vector<Input*>& inputs, std::size_t lanes) {
    std::vector<std::size_t> offsets;
    for (const Input* input : inputs) {
      offsets.push_back(stride_);
      stride_ += lines_of(input->n()) * kSumsPerLine;
    }
    if (stride_ > PTRDIFF_MAX / sizeof(std::uint32_t) / (lanes + 1)) throw std::bad_alloc();
    memory_ = os::Pages(lanes * stride_ * sizeof(std::uint32_t));
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i]->place(sums(), offsets[i], stride_);
    if (std::none_of(inputs.begin(), inputs.end(), [](const Input* x) { return x->wants_marks; })) {
      return;
    }
    marks_ = Buffer<LineMask>(lanes * stride_ / kSumsPerLine);
    for (Input* input : inputs) input->place_marks(marks_.data());
  }

  std::uint32_t* sums() const { return memory_.as<std::uint32_t>(); }
  /// Masks of all lines, where an input wants that; see Input::marks.
  LineMask* marks() { return marks_.data(); }
  std::size_t stride() const { return stride_; }

 private:
  std::size_t stride_ = 0;
  os::Pages memory_;
  Buffer<LineMask> marks_;
};

}  // namespace procgraph
