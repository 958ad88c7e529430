#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/lines.hpp"
#include "engine/ports.hpp"
#include "os/memory.hpp"

namespace procgraph {

/// The sums of all inputs of an engine, one after the other and each from the begin of a cache line
/// on, so that a delivery table can reach several inputs with one offset. Each lane has `stride`
/// of them.
class Arena {
 public:
  /// Places the inputs in the given order.
  void place(const std::vector<Input*>& inputs, std::size_t lanes);
  /// Moves the sums so that those from each of these positions on, in ascending order and each the
  /// begin of a cache line, lie a page further from those before: see StateColumn::keep_apart.
  void keep_apart(const std::vector<std::size_t>& positions);

  /// Where the sums of a lane from a position on lie, up to the next that lies apart.
  std::uint32_t* at(std::size_t lane, std::size_t position) const {
    std::size_t gaps = 0;
    while (gaps < apart_.size() && apart_[gaps] <= position) ++gaps;
    return memory_.as<std::uint32_t>() + lane * room() + position + gaps * kGap;
  }
  /// Masks of all lines, where an input wants that; see Input::marks.
  LineMask* marks() { return marks_.data(); }
  std::size_t stride() const { return stride_; }

 private:
  static constexpr std::size_t kGap = kApartBytes / sizeof(std::uint32_t);

  std::size_t room() const { return stride_ + apart_.size() * kGap; }
  void place_inputs();

  std::size_t lanes_ = 0;
  std::size_t stride_ = 0;
  std::vector<Input*> inputs_;
  std::vector<std::size_t> apart_;
  os::Pages memory_;
  Buffer<LineMask> marks_;
};

}  // namespace procgraph
