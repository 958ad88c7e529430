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
  void place(std::vector<Input*> inputs, std::size_t lanes) {
    inputs_ = std::move(inputs);
    for (const Input* input : inputs_) stride_ += lines_of(input->n()) * kSumsPerLine;
    if (stride_ > PTRDIFF_MAX / sizeof(std::uint32_t) / (lanes + 1)) throw std::bad_alloc();
    memory_ = os::Pages(lanes * stride_ * sizeof(std::uint32_t));
    const auto wants = [](const Input* input) { return input->wants_marks; };
    if (std::any_of(inputs_.begin(), inputs_.end(), wants)) {
      marks_ = Buffer<LineMask>(lanes * stride_ / kSumsPerLine);
    }
    assign();
  }
  /// Places some of them before all others, as long as all sums are zero.
  void bring_first(const std::vector<Input*>& some) {
    const auto place_of = [&](const Input* input) {
      return std::find(some.begin(), some.end(), input) - some.begin();
    };
    std::stable_sort(inputs_.begin(), inputs_.end(),
                     [&](const Input* a, const Input* b) { return place_of(a) < place_of(b); });
    assign();
  }

  std::uint32_t* sums() const { return memory_.as<std::uint32_t>(); }
  /// Masks of all lines, where an input wants that; see Input::marks.
  LineMask* marks() { return marks_.data(); }
  std::size_t stride() const { return stride_; }

 private:
  void assign() {
    std::size_t offset = 0;
    for (Input* input : inputs_) {
      input->place(sums(), offset, stride_);
      if (marks_.size() != 0) input->place_marks(marks_.data());
      offset += lines_of(input->n()) * kSumsPerLine;
    }
  }

  std::vector<Input*> inputs_;
  std::size_t stride_ = 0;
  os::Pages memory_;
  Buffer<LineMask> marks_;
};

}  // namespace procgraph
