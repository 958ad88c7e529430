#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "engine/lines.hpp"

namespace procgraph {

/// The events of one step and lane; keeps its memory when cleared. A few events lie on the same
/// cache line as their number, so that another thread that takes them up fetches one line.
class alignas(kLineBytes) EventList {
 public:
  std::size_t size() const { return size_; }
  const std::int32_t* index() const { return memory_ != nullptr ? memory_.get() : few_; }
  const std::int32_t* payload() const { return index() + capacity_; }
  /// Writes nothing where there is nothing: other threads may keep their copy of the line.
  void clear() {
    if (size_ != 0) size_ = 0;
  }

  void append(const std::int32_t* index, const std::int32_t* payload, std::size_t count) {
    if (count == 0) return;
    if (size_ + count > capacity_) grow(size_ + count);
    std::int32_t* to = memory_ != nullptr ? memory_.get() : few_;
    std::memcpy(to + size_, index, count * sizeof *index);
    std::memcpy(to + capacity_ + size_, payload, count * sizeof *payload);
    size_ += static_cast<std::uint32_t>(count);
  }

  void append(const EventList& other) { append(other.index(), other.payload(), other.size_); }

  void append(std::int32_t index, std::int32_t payload) { append(&index, &payload, 1); }

 private:
  static constexpr std::uint32_t kFew = 6;

  void grow(std::size_t wanted) {
    const auto capacity = static_cast<std::uint32_t>(std::bit_ceil(wanted));
    auto memory = std::make_unique_for_overwrite<std::int32_t[]>(2 * std::size_t{capacity});
    std::memcpy(memory.get(), index(), size_ * sizeof(std::int32_t));
    std::memcpy(memory.get() + capacity, payload(), size_ * sizeof(std::int32_t));
    memory_ = std::move(memory);
    capacity_ = capacity;
  }

  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = kFew;
  std::unique_ptr<std::int32_t[]> memory_;  // indices, then payloads; null while they are few
  std::int32_t few_[2 * kFew];
};

/// Slot of a step in a ring of a power of two slots. Steps before 0 have slots too: they hold
/// nothing after a reset, which is what the contract says about them.
class RingIndex {
 public:
  explicit RingIndex(std::int32_t depth = 1)
      : mask_(std::bit_ceil(static_cast<std::uint64_t>(depth)) - 1) {}
  std::size_t slots() const { return static_cast<std::size_t>(mask_ + 1); }
  std::size_t of(std::int64_t step) const {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(step) & mask_);
  }

 private:
  std::uint64_t mask_;
};

/// Events of the last steps, per lane. While several threads run a population, what some of them
/// have found may be kept apart until the end of a run.
class EventRing {
 public:
  /// Lists of one lane for the last steps, some way from each other.
  struct Apart {
    std::size_t lane;
    const EventList* lists;
    std::size_t stride;
    RingIndex ring;
    const EventList& of(std::int64_t step) const { return lists[ring.of(step) * stride]; }
  };

  EventRing() = default;
  EventRing(std::int32_t depth, std::int32_t lanes)
      : ring_(depth), lanes_(static_cast<std::size_t>(lanes)), lists_(ring_.slots() * lanes_) {}

  EventList& at(std::int64_t step, std::size_t lane) {
    return lists_[ring_.of(step) * lanes_ + lane];
  }
  const EventList& at(std::int64_t step, std::size_t lane) const {
    return lists_[ring_.of(step) * lanes_ + lane];
  }
  /// All lists of a step: their elements ascend from list to list.
  template <class Each>
  void each(std::int64_t step, std::size_t lane, Each&& each) const {
    std::size_t next = 0;
    for (const EventList* list = &at(step, lane); list != nullptr;
         list = step < apart_from_ ? nullptr : apart_list(step, lane, next)) {
      each(*list);
    }
  }
  void keep_apart(std::vector<Apart> apart) { apart_ = std::move(apart); }
  /// From which step on what is apart has not been collected.
  void apart_from(std::int64_t step) { apart_from_ = step; }
  const RingIndex& ring() const { return ring_; }
  void clear(std::int64_t step) {
    for (std::size_t lane = 0; lane < lanes_; ++lane) at(step, lane).clear();
  }
  void clear_all() {
    for (auto& list : lists_) list.clear();
  }

 private:
  /// The first of those with numbers from `next` on; then `next` is the number behind it.
  const EventList* apart_list(std::int64_t step, std::size_t lane, std::size_t& next) const {
    while (next < apart_.size()) {
      const Apart& apart = apart_[next++];
      if (apart.lane == lane) return &apart.of(step);
    }
    return nullptr;
  }

  RingIndex ring_;
  std::size_t lanes_ = 1;
  std::vector<EventList> lists_;
  std::int64_t apart_from_ = INT64_MAX;
  std::vector<Apart> apart_;
};

}  // namespace procgraph
