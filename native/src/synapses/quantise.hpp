#pragma once

#include <cmath>
#include <cstdint>

namespace procgraph {

/// Weights as fixed-point numbers: rint(weight * 2^scale), ties to even.
class Quantiser {
 public:
  explicit Quantiser(std::int32_t scale) : factor_(std::ldexp(1.0, scale)) {}

  /// False for NaN, too.
  bool fits(float weight) const {
    const double x = static_cast<double>(weight) * factor_;
    return x >= -kLargest && x <= kLargest;
  }
  /// Of a weight that fits.
  std::int32_t operator()(float weight) const {
    // Adding and taking away 1.5 * 2^52 rounds to the nearest integer, ties to even.
    constexpr double kRound = 6755399441055744.0;
    return static_cast<std::int32_t>((static_cast<double>(weight) * factor_ + kRound) - kRound);
  }
  double largest() const { return kLargest / factor_; }

 private:
  static constexpr double kLargest = 2147483647.0;
  double factor_;
};

}  // namespace procgraph
