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
  Arena before;
  before.stride_ = stride_;
  before.apart_ = std::exchange(apart_, positions);
  before.memory_ = std::exchange(memory_, os::Pages(lanes_ * room() * sizeof(std::uint32_t)));
  std::vector<std::size_t> borders = before.apart_;
  borders.insert(borders.end(), apart_.begin(), apart_.end());
  borders.insert(borders.end(), {0, stride_});
  std::sort(borders.begin(), borders.end());
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    for (std::size_t i = 0; i + 1 < borders.size(); ++i) {
      std::memcpy(at(lane, borders[i]), before.at(lane, borders[i]),
                  (borders[i + 1] - borders[i]) * sizeof(std::uint32_t));
    }
  }
  place_inputs();
}

void Arena::place_inputs() {
  for (Input* input : inputs_) {
    const std::size_t begin = input->offset();
    std::vector<std::size_t> apart;
    for (const std::size_t position : apart_) {
      if (position > begin && position < begin + input->n()) apart.push_back(position - begin);
    }
    input->place(at(0, begin), room(), kGap, std::move(apart));
  }
}

}  // namespace procgraph
