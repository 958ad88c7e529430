#pragma once

#include "procgraph/program.hpp"
#include "random/rules.hpp"

namespace procgraph {

/// Weight and delay of single synapses of a sparse node, as the Program has them.
class SynapseValues {
 public:
  explicit SynapseValues(const SparseAttrs& attrs)
      : common_delay_(attrs.delays.common),
        weights_(data_of<float>(attrs.weights)),
        drawn_weights_(data_of<float>(attrs.weight_table)),
        delays_(data_of<std::int32_t>(attrs.delays.each)),
        drawn_delays_(data_of<std::int32_t>(attrs.delay_table)),
        one_weight_(attrs.weights->count == 1) {}

  float weight(const SynapseRun& run, std::size_t i) const {
    if (drawn_weights_ != nullptr) return drawn_weights_[run.words[i] >> 16];
    return weights_[one_weight_ ? 0 : static_cast<std::size_t>(run.first) + i];
  }
  std::int32_t delay(const SynapseRun& run, std::size_t i) const {
    if (drawn_delays_ != nullptr) return drawn_delays_[run.words[i] & 0xFFFF];
    return delays_ != nullptr ? delays_[static_cast<std::size_t>(run.first) + i] : common_delay_;
  }

 private:
  template <class T>
  static const T* data_of(const Tensor* tensor) {
    return tensor != nullptr ? tensor->as<T>().data() : nullptr;
  }

  std::int32_t common_delay_;
  const float* weights_;
  const float* drawn_weights_;
  const std::int32_t* delays_;
  const std::int32_t* drawn_delays_;
  bool one_weight_;
};

}  // namespace procgraph
