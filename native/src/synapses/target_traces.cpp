#include "synapses/target_traces.hpp"

#include <algorithm>

namespace procgraph {

void TargetTraces::reset() {
  for (std::size_t t = 0; t < values_.size(); ++t) {
    if (attrs_.traces[t].side == TraceSpec::Side::pre) continue;
    values_[t].assign(static_cast<std::size_t>(attrs_.n_post), 0.0f);
  }
}

void TargetTraces::decay() {
  for (std::size_t t = 0; t < values_.size(); ++t) {
    const float decay = attrs_.traces[t].decay;
    if (decay != 1.0f) loops_.decay(values_[t].data(), values_[t].size(), decay);
  }
}

void TargetTraces::join(const Arrivals& events) {
  for (std::size_t t = 0; t < values_.size(); ++t) {
    if (!values_[t].empty()) join(t, events, values_[t].data());
  }
}

void TargetTraces::join(std::size_t trace, const Arrivals& events, float* values) const {
  const bool adds = attrs_.traces[trace].mode == TraceSpec::Mode::add;
  for (std::size_t e = 0; e < events.elements.size(); ++e) {
    float& value = values[events.elements[e]];
    value = adds ? value + static_cast<float>(events.payloads[e]) : 1.0f;
  }
}

void TargetTraces::end_epoch() {
  for (std::size_t t = 0; t < values_.size(); ++t) {
    if (attrs_.traces[t].mode != TraceSpec::Mode::flag) continue;
    std::fill(values_[t].begin(), values_[t].end(), 0.0f);
  }
}

}  // namespace procgraph
