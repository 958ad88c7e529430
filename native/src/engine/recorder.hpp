#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/runtime_node.hpp"
#include "procgraph/engine.hpp"

namespace procgraph {

/// What is recorded: of which steps, and which values of each lane; all if none are named.
struct Sampling {
  std::int64_t every;
  std::vector<std::int64_t> elements;
};

/// Collects what one output or state holds at the end of steps.
class Recorder {
 public:
  Recorder(Output& output, Sampling sampling)
      : Recorder(std::move(sampling), output.n(), output.lanes()) {
    output_ = &output;
  }
  Recorder(const RuntimeNode& node, StateColumn& state, Sampling sampling)
      : Recorder(std::move(sampling), state.n, node.lanes()) {
    node_ = &node;
    state_ = &state;
  }
  /// A float32 variable that its node keeps in an order of its own; `n` values of one lane.
  Recorder(const RuntimeNode& node, std::string variable, std::size_t n, Sampling sampling)
      : Recorder(std::move(sampling), n, node.lanes()) {
    node_ = &node;
    variable_ = std::move(variable);
  }

  void sample(std::int64_t step);
  /// Steps from `step` on that may be run before the first of them has to be sampled.
  std::int64_t patience(std::int64_t step) const;
  Recording collect() const;
  void clear();

 private:
  Recorder(Sampling sampling, std::size_t n, std::size_t lanes)
      : sampling_(std::move(sampling)), n_(n), lanes_(lanes) {}

  std::size_t width() const { return sampling_.elements.empty() ? n_ : sampling_.elements.size(); }
  DType dtype() const;
  std::byte* more();
  void sample_state();
  void sample_events(std::int64_t step);
  void sample_values(const std::byte* data);
  Recording collect_events() const;
  Recording collect_samples() const;

  Output* output_ = nullptr;
  const RuntimeNode* node_ = nullptr;
  StateColumn* state_ = nullptr;
  std::string variable_;
  Sampling sampling_;
  std::size_t n_;  // values of one lane
  std::size_t lanes_;
  std::vector<std::int64_t> steps_;
  std::vector<std::int32_t> lane_;
  std::vector<std::int32_t> index_;
  std::vector<std::int32_t> payload_;
  std::vector<std::byte> samples_;
};

}  // namespace procgraph
