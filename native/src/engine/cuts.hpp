#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace procgraph {

/// A range of the arena that tables deliver to.
struct Reach {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Where the arena is cut: ranges in ascending order, without gaps, each of which one thread
/// delivers to. A thread has several where ports of one node are cut at the same elements.
class Cuts {
 public:
  /// Nothing is cut yet; there will be ranges for so many threads.
  explicit Cuts(std::size_t threads) : of_thread_(threads) {}

  /// The next range of sums that something is delivered to.
  void add(const Reach& range, std::size_t thread) {
    if (range.begin == range.end) return;
    if (!ranges_.empty()) ranges_.back().end = range.begin;
    if (!ranges_.empty() && owners_.back() == thread) {
      ranges_.back().end = range.end;
      return;
    }
    of_thread_[thread].push_back(ranges_.size());
    ranges_.push_back({ranges_.empty() ? 0 : range.begin, range.end});
    owners_.push_back(thread);
  }
  /// No more are added: the last one goes on to the end of the arena.
  void close(std::uint64_t end) {
    if (ranges_.empty()) return add({0, end}, 0);
    ranges_.back().end = end;
  }

  std::size_t threads() const { return of_thread_.size(); }
  const std::vector<Reach>& ranges() const { return ranges_; }
  std::size_t thread_of(std::size_t range) const { return owners_[range]; }
  /// Numbers of the ranges of a thread.
  const std::vector<std::size_t>& of_thread(std::size_t thread) const { return of_thread_[thread]; }

 private:
  std::vector<Reach> ranges_;
  std::vector<std::size_t> owners_;
  std::vector<std::vector<std::size_t>> of_thread_;
};

}  // namespace procgraph
