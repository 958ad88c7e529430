#include "engine/thread_pool.hpp"

#include <algorithm>
#include <exception>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace procgraph {
namespace {

// Longer than threads usually wait for each other within a step.
constexpr std::int64_t kShortestSpinNs = 25'000;
// Longer than a thread usually takes to come for its next piece.
constexpr std::int64_t kPatienceNs = 5'000;
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
  return processors == 0 || threads <= processors ? ThreadPool::kSpinNs : 0;
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

// All is sequentially consistent: with less, a processor may look for sleepers before its store is
// visible to the one that is just falling asleep.
void Progress::set(std::uint32_t number) {
  value_.store(number);
  wake();
}

void Progress::add(std::uint32_t more) {
  value_.fetch_add(more);
  wake();
}

void Progress::wake() {
  if (sleepers_.load() != 0) value_.notify_all();
}

void Progress::sleep_until(std::uint32_t number) {
  sleepers_.fetch_add(1);
  for (std::uint32_t seen = value_.load(); !is_reached(seen, number); seen = value_.load()) {
    value_.wait(seen);
  }
  sleepers_.fetch_sub(1);
}

bool Waiter::spin(const Progress& progress, std::uint32_t number, std::int64_t longest_ns) {
  if (progress.reached(number)) return true;
  if (longest_ns == 0) return false;
  Spinning spinning(longest_ns);
  do {
    if (progress.reached(number)) return true;
  } while (spinning.again());
  return false;
}

void Waiter::wait(Progress& progress, std::uint32_t number) {
  if (progress.reached(number)) return;
  if (spin_ns_ > 0) {
    if (spin(progress, number, spin_ns_)) {
      spin_ns_ = std::min(2 * spin_ns_, longest_ns_);
      return;
    }
    spin_ns_ = std::max(spin_ns_ / 2, kShortestSpinNs);
  }
  // Not yielding: on a busy machine that costs a turn, and a sleeper is let in as soon as it wakes.
  progress.sleep_until(number);
}

ThreadPool::ThreadPool(int threads, std::uint32_t first_round)
    : spin_ns_(spin_time(threads)), waiter_(spin_ns_), last_round_(first_round - 1) {
  for (int number = 0; number < threads; ++number) {
    shares_.push_back(std::make_unique<Share>(last_round_));
  }
  try {
    for (int number = 1; number < threads; ++number) {
      shares_[static_cast<std::size_t>(number)]->thread =
          std::jthread([this, number, last = last_round_] { serve(number, last); });
    }
  } catch (const std::exception&) {
    // The system has no more threads: the caller comes for the shares of those that are missing.
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  stopping_.store(true);
  for (auto& share : shares_) share->ordered.set(last_round_ + 1);
  for (auto& share : shares_) {
    if (share->thread.joinable()) share->thread.join();
  }
}

void ThreadPool::run(Rounds& rounds, std::uint32_t count) {
  if (count == 0) return;
  const std::uint32_t first = last_round_ + 1;
  last_round_ += count;
  for (auto& share : shares_) {
    share->rounds = &rounds;
    if (share != shares_.front()) share->ordered.set(last_round_);
  }
  Share& own = *shares_.front();
  for (std::uint32_t round = first;; ++round) {
    rounds.main(round, 0);
    const bool last = round == last_round_;
    const bool alone = !last && rounds.alone_before(round + 1);
    if (!alone) own.done.set(2 * round);
    rounds.tail(round, 0);
    gather(round);
    if (last) break;
    if (!alone) continue;
    rounds.alone(round + 1);
    own.done.set(2 * round);
  }
  for (int number = 1; number < threads(); ++number) finish(number, 2 * last_round_ + 1);
}

void ThreadPool::gather(std::uint32_t round) {
  for (int number = 1; number < threads(); ++number) finish(number, 2 * round);
}

/// Returns when a piece of another thread is done. Does it, and those before, if nobody comes to.
void ThreadPool::finish(int number, std::uint32_t piece) {
  Share& share = *shares_[static_cast<std::size_t>(number)];
  while (!Waiter::spin(progress(share, piece), piece, share.absent ? 0 : kPatienceNs)) {
    const std::uint32_t at = share.claimed.load(std::memory_order_acquire);
    const std::uint32_t begun = Progress::is_reached(at, piece) ? piece : at;
    if (!progress(share, begun).reached(begun)) {
      share.absent = false;
      waiter_.wait(progress(share, begun), begun);
    } else if (begun != piece && claim(share, at + 1)) {
      share.absent = true;
      perform(number, at + 1);
    }
  }
}

bool ThreadPool::is_active(int number) const {
  const Share& share = *shares_[static_cast<std::size_t>(number)];
  const std::uint32_t at = share.claimed.load(std::memory_order_relaxed);
  return !progress(share, at).reached(at);
}

bool ThreadPool::is_done(int share, std::uint32_t round) const {
  return shares_[static_cast<std::size_t>(share)]->done.reached(2 * round);
}

/// True for the first who asks for this piece.
bool ThreadPool::claim(Share& share, std::uint32_t piece) {
  std::uint32_t before = piece - 1;
  return share.claimed.compare_exchange_strong(before, piece, std::memory_order_acq_rel);
}

void ThreadPool::perform(int number, std::uint32_t piece) {
  Share& share = *shares_[static_cast<std::size_t>(number)];
  if (is_main(piece)) {
    share.rounds->main(piece / 2, number);
  } else {
    share.rounds->tail(piece / 2, number);
  }
  progress(share, piece).set(piece);
}

void ThreadPool::serve(int number, std::uint32_t last) {
  Share& share = *shares_[static_cast<std::size_t>(number)];
  Waiter waiter(spin_ns_);
  while (true) {
    waiter.wait(share.ordered, last + 1);
    if (stopping_.load()) return;
    last = share.ordered.now();
    while (do_next(number, last, waiter)) {
    }
  }
}

/// Does the next piece of a thread's own share; false if there is none up to the round `last`.
bool ThreadPool::do_next(int number, std::uint32_t last, Waiter& waiter) {
  Share& share = *shares_[static_cast<std::size_t>(number)];
  const std::uint32_t at = share.claimed.load(std::memory_order_acquire);
  if (Progress::is_reached(at, 2 * last + 1)) return false;
  const std::uint32_t next = at + 1;
  if (!progress(share, at).reached(at)) {
    waiter.wait(progress(share, at), at);  // the caller is at it
  } else if (is_main(next)) {
    for (const auto& other : shares_) {
      if (other.get() != &share) waiter.wait(other->done, next - 2);
    }
  }
  if (claim(share, next)) perform(number, next);
  return true;
}

}  // namespace procgraph
