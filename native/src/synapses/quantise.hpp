#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace procgraph {

/// Weights as fixed-point numbers: rint(weight * 2^scale), ties to even.
class Quantiser {
 public:
  explicit Quantiser(std::int32_t scale) : factor_(std::ldexp(1.0, scale)) {}

  /// Limits what does not fit: such a weight belongs to no synapse, or to one without input.
  std::int32_t operator()(float weight) const {
    // Adding and taking away 1.5 * 2^52 rounds to the nearest integer, ties to even.
    constexpr double kRound = 6755399441055744.0;
    constexpr double kLargest = 2147483647.0;
    const double x = std::clamp(static_cast<double>(weight) * factor_, -kLargest, kLargest);
    return static_cast<std::int32_t>((x + kRound) - kRound);
  }

 private:
  double factor_;
};

}  // namespace procgraph
