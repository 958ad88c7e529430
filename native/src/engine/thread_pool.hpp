#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace procgraph {

/// Turns of a loop that waits, up to a bound in time.
class Spinning {
 public:
  explicit Spinning(std::int64_t longest_ns);
  /// Pauses; false once the time is over.
  bool again();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
  int until_look_;
};

/// Waits for a number to change: spins for a while, then sleeps. The time spent
/// spinning halves whenever it was in vain, so that a busy machine loses little to it.
class Waiter {
 public:
  explicit Waiter(std::int64_t longest_ns) : longest_ns_(longest_ns), spin_ns_(longest_ns) {}
  void wait(const std::atomic<std::uint32_t>& value, std::uint32_t old);
  /// The change came and went unseen: next time it is worth to spin for it.
  void missed() { spin_ns_ = longest_ns_; }

 private:
  bool spin(const std::atomic<std::uint32_t>& value, std::uint32_t old) const;

  std::int64_t longest_ns_;
  std::int64_t spin_ns_;
};

/// A piece of work: what each thread calls, and with what.
struct Call {
  /// Must not throw. Thread 0 is the caller, which may stand in for others.
  void (*work)(const Call& call, int thread);
  void* context;
  const void* detail;
  std::int64_t step;
  std::uint32_t round;
};

/// Threads that do one piece of work together, as often as they are asked to. They sleep soon after
/// the last piece and are gone when the pool is. The caller does not wait for a thread that has not
/// begun, because another program has its processor: it does that share itself.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  /// Makes the call on threads 0 ... active - 1 and returns when all have finished.
  void run(int active, const Call& call);
  /// Within a piece of work: false if a thread has not begun, so that the caller may have to do its
  /// share.
  bool has_begun(int thread) const;
  /// How long a thread may wait for others within a piece of work.
  Spinning spinning() const { return Spinning(spin_ns_); }

 private:
  /// An order is one cache line that the caller writes and the thread reads: one way between them.
  /// What the thread says of it is another. `begun` is for both, but the caller only looks at it if
  /// the thread seems not to have started.
  struct Worker {
    alignas(64) std::atomic<std::uint32_t> asked{0};
    Call call{};
    alignas(64) std::atomic<std::uint32_t> begun{0};
    alignas(64) std::atomic<std::uint32_t> started{0};
    std::atomic<std::uint32_t> done{0};
    alignas(64) std::jthread thread;
  };
  void serve(Worker& worker, int number);
  static bool begin(Worker& worker, std::uint32_t piece);
  void stop();

  std::int64_t spin_ns_;
  Waiter waiter_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace procgraph
