#pragma once

#include <cstdint>
#include <vector>

#include "engine/runtime_node.hpp"
#include "nodes/columns.hpp"

namespace procgraph {

/// What an event-driven node keeps of each element, side by side: most of the time one of them is
/// all that is wanted from its cache line.
class Records {
 public:
  Records(std::size_t lanes, std::size_t n, std::size_t states)
      : n_(n), stride_(1 + (states + 1) / 2), words_(lanes * n * stride_) {}

  std::size_t size() const { return words_.size() / stride_; }
  /// Number of the tick that computed an element; `at` counts through all lanes.
  std::int64_t& last(std::size_t at) { return words_[at * stride_]; }
  std::int64_t last(std::size_t at) const { return words_[at * stride_]; }
  /// States in the order of the node, as bits.
  std::int32_t* states(std::size_t at) {
    return reinterpret_cast<std::int32_t*>(words_.data() + at * stride_ + 1);
  }
  const std::int32_t* states(std::size_t at) const {
    return reinterpret_cast<const std::int32_t*>(words_.data() + at * stride_ + 1);
  }
  /// Distance from an element's states to those of the next one, in 4 bytes.
  std::size_t stride() const { return 2 * stride_; }
  std::size_t at(std::size_t lane, std::int32_t element) const {
    return lane * n_ + static_cast<std::size_t>(element);
  }

 private:
  std::size_t n_;
  std::size_t stride_;
  Buffer<std::int64_t> words_;
};

/// Runs the kernel of an event-driven node on a list of elements, wherever they lie. The kernel has
/// one state more than its Process: the ticks without input before this one, for which it makes up
/// first; it leaves there whether the element has to be computed at the next tick as well.
class ElementList {
 public:
  /// `inputs` belong to the node and stay where they are.
  ElementList(const Node& spec, Kernel kernel, const Columns& columns, std::vector<Input>& inputs);

  std::size_t size() const { return size_; }
  /// True if 64 elements may not fit any more.
  bool full() const { return size_ > kChunk - 64; }
  const std::int32_t* elements() const { return elements_.data(); }
  void clear() { size_ = 0; }
  /// Appends first + i for each bit i of `found`; those of `awake` stay without input as well.
  void add(std::int32_t first, std::uint64_t found, std::uint64_t awake);
  /// Replaces the list by elements [begin, begin + count).
  void set_range(std::size_t begin, std::size_t count);

  /// By place: before a run the ticks without input, after it 1 where the element has to be
  /// computed at the next tick, else 0.
  std::int32_t* idle() { return values_[idle_].data(); }

  /// Takes the input of the elements, which is zero from then on, and drops those that have none
  /// and are not awake.
  void take_input(std::size_t lane);
  void no_input();
  /// Computes copies of the elements' states.
  void run(const Records& records, std::size_t lane);
  /// Puts the states in place.
  void store_states(Records& records, std::size_t lane) const;

  /// Results of the last run: 4 bytes a place, or what an array output has.
  const std::int32_t* state(std::size_t number) const {
    return values_[first_state_ + number].data();
  }
  const std::byte* output(std::size_t component) const {
    return reinterpret_cast<const std::byte*>(outputs_[component].data());
  }

 private:
  void aim_columns();

  const Columns& columns_;
  std::vector<Input>& inputs_;
  Kernel kernel_;
  KernelLayout layout_;
  std::size_t first_state_;
  std::size_t idle_;
  std::size_t first_input_;
  std::size_t size_ = 0;
  int aimed_at_ = -1;  // changes of the columns
  Buffer<std::int32_t> elements_;
  Buffer<std::int32_t> stays_;                 // not 0 for elements that stay in the list
  std::vector<Buffer<std::int32_t>> values_;   // columns, states, ticks, inputs
  std::vector<Buffer<std::int64_t>> outputs_;  // per component
  std::vector<float> input_scales_;
  std::vector<void*> pointers_;
  pg_kernel_args args_ = {};
};

}  // namespace procgraph
