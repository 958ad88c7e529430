// How threads share tasks and wait for each other.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include "check.hpp"
#include "engine/meeting.hpp"
#include "engine/task_range.hpp"
#include "engine/thread_pool.hpp"
#include "engine/waking.hpp"
#include "little_memory.hpp"

using namespace procgraph;

namespace {

/// Counts what is done of rounds, and looks at what must have been done before.
class CountedRounds final : public Rounds {
 public:
  CountedRounds(int threads, std::uint32_t first)
      : first_(first), main_(static_cast<std::size_t>(threads)), tail_(main_.size()) {}

  void main(std::uint32_t round, int share) override {
    const std::uint32_t n = number(round);
    for (auto& other : main_) wrong_ += other.load() != n && other.load() != n + 1;
    wrong_ += main_[at(share)]++ != n || tail_[at(share)] != n || alone_ != (n + 2) / 3;
  }
  void tail(std::uint32_t round, int share) override {
    const std::uint32_t n = number(round);
    wrong_ += main_[at(share)] != n + 1 || tail_[at(share)]++ != n;
  }
  bool alone_before(std::uint32_t round) const override { return number(round) % 3 == 1; }
  void alone(std::uint32_t round) override {
    for (auto& other : main_) wrong_ += other.load() != number(round);
    ++alone_;
  }

  int wrong() const { return wrong_; }
  bool all(std::uint32_t rounds) const {
    const auto done = [&](const auto& count) { return count == rounds; };
    return std::all_of(main_.begin(), main_.end(), done) &&
           std::all_of(tail_.begin(), tail_.end(), done);
  }

 private:
  static std::size_t at(int share) { return static_cast<std::size_t>(share); }
  std::uint32_t number(std::uint32_t round) const { return (round - first_) % ThreadPool::kRounds; }

  std::uint32_t first_;
  std::vector<std::atomic<std::uint32_t>> main_;
  std::vector<std::atomic<std::uint32_t>> tail_;
  std::atomic<std::uint32_t> alone_{0};
  std::atomic<int> wrong_{0};
};

}  // namespace

TEST(a_task_is_taken_once) {
  constexpr std::uint32_t kTasks = 20'000;
  constexpr std::uint32_t kRound = 65'536 + 3;
  TaskRange range;
  CHECK(!range.opened(kRound) && !range.take_first(kRound) && !range.take_last(kRound));
  range.open(kRound - 1, 7, kTasks);
  CHECK(range.opened(kRound - 1));
  CHECK(!range.opened(kRound) && !range.take_first(kRound) && !range.take_last(kRound));
  std::vector<std::atomic<int>> taken(kTasks);
  {
    std::vector<std::jthread> helpers;
    for (int t = 0; t < 3; ++t) {
      helpers.emplace_back([&] {
        while (!range.opened(kRound)) std::this_thread::yield();
        while (const auto task = range.take_last(kRound)) ++taken[*task];
      });
    }
    range.open(kRound, 5, kTasks);
    std::uint32_t last = 0;
    while (const auto task = range.take_first(kRound)) {
      CHECK(*task > last);  // in order
      last = *task;
      ++taken[*task];
    }
  }
  CHECK(range.opened(kRound) && !range.take_first(kRound) && !range.take_last(kRound));
  for (std::uint32_t i = 0; i < kTasks; ++i) CHECK_EQUAL(taken[i].load(), i < 5 ? 0 : 1);
}

TEST(rounds_wait_for_those_before) {
  // The last begin before a number overflows: that of a piece, and that of a round.
  for (const std::uint32_t first : {1u, ThreadPool::kRounds - 5, UINT32_MAX - 5}) {
    for (const int threads : {2, 3, 4, 7}) {
      ThreadPool pool(threads, first);
      CountedRounds rounds(threads, first);
      std::uint32_t done = 0;
      for (const std::uint32_t count : {3, 12, 600}) {
        pool.run(rounds, count);
        done += count;
        CHECK(rounds.all(done));
      }
      CHECK_EQUAL(rounds.wrong(), 0);
    }
  }
}

TEST(rounds_are_done_where_threads_are_missing) {
  int incomplete = 0;
  for (int given = 0; given < 30; ++given) {
    std::optional<ThreadPool> pool;
    little_memory::give(given);
    try {
      pool.emplace(4);
    } catch (const std::bad_alloc&) {  // of what all threads have
    }
    const bool refused = little_memory::give_all();
    if (!pool) continue;
    incomplete += refused;
    CountedRounds rounds(4, 1);
    pool->run(rounds, 50);
    CHECK(rounds.all(50));
    CHECK_EQUAL(rounds.wrong(), 0);
  }
  CHECK(incomplete > 0);
}

TEST(what_meeting_takes_is_measured_once) {
  Meeting two(2);
  const double ns = two.nanoseconds();
  CHECK(ns > 10);
  CHECK(std::isinf(ns) || ns < 1e7);
  CHECK_EQUAL(two.nanoseconds(), ns);
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  if (processors > 0 && processors < 200) CHECK(std::isinf(Meeting(processors + 1).nanoseconds()));
}

TEST(threads_that_sleep_are_woken_for_enough) {
  const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
  Waking waking(1000);
  CHECK(!waking.worth(999));
  CHECK(waking.worth(1000));
  waking.done(true, 1000);
  pause();
  CHECK(!waking.worth(999));
  Waking never(1e18);
  CHECK(!never.worth(1e17));
  never.done(false, 1e18);
  pause();
  CHECK(!never.worth(1e17));  // what was missed before a pause does not count
  Waking close(1e18);
  bool woken = false;  // by what was missed in runs that follow each other closely
  for (int i = 0; i < 1000 && !woken; ++i) {
    close.done(false, 1e18);
    woken = close.worth(1);
  }
  CHECK(woken);
}

TEST(sleepers_elsewhere_cost_nothing) {
  ThreadPool other(2);
  CountedRounds rounds(2, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));  // its thread falls asleep
  Progress progress(0);
  for (std::uint32_t i = 1; i <= 100; ++i) progress.set(i);
  CHECK(progress.reached(100) && !progress.reached(101));
  std::jthread sleeper([&] { Waiter(0).wait(progress, 101); });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  progress.add(1);
  sleeper.join();
  other.run(rounds, 7);
  CHECK(rounds.all(7));
}
