#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace procgraph {

/// The events of one step and lane; keeps its memory when cleared.
class EventList {
 public:
  std::size_t size() const { return size_; }
  const std::int32_t* index() const { return index_.get(); }
  const std::int32_t* payload() const { return payload_.get(); }
  void clear() { size_ = 0; }

  void append(const std::int32_t* index, const std::int32_t* payload, std::size_t count) {
    if (count == 0) return;
    if (size_ + count > capacity_) grow(size_ + count);
    std::memcpy(index_.get() + size_, index, count * sizeof *index);
    std::memcpy(payload_.get() + size_, payload, count * sizeof *payload);
    size_ += count;
  }

  void append(const EventList& other) {
    if (other.size_ != 0) append(other.index(), other.payload(), other.size_);
  }

  void append(std::int32_t index, std::int32_t payload) { append(&index, &payload, 1); }

 private:
  void grow(std::size_t wanted) {
    const std::size_t capacity = std::bit_ceil(wanted < 16 ? std::size_t{16} : wanted);
    auto index = std::make_unique_for_overwrite<std::int32_t[]>(capacity);
    auto payload = std::make_unique_for_overwrite<std::int32_t[]>(capacity);
    if (size_ != 0) {
      std::memcpy(index.get(), index_.get(), size_ * sizeof(std::int32_t));
      std::memcpy(payload.get(), payload_.get(), size_ * sizeof(std::int32_t));
    }
    index_ = std::move(index);
    payload_ = std::move(payload);
    capacity_ = capacity;
  }

  std::unique_ptr<std::int32_t[]> index_;
  std::unique_ptr<std::int32_t[]> payload_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
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

/// Events of the last steps, per lane.
class EventRing {
 public:
  EventRing() = default;
  EventRing(std::int32_t depth, std::int32_t lanes)
      : ring_(depth),
        lanes_(static_cast<std::size_t>(lanes)),
        lists_(ring_.slots() * lanes_) {}

  EventList& at(std::int64_t step, std::size_t lane) {
    return lists_[ring_.of(step) * lanes_ + lane];
  }
  const EventList& at(std::int64_t step, std::size_t lane) const {
    return lists_[ring_.of(step) * lanes_ + lane];
  }
  void clear(std::int64_t step) {
    for (std::size_t lane = 0; lane < lanes_; ++lane) at(step, lane).clear();
  }
  void clear_all() {
    for (auto& list : lists_) list.clear();
  }

 private:
  RingIndex ring_;
  std::size_t lanes_ = 1;
  std::vector<EventList> lists_;
};

}  // namespace procgraph
