#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace procgraph {

/// Numbers of tasks of one thread that others may take over: the owner takes them from the front,
/// whoever has nothing left to do from the back. Each is taken once.
///
/// Opened anew in each round by its owner alone. What is left of an earlier round counts as not yet
/// opened, so that nobody else has to close it.
class alignas(64) TaskRange {
 public:
  /// Numbers stay below.
  static constexpr std::uint32_t kMost = 1u << 24;

  /// Lets [begin, end) be taken; what was done before is seen by whoever takes one.
  void open(std::uint32_t round, std::uint32_t begin, std::uint32_t end) {
    range_.store(pack(round, begin, end), std::memory_order_release);
  }
  /// By how many rounds what is or was open last is ahead of `round`, modulo 65,536.
  std::uint32_t ahead(std::uint32_t round) const {
    return static_cast<std::uint16_t>((range_.load(std::memory_order_relaxed) >> 48) - round);
  }
  /// May be true by mistake if the range was last opened a multiple of 65,536 rounds ago: it is
  /// empty then.
  bool opened(std::uint32_t round) const {
    return of_round(range_.load(std::memory_order_relaxed), round);
  }

  std::optional<std::uint32_t> take_first(std::uint32_t round) {
    return take(round, [=](std::uint32_t begin, std::uint32_t end) {
      return Taken{begin, pack(round, begin + 1, end)};
    });
  }
  std::optional<std::uint32_t> take_last(std::uint32_t round) {
    return take(round, [=](std::uint32_t begin, std::uint32_t end) {
      return Taken{end - 1, pack(round, begin, end - 1)};
    });
  }

 private:
  struct Taken {
    std::uint32_t task;
    std::uint64_t rest;
  };

  static constexpr std::uint64_t pack(std::uint32_t round, std::uint32_t begin, std::uint32_t end) {
    return std::uint64_t{round & 0xFFFF} << 48 | std::uint64_t{begin} << 24 | end;
  }
  static constexpr bool of_round(std::uint64_t range, std::uint32_t round) {
    return range >> 48 == (round & 0xFFFF);
  }

  template <class Choose>
  std::optional<std::uint32_t> take(std::uint32_t round, Choose choose) {
    std::uint64_t range = range_.load(std::memory_order_acquire);
    while (true) {
      const auto begin = static_cast<std::uint32_t>(range >> 24) % kMost;
      const auto end = static_cast<std::uint32_t>(range) % kMost;
      if (begin == end || !of_round(range, round)) return std::nullopt;
      const Taken taken = choose(begin, end);
      if (range_.compare_exchange_weak(range, taken.rest, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
        return taken.task;
      }
    }
  }

  std::atomic<std::uint64_t> range_{pack(0xFFFF, 0, 0)};
};

}  // namespace procgraph
