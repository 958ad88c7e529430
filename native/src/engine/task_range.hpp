#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace procgraph {

/// Numbers of tasks of one thread that others may take over: the owner takes them from the front,
/// whoever has nothing left to do from the back. Each is taken once.
class alignas(64) TaskRange {
 public:
  /// Until it is opened there is nothing to take.
  void close() { range_.store(kClosed, std::memory_order_relaxed); }
  /// Lets [begin, end) be taken; what was done before is seen by whoever takes one.
  void open(std::uint32_t begin, std::uint32_t end) {
    range_.store(pack(begin, end), std::memory_order_release);
  }
  bool closed() const { return range_.load(std::memory_order_relaxed) == kClosed; }

  std::optional<std::uint32_t> take_first() {
    return take(
        [](std::uint32_t begin, std::uint32_t end) { return Taken{begin, pack(begin + 1, end)}; });
  }
  std::optional<std::uint32_t> take_last() {
    return take([](std::uint32_t begin, std::uint32_t end) {
      return Taken{end - 1, pack(begin, end - 1)};
    });
  }

 private:
  struct Taken {
    std::uint32_t task;
    std::uint64_t rest;
  };
  static constexpr std::uint64_t kClosed = UINT64_MAX;  // no range: it begins where it ends

  static constexpr std::uint64_t pack(std::uint32_t begin, std::uint32_t end) {
    return std::uint64_t{begin} << 32 | end;
  }

  template <class Choose>
  std::optional<std::uint32_t> take(Choose choose) {
    std::uint64_t range = range_.load(std::memory_order_acquire);
    while (true) {
      const auto begin = static_cast<std::uint32_t>(range >> 32);
      const auto end = static_cast<std::uint32_t>(range);
      if (begin == end) return std::nullopt;
      const Taken taken = choose(begin, end);
      if (range_.compare_exchange_weak(range, taken.rest, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
        return taken.task;
      }
    }
  }

  std::atomic<std::uint64_t> range_{kClosed};
};

}  // namespace procgraph
