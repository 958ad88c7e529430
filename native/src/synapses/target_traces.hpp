#pragma once

#include <vector>

#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"
#include "synapses/arrivals.hpp"

namespace procgraph {

/// The traces of the targets of a plastic node, as they are in each step.
class TargetTraces {
 public:
  TargetTraces(const PlasticAttrs& attrs, const HotLoops& loops)
      : attrs_(attrs), loops_(loops), values_(attrs.traces.size()) {}

  /// All are 0.
  void reset();
  void decay();
  void join(const Arrivals& events);
  /// As that for other values of one trace.
  void join(std::size_t trace, const Arrivals& events, float* values) const;
  void end_epoch();

  /// Of one trace, by target; empty for those of the sources.
  std::vector<float>& values(std::size_t trace) { return values_[trace]; }

 private:
  const PlasticAttrs& attrs_;
  const HotLoops& loops_;
  std::vector<std::vector<float>> values_;
};

}  // namespace procgraph
