#pragma once

#include <cstdint>
#include <string>
#include <utility>
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

  /// A float32 variable that its node keeps in an order of its own; `n` values of one lane.
  Recorder(const RuntimeNode& node, std::string variable, std::size_t n, std::int64_t every)
      : node_(&node), variable_(std::move(variable)), n_(n), lanes_(node.lanes()), every_(every) {}

  void sample(std::int64_t step);
  /// Steps from `step` on that may be run before the first of them has to be sampled.
  std::int64_t patience(std::int64_t step) const;
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
  std::string variable_;
  std::size_t n_ = 0;
  std::size_t lanes_ = 1;
  std::int64_t every_;
  std::vector<std::int64_t> steps_;
  std::vector<std::int32_t> lane_;
  std::vector<std::int32_t> index_;
  std::vector<std::int32_t> payload_;
  std::vector<std::byte> samples_;
};

}  // namespace procgraph
