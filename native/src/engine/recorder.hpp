#pragma once

#include <cstdint>
#include <vector>

#include "engine/runtime_node.hpp"
#include "procgraph/engine.hpp"

namespace procgraph {

/// Collects what one output or state holds at the end of steps.
class Recorder {
 public:
  Recorder(Output& output, std::int64_t every) : output_(&output), every_(every) {}
  Recorder(const RuntimeNode& node, const StateColumn& state, std::int64_t every)
      : node_(&node), state_(&state), every_(every) {}

  void sample(std::int64_t step);
  Recording collect() const;
  void clear();

 private:
  void sample_events(std::int64_t step);
  void sample_values(const std::byte* data, std::size_t size);
  Recording collect_events() const;
  Recording collect_samples() const;

  Output* output_ = nullptr;
  const RuntimeNode* node_ = nullptr;
  const StateColumn* state_ = nullptr;
  std::int64_t every_;
  std::vector<std::int64_t> steps_;
  std::vector<std::int32_t> lane_;
  std::vector<std::int32_t> index_;
  std::vector<std::int32_t> payload_;
  std::vector<std::byte> samples_;
};

}  // namespace procgraph
