#pragma once

#include <cstdint>
#include <vector>

namespace procgraph {

struct QueuedEvent {
  std::int32_t index;
  std::int32_t payload;
};

/// First-in first-out queue whose memory grows up to its capacity and then stays.
class BoundedQueue {
 public:
  explicit BoundedQueue(std::int64_t capacity) : capacity_(static_cast<std::size_t>(capacity)) {}

  std::size_t size() const { return size_; }
  bool full() const { return size_ >= capacity_; }
  std::size_t capacity() const { return capacity_; }
  const QueuedEvent& operator[](std::size_t i) const { return ring_[wrap(head_ + i)]; }

  void push(QueuedEvent event) {
    if (size_ == ring_.size()) grow();
    ring_[wrap(head_ + size_)] = event;
    ++size_;
    if (static_cast<std::int64_t>(size_) > high_water) {
      high_water = static_cast<std::int64_t>(size_);
    }
  }
  void drop_head() {
    head_ = wrap(head_ + 1);
    --size_;
    ++dropped;
  }
  void clear() { head_ = size_ = 0; }

  std::int64_t high_water = 0;
  std::int64_t dropped = 0;

 private:
  std::size_t wrap(std::size_t i) const { return i >= ring_.size() ? i - ring_.size() : i; }
  void grow() {
    std::vector<QueuedEvent> larger;
    larger.reserve(2 * size_ + 16);
    for (std::size_t i = 0; i < size_; ++i) larger.push_back((*this)[i]);
    larger.resize(larger.capacity());
    ring_.swap(larger);
    head_ = 0;
  }

  std::size_t capacity_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
  std::vector<QueuedEvent> ring_;
};

}  // namespace procgraph
