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

/// A number that only grows, and wraps around.
class Progress {
 public:
  explicit Progress(std::uint32_t first) : value_(first) {}
  std::uint32_t now() const { return value_.load(std::memory_order_acquire); }
  bool reached(std::uint32_t number) const { return is_reached(now(), number); }
  void set(std::uint32_t number);
  void add(std::uint32_t more);
  static bool is_reached(std::uint32_t now, std::uint32_t number) {
    return static_cast<std::int32_t>(now - number) >= 0;
  }
  void sleep_until(std::uint32_t number);

 private:
  void wake();

  std::atomic<std::uint32_t> value_;
  // The standard library counts sleepers as well, but for many atomic numbers of the process
  // together: a thread asleep anywhere would make each of them call the system.
  std::atomic<std::uint32_t> sleepers_{0};
};

/// Waits for progress: spins for a while, then sleeps. The time spent spinning halves whenever it
/// was in vain, so that a busy machine loses little to it.
class Waiter {
 public:
  explicit Waiter(std::int64_t longest_ns) : longest_ns_(longest_ns), spin_ns_(longest_ns) {}
  void wait(Progress& progress, std::uint32_t number);
  /// False if the time is over before.
  static bool spin(const Progress& progress, std::uint32_t number, std::int64_t longest_ns);

 private:
  std::int64_t longest_ns_;
  std::int64_t spin_ns_;
};

/// Work that threads do together in rounds. In each, every thread has a share. `main` may use what
/// all threads have done in `main` of the rounds before; `tail`, which follows it, needs no more
/// than its own share and helps others with theirs. Neither may throw. Rounds are numbered modulo
/// ThreadPool::kRounds.
class Rounds {
 public:
  virtual ~Rounds() = default;
  virtual void main(std::uint32_t round, int share) = 0;
  virtual void tail(std::uint32_t round, int share) = 0;
  /// What the caller does before a round, but for the first, while nobody does anything else.
  virtual bool alone_before(std::uint32_t round) const = 0;
  virtual void alone(std::uint32_t round) = 0;
};

/// Threads that go through rounds. They sleep soon after the last one and are gone when the pool
/// is.
///
/// Whoever does a piece of a share, the main work of a round or its tail, first claims it. That is
/// the thread that the share belongs to, unless it does not come because another program has its
/// processor or the system had no more threads: then the caller, whose own share is the first, does
/// it instead.
class ThreadPool {
 public:
  static constexpr std::uint32_t kRounds = std::uint32_t{1} << 31;
  /// How long threads stay awake between runs: longer than a small serial level, shorter than a
  /// time slice.
  static constexpr std::int64_t kSpinNs = 50'000;

  explicit ThreadPool(int threads, std::uint32_t first_round = 1);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(shares_.size()); }
  /// The number of the first round of the next run.
  std::uint32_t next_round() const { return last_round_ + 1; }
  /// Does so many rounds and returns when all is done.
  void run(Rounds& rounds, std::uint32_t count);

  // Within a piece of work:
  /// False if nobody is at work on a share just now.
  bool is_active(int share) const;
  /// Whether the main work of a share is done.
  bool is_done(int share, std::uint32_t round) const;
  /// How long a thread may wait for others.
  std::int64_t spin_ns() const { return spin_ns_; }

 private:
  // Pieces are numbered: 2 * round is its main work, 2 * round + 1 its tail. Each number below is
  // alone on its line: the thread claims without asking others, and the number that others wait
  // for is not written between rounds.
  struct Share {
    explicit Share(std::uint32_t round)
        : ordered(round), claimed(2 * round + 1), done(2 * round), left(2 * round + 1) {}

    alignas(64) Progress ordered;  // the last round that may be done
    Rounds* rounds = nullptr;      // of the order: may be read while a piece is claimed
    alignas(64) std::atomic<std::uint32_t> claimed;
    alignas(64) Progress done;        // the last main work
    alignas(64) Progress left;        // the last tail
    alignas(64) bool absent = false;  // did not come for its last piece
    std::jthread thread;              // none for the caller
  };

  void serve(int number, std::uint32_t last);
  bool do_next(int number, std::uint32_t last, Waiter& waiter);
  static bool claim(Share& share, std::uint32_t piece);
  void perform(int number, std::uint32_t piece);
  static bool is_main(std::uint32_t piece) { return piece % 2 == 0; }
  template <class S>
  static auto& progress(S& share, std::uint32_t piece) {
    return is_main(piece) ? share.done : share.left;
  }
  void finish(int number, std::uint32_t piece);
  void gather(std::uint32_t round);
  void stop();

  std::int64_t spin_ns_;
  Waiter waiter_;
  std::uint32_t last_round_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Share>> shares_;
};

}  // namespace procgraph
