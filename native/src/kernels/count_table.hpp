#pragma once

#include <cstdint>
#include <vector>

#include "kernels/hot_loops.hpp"

namespace procgraph {

/// Thresholds (ascending, -1 ... 2^31 - 1) that draws are held against; empty where nothing is
/// counted.
class Thresholds {
 public:
  Thresholds() = default;
  explicit Thresholds(std::vector<std::int32_t> thresholds);

  bool empty() const { return thresholds_.empty(); }
  std::size_t size() const { return thresholds_.size(); }
  /// Valid while these thresholds live and are not assigned to.
  CountTable table() const;

 private:
  std::vector<std::int32_t> thresholds_;
  std::vector<std::uint16_t> sure_;
  std::vector<std::uint16_t> open_;
};

}  // namespace procgraph
