#pragma once

#include <chrono>

#include "engine/thread_pool.hpp"

namespace procgraph {

/// Decides when threads are woken: not for a run that they would shorten by less than that takes.
/// Times in nanoseconds.
class Waking {
 public:
  explicit Waking(double cost) : cost_(cost) {}

  /// Before a run: whether threads are to take part, which would save `saved` in it and in what is
  /// to follow at once.
  bool worth(double saved) {
    if (saved >= cost_) return true;
    if (Clock::now() - end_ > kAwake) {
      awake_ = false;
      missed_ = 0;
    }
    return awake_ || saved + missed_ >= cost_;
  }
  /// After it; `saved`: what was or would have been saved.
  void done(bool took_part, double saved) {
    end_ = Clock::now();
    awake_ = took_part;
    missed_ = took_part ? 0 : missed_ + saved;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::nanoseconds kAwake{ThreadPool::kSpinNs};

  double cost_;
  double missed_ = 0;  // in runs since the last pause
  bool awake_ = false;
  Clock::time_point end_{};
};

}  // namespace procgraph
