#pragma once

#include <cstdint>
#include <vector>

namespace procgraph {

/// What the modulator of a plastic node was in the steps that some synapse has yet to learn from.
class ModulatorHistory {
 public:
  /// `count` values in a step: one, or one for each target.
  explicit ModulatorHistory(std::size_t count) : count_(count) {}

  /// The next step is `now`, and no synapse looks before it.
  void restart(std::int64_t now) {
    begin_ = now;
    values_.clear();
  }
  void push(const float* values) { values_.insert(values_.end(), values, values + count_); }
  /// True when it is time to restart, so that memory stays bounded.
  bool full() const { return values_.size() >= kRoom; }
  float at(std::int64_t step, std::size_t target) const {
    const std::size_t row = static_cast<std::size_t>(step - begin_) * count_;
    return values_[row + (count_ == 1 ? 0 : target)];
  }

 private:
  static constexpr std::size_t kRoom = std::size_t{1} << 20;
  std::size_t count_;
  std::int64_t begin_ = 0;
  std::vector<float> values_;
};

}  // namespace procgraph
