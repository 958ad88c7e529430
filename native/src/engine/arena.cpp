#include "engine/arena.hpp"

#include <cstring>
#include <utility>

namespace procgraph {

void Arena::place(const std::vector<Input*>& inputs, std::size_t lanes) {
  lanes_ = lanes;
  inputs_ = inputs;
  for (Input* input : inputs_) {
    input->set_offset(stride_);
    stride_ += lines_of(input->n()) * kSumsPerLine;
  }
  if (stride_ > PTRDIFF_MAX / sizeof(std::uint32_t) / (lanes + 1)) throw std::bad_alloc();
  memory_ = os::Pages(lanes * stride_ * sizeof(std::uint32_t));
  place_inputs();
  if (std::none_of(inputs.begin(), inputs.end(), [](const Input* x) { return x->wants_marks; })) {
    return;
  }
  marks_ = Buffer<LineMask>(lanes * stride_ / kSumsPerLine);
  for (Input* input : inputs) input->place_marks(marks_.data(), stride_ / kSumsPerLine);
}

void Arena::keep_apart(const std::vector<std::size_t>& positions) {
  if (positions == apart_) return;
  // All that needs memory comes before anything is changed.
  Arena after;
  after.lanes_ = lanes_;
  after.stride_ = stride_;
  after.inputs_ = inputs_;
  after.apart_ = positions;
  after.memory_ = os::Pages(lanes_ * after.room() * sizeof(std::uint32_t));
  std::vector<std::size_t> borders = apart_;
  borders.insert(borders.end(), positions.begin(), positions.end());
  borders.insert(borders.end(), {0, stride_});
  std::sort(borders.begin(), borders.end());
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    for (std::size_t i = 0; i + 1 < borders.size(); ++i) {
      std::memcpy(after.at(lane, borders[i]), at(lane, borders[i]),
                  (borders[i + 1] - borders[i]) * sizeof(std::uint32_t));
    }
  }
  after.place_inputs();
  apart_.swap(after.apart_);
  memory_ = std::move(after.memory_);
}

void Arena::place_inputs() {
  std::vector<std::vector<std::size_t>> apart(inputs_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const std::size_t begin = inputs_[i]->offset();
    const std::size_t end = begin + inputs_[i]->n();
    for (const std::size_t position : apart_) {
      if (position > begin && position < end) apart[i].push_back(position - begin);
    }
  }
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    inputs_[i]->place(at(0, inputs_[i]->offset()), room(), kGap, std::move(apart[i]));
  }
}

}  // namespace procgraph
