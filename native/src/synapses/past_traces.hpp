#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace procgraph {

/// Traces of the targets of a plastic node in the last `slots` steps, for synapses that see them
/// late.
class PastTraces {
 public:
  /// Without any: keeps nothing.
  PastTraces() = default;
  PastTraces(std::size_t traces, std::size_t targets, std::int64_t slots)
      : targets_(targets), slots_(slots), rows_(traces) {}

  /// Keeps those of a trace from now on.
  void add(std::size_t trace) { rows_[trace].resize(static_cast<std::size_t>(slots_) * targets_); }
  /// All were 0.
  void clear() {
    for (auto& rows : rows_) std::fill(rows.begin(), rows.end(), 0.0f);
  }
  bool keeps(std::size_t trace) const { return trace < rows_.size() && !rows_[trace].empty(); }
  std::size_t count() const { return rows_.size(); }

  /// Of a trace that is kept: all values, and where those of a step begin.
  const float* data(std::size_t trace) const { return rows_[trace].data(); }
  float* row(std::size_t trace, std::int64_t step) {
    return rows_[trace].data() + static_cast<std::size_t>(step % slots_) * targets_;
  }

 private:
  std::size_t targets_ = 0;
  std::int64_t slots_ = 1;
  std::vector<std::vector<float>> rows_;  // by trace; empty if it is not kept
};

}  // namespace procgraph
