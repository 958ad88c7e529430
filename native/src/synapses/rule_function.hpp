#pragma once

#include <cstdint>
#include <vector>

#include "procgraph/kernels.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// A function of a plasticity rule, with the buffers that its arguments point to.
class RuleFunction {
 public:
  RuleFunction(const RuleFunctionSpec& from, const Node& node, KernelRegistry& kernels);

  /// Trace number of each input, -1 for the modulator.
  const std::vector<std::int32_t>& inputs() const { return sources_; }
  /// Numbers of the variables that it changes, 0 for the weight.
  const std::vector<std::size_t>& variables() const { return variables_; }
  /// Values of an input for up to kChunk synapses, to be filled in before a call.
  float* input(std::size_t i) { return input_values_[i].data(); }
  /// Room for values of a variable that do not lie one after the other.
  float* gathered(std::size_t v) { return gathered_[v].data(); }
  /// Says where the values of a variable are.
  void set_variable(std::size_t v, float* values) { variable_pointers_[v] = values; }
  void call(std::size_t n);
  /// A function in the host language, for the thread of the caller only.
  bool hosted() const { return kernel_.fn == nullptr; }

 private:
  Kernel kernel_;
  KernelLayout layout_;
  std::vector<std::int32_t> sources_;
  std::vector<std::size_t> variables_;
  std::vector<std::vector<std::int32_t>> columns_;  // bits, repeated for a whole chunk
  std::vector<std::vector<float>> input_values_;
  std::vector<std::vector<float>> gathered_;
  std::vector<const void*> column_pointers_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> variable_pointers_;
  std::vector<float> scales_;
};

}  // namespace procgraph
