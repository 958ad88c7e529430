#include "kernels/count_table.hpp"

#include <algorithm>
#include <utility>

namespace procgraph {
namespace {

/// Thresholds that fewer than one draw in 2048 exceeds are not worth a comparison with every draw.
constexpr std::int64_t kRare = (std::int64_t{1} << 31) - (std::int64_t{1} << 20);
constexpr std::int64_t kHalves = 1 << 16;

/// The least draw that exceeds a threshold.
std::int64_t least_above(std::int32_t threshold) {
  return std::int64_t{threshold} + 1;
}

}  // namespace

Thresholds::Thresholds(std::vector<std::int32_t> thresholds) : thresholds_(std::move(thresholds)) {
  for (const std::int32_t threshold : thresholds_) {
    const std::int64_t least = least_above(threshold);
    open_.push_back(static_cast<std::uint16_t>(std::min(least >> 15, kHalves - 1)));
    if (least > kRare) break;
    sure_.push_back(static_cast<std::uint16_t>((least + 0x7FFF) >> 15));
  }
  if (sure_.size() == thresholds_.size()) open_.push_back(kHalves - 1);
}

CountTable Thresholds::table() const {
  return {thresholds_.data(), thresholds_.size(), sure_.size(), sure_.data(), open_.data()};
}

}  // namespace procgraph
