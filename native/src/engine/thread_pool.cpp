#include "engine/thread_pool.hpp"

#include <algorithm>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace procgraph {
namespace {

// Longer than a small serial level, shorter than a time slice.
constexpr std::int64_t kSpinNs = 50'000;
// Longer than threads usually wait for each other within a step.
constexpr std::int64_t kShortestSpinNs = 25'000;
constexpr int kPausesPerLook = 8;

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  asm volatile("isb");
#endif
}

/// Spinning only delays whoever is waited for where there are more threads than processors.
std::int64_t spin_time(int threads) {
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  return processors == 0 || threads <= processors ? kSpinNs : 0;
}

}  // namespace

Spinning::Spinning(std::int64_t longest_ns)
    : end_(Clock::now() + std::chrono::nanoseconds(longest_ns)),
      until_look_(longest_ns > 0 ? kPausesPerLook : 1) {}

bool Spinning::again() {
  if (--until_look_ == 0) {
    if (Clock::now() >= end_) return false;
    until_look_ = kPausesPerLook;
  }
  pause();
  return true;
}

bool Waiter::spin(const std::atomic<std::uint32_t>& value, std::uint32_t old) const {
  Spinning spinning(spin_ns_);
  do {
    if (value.load(std::memory_order_acquire) != old) return true;
  } while (spinning.again());
  return false;
}

void Waiter::wait(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  if (value.load(std::memory_order_acquire) != old) return;
  if (spin_ns_ > 0) {
    if (spin(value, old)) {
      spin_ns_ = std::min(2 * spin_ns_, longest_ns_);
      return;
    }
    spin_ns_ = std::max(spin_ns_ / 2, kShortestSpinNs);
  }
  // Not yielding: on a busy machine that costs a turn, and a sleeper is let in as soon as it wakes.
  value.wait(old, std::memory_order_acquire);
}

ThreadPool::ThreadPool(int threads) : spin_ns_(spin_time(threads)), waiter_(spin_ns_) {
  try {
    for (int number = 1; number < threads; ++number) {
      Worker& worker = *workers_.emplace_back(std::make_unique<Worker>());
      worker.thread = std::jthread([this, &worker, number] { serve(worker, number); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  for (auto& worker : workers_) {
    worker->call.work = nullptr;
    worker->asked.store(worker->asked.load(std::memory_order_relaxed) + 1);
    worker->asked.notify_one();
  }
  workers_.clear();
}

// Both stores below are sequentially consistent: with less, a processor may look for sleepers
// before its store is visible to the one that is just falling asleep.
void ThreadPool::run(int active, const Call& call) {
  const auto helpers = static_cast<std::size_t>(active) - 1;
  for (std::size_t i = 0; i < helpers; ++i) {
    Worker& worker = *workers_[i];
    worker.call = call;
    worker.asked.store(worker.asked.load(std::memory_order_relaxed) + 1);
    worker.asked.notify_one();
  }
  call.work(call, 0);
  for (std::size_t i = 0; i < helpers; ++i) {
    Worker& worker = *workers_[i];
    const std::uint32_t piece = worker.asked.load(std::memory_order_relaxed);
    if (worker.started.load(std::memory_order_relaxed) != piece && begin(worker, piece)) {
      call.work(call, static_cast<int>(i) + 1);
      worker.done.store(piece, std::memory_order_relaxed);
    } else {
      waiter_.wait(worker.done, piece - 1);
    }
  }
}

bool ThreadPool::has_begun(int thread) const {
  if (thread == 0) return true;
  const Worker& worker = *workers_[static_cast<std::size_t>(thread) - 1];
  return worker.started.load(std::memory_order_relaxed) ==
         worker.asked.load(std::memory_order_relaxed);
}

/// True for the first who asks for this piece of work.
bool ThreadPool::begin(Worker& worker, std::uint32_t piece) {
  std::uint32_t last = piece - 1;
  return worker.begun.compare_exchange_strong(last, piece, std::memory_order_acq_rel);
}

void ThreadPool::serve(Worker& worker, int number) {
  Waiter waiter(spin_ns_);
  for (std::uint32_t piece = 0;;) {
    waiter.wait(worker.asked, piece);
    piece = worker.asked.load(std::memory_order_acquire);
    // The call may be read once its piece has begun, and not after it is done.
    if (!begin(worker, piece)) {
      waiter.missed();
      continue;
    }
    if (worker.call.work == nullptr) return;
    worker.started.store(piece, std::memory_order_relaxed);
    worker.call.work(worker.call, number);
    worker.done.store(piece);
    worker.done.notify_one();
  }
}

}  // namespace procgraph
