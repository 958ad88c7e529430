#include "synapses/rule_function.hpp"

#include <cstring>

#include "kernels/chunk.hpp"

namespace procgraph {

RuleFunction::RuleFunction(const RuleFunctionSpec& from, const Node& node, KernelRegistry& kernels)
    : kernel_(kernels.find(from.kernel, from.hash)),
      sources_(from.inputs),
      variables_(from.states.begin(), from.states.end()),
      input_values_(from.inputs.size(), std::vector<float>(kChunk)),
      gathered_(from.states.size(), std::vector<float>(kChunk)),
      variable_pointers_(from.states.size()),
      scales_(from.inputs.size(), 1.0f) {
  for (const auto& column : from.columns) {
    const NamedTensor& values = node.columns[static_cast<std::size_t>(column)];
    std::int32_t bits = 0;
    std::memcpy(&bits, values.values->data, sizeof bits);
    columns_.emplace_back(kChunk, bits);
    layout_.columns.push_back(values.dtype);
  }
  for (const auto& column : columns_) column_pointers_.push_back(column.data());
  for (const auto& input : input_values_) input_pointers_.push_back(input.data());
  layout_.states.assign(variables_.size(), DType::float32);
  layout_.inputs.assign(sources_.size(), DType::float32);
  check_layout(kernel_, node.name, layout_);
}

void RuleFunction::call(std::size_t n) {
  const pg_kernel_args args{static_cast<std::int64_t>(n),
                            1,
                            column_pointers_.data(),
                            variable_pointers_.data(),
                            input_pointers_.data(),
                            scales_.data(),
                            nullptr,
                            nullptr};
  if (kernel_.fn != nullptr) {
    kernel_.fn(&args);
  } else {
    (*kernel_.callback)(args, layout_);
  }
}

}  // namespace procgraph
