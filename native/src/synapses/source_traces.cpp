#include "synapses/source_traces.hpp"

#include <algorithm>
#include <cmath>

namespace procgraph {
namespace {

constexpr std::size_t kLine = 16;

}  // namespace

SourceTraces::SourceTraces(const PlasticAttrs& attrs, const HotLoops& loops)
    : attrs_(attrs), loops_(loops), anchors_(static_cast<std::size_t>(attrs.n_pre)) {
  for (const TraceSpec& spec : attrs.traces) traces_.push_back({&spec, {}, {}, {}});
}

void SourceTraces::reset() {
  for (Values& trace : traces_) {
    if (!own(trace)) continue;
    trace.before.assign(anchors_.size(), 0.0f);
    trace.after.assign(anchors_.size(), 0.0f);
  }
  seek(0);
}

void SourceTraces::seek(std::int64_t now) {
  anchors_.assign(anchors_.size(), now - 1);
}

void SourceTraces::follow(std::span<const std::int32_t> sources, std::int64_t step) {
  group_ = sources;
  std::int64_t longest = 0;
  for (const std::int32_t s : sources) {
    longest = std::max(longest, step - anchors_[static_cast<std::size_t>(s)]);
  }
  const auto count = static_cast<std::size_t>(longest) + 1;
  stride_ = std::max(stride_, (count + kLine - 1) / kLine * kLine);
  for (Values& trace : traces_) {
    if (!own(trace)) continue;
    trace.history.resize(kGroup * stride_);
    if (trace.spec->mode == TraceSpec::Mode::flag) {
      follow_flag(trace, count);
    } else {
      float values[kGroup]{};
      for (std::size_t i = 0; i < sources.size(); ++i) {
        values[i] = trace.after[static_cast<std::size_t>(sources[i])];
      }
      loops_.decay_rows(values, count, trace.spec->decay, trace.history.data(), stride_);
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
      trace.history[i * stride_] = trace.before[static_cast<std::size_t>(sources[i])];
    }
  }
}

/// Epochs end in between.
void SourceTraces::follow_flag(Values& trace, std::size_t count) {
  for (std::size_t i = 0; i < group_.size(); ++i) {
    const auto source = static_cast<std::size_t>(group_[i]);
    float value = trace.after[source];
    for (std::size_t age = 1; age < count; ++age) {
      const std::int64_t step = anchors_[source] + static_cast<std::int64_t>(age);
      value = past_epoch(value, step - 1) * trace.spec->decay;
      if (std::fabs(value) < 0x1p-126F) value = 0;
      trace.history[i * stride_ + age] = value;
    }
  }
}

float SourceTraces::arriving(std::size_t trace, std::size_t place, std::int64_t step) const {
  const auto age = static_cast<std::size_t>(step - anchor(static_cast<std::size_t>(group_[place])));
  return history(trace, place)[age];
}

float SourceTraces::ended(std::size_t trace, std::size_t place, std::int64_t step) const {
  const auto source = static_cast<std::size_t>(group_[place]);
  return anchors_[source] == step ? traces_[trace].after[source] : arriving(trace, place, step);
}

void SourceTraces::join(std::size_t place, std::int64_t step, std::int32_t payload) {
  const auto source = static_cast<std::size_t>(group_[place]);
  for (std::size_t t = 0; t < traces_.size(); ++t) {
    if (!own(traces_[t])) continue;
    const float value = arriving(t, place, step);
    const bool adds = traces_[t].spec->mode == TraceSpec::Mode::add;
    traces_[t].before[source] = value;
    traces_[t].after[source] = adds ? value + static_cast<float>(payload) : 1.0f;
  }
  anchors_[source] = step;
}

void SourceTraces::rest(std::size_t place, std::int64_t step) {
  const auto source = static_cast<std::size_t>(group_[place]);
  for (std::size_t t = 0; t < traces_.size(); ++t) {
    if (!own(traces_[t])) continue;
    const float value = ended(t, place, step);
    if (anchors_[source] != step) traces_[t].before[source] = value;
    traces_[t].after[source] = value;
  }
  anchors_[source] = step;
}

void SourceTraces::end(std::int64_t step) {
  for (Values& trace : traces_) {
    if (!own(trace) || trace.spec->mode != TraceSpec::Mode::flag) continue;
    for (float& value : trace.after) value = past_epoch(value, step);
  }
}

}  // namespace procgraph
