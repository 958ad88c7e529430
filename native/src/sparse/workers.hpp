#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace procgraph {

/// Threads for building, and whom to tell how far it is.
struct BuildOptions {
  int threads = 1;
  std::function<void(double)> progress;  ///< fraction done; called by the building thread only
};

/// Runs `work(i)` for all i < count on up to `threads` threads, this one included. `after` is
/// called by this thread after each of its items. The first exception is thrown again here.
inline void parallel_for(
    std::size_t count, int threads, const std::function<void(std::size_t)>& work,
    const std::function<void()>& after = [] {}) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto run = [&](bool first) {
    try {
      for (std::size_t i = next++; i < count; i = next++) {
        work(i);
        if (first) after();
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> others;
  const std::size_t wanted = std::min(count, static_cast<std::size_t>(std::max(threads, 1)));
  try {
    for (std::size_t t = 1; t < wanted; ++t) others.emplace_back(run, false);
  } catch (const std::exception&) {
    // The system has no more threads: those that there are do all of the work.
  }
  run(true);
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace procgraph
