#pragma once

#include <optional>

namespace procgraph {

/// What it takes so many threads to meet.
class Meeting {
 public:
  explicit Meeting(int threads) : threads_(threads) {}

  int threads() const { return threads_; }
  /// Nanoseconds of a round of a thread pool in which nobody has anything to do, measured when it
  /// is first asked for; infinite where threads do not come, because others have the processors.
  double nanoseconds();

 private:
  int threads_;
  std::optional<double> measured_;
};

}  // namespace procgraph
