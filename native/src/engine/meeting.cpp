#include "engine/meeting.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

#include "engine/thread_pool.hpp"

namespace procgraph {
namespace {

constexpr std::uint32_t kRounds = 256;
constexpr std::size_t kTries = 9;
constexpr double kPresent = 0.9;  // of the rounds, in a try that counts
constexpr std::chrono::milliseconds kWaking{1};

/// Counts who comes himself: the caller does what others do not come for.
class Attendance final : public Rounds {
 public:
  explicit Attendance(int threads) : present_(static_cast<std::size_t>(threads)) {}

  void main(std::uint32_t, int share) override {
    if (share == 0 || std::this_thread::get_id() == caller_) return;
    present_[static_cast<std::size_t>(share)].rounds.fetch_add(1, std::memory_order_relaxed);
  }
  void tail(std::uint32_t, int) override {}
  bool alone_before(std::uint32_t) const override { return false; }
  void alone(std::uint32_t) override {}

  /// Whether they all came to nearly all of the rounds since this was last asked.
  bool all() {
    bool out = true;
    for (std::size_t share = 1; share < present_.size(); ++share) {
      out &= present_[share].rounds.exchange(0) >= kPresent * kRounds;
    }
    return out;
  }

 private:
  struct Count {
    alignas(64) std::atomic<std::uint32_t> rounds{0};
  };
  std::thread::id caller_ = std::this_thread::get_id();
  std::vector<Count> present_;  // by share
};

}  // namespace

double Meeting::nanoseconds() {
  if (measured_) return *measured_;
  using Clock = std::chrono::steady_clock;
  ThreadPool pool(threads_);
  if (pool.spin_ns() == 0) {  // each meeting would be a call of the system
    measured_ = std::numeric_limits<double>::infinity();
    return *measured_;
  }
  Attendance attendance(threads_);
  const auto awake = Clock::now() + kWaking;
  do {  // how long they take to wake is not what is asked for
    pool.run(attendance, kRounds);
  } while (!attendance.all() && Clock::now() < awake);
  std::array<double, kTries> tries;
  for (double& ns : tries) {
    const auto begin = Clock::now();
    pool.run(attendance, kRounds);
    const std::chrono::duration<double, std::nano> taken = Clock::now() - begin;
    ns = attendance.all() ? taken.count() / kRounds : std::numeric_limits<double>::infinity();
  }
  std::nth_element(tries.begin(), tries.begin() + kTries / 2, tries.end());
  measured_ = tries[kTries / 2];
  return *measured_;
}

}  // namespace procgraph
