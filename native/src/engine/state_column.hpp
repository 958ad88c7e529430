#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "engine/buffer.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// A state variable of all elements, lane by lane: element e of a lane has the place lane * n + e.
class StateColumn {
 public:
  StateColumn(const NamedTensor& spec, std::size_t n, std::size_t lanes);

  const NamedTensor* spec;
  std::size_t n;  ///< values of one lane

  /// Of all lanes.
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return count_ * item(); }
  /// Moves the values so that those from each of these places on, in ascending order, lie apart
  /// from those before. For what different threads work on: a processor reads ahead beyond the last
  /// element of its thread, and would take lines from the other in each step.
  void keep_apart(const std::vector<std::size_t>& places);
  /// Where the values from a place on lie, up to the next that lies apart.
  std::byte* at(std::size_t place);
  void read(std::byte* out) const;
  void write(const std::byte* values);
  /// The values are kept elsewhere.
  void release() { data_ = {}; }

 private:
  /// Values without a gap between them.
  struct Run {
    std::size_t first;   // place
    std::size_t offset;  // bytes
  };

  std::size_t item() const { return item_size(spec->dtype); }
  std::size_t run_bytes(std::size_t run) const {
    return ((run + 1 < runs_.size() ? runs_[run + 1].first : count_) - runs_[run].first) * item();
  }

  std::size_t count_;
  std::vector<Run> runs_;
  Buffer<std::byte> data_;
};

/// Copies some elements of each lane of `n` values of `item` bytes; `at` a place there is a value.
template <class At>
void pick_elements(std::size_t n, std::size_t lanes, std::size_t item,
                   std::span<const std::int64_t> elements, At&& at, std::byte* out) {
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    for (const std::int64_t element : elements) {
      std::memcpy(out, at(lane * n + static_cast<std::size_t>(element)), item);
      out += item;
    }
  }
}

}  // namespace procgraph
