#include "synapses/source_traces.hpp"

#include <algorithm>
#include <cmath>

namespace procgraph {
namespace {

constexpr std::size_t kLine = 16;

}  // namespace

SourceTraces::SourceTraces(const PlasticAttrs& attrs)
    : attrs_(attrs), anchors_(static_cast<std::size_t>(attrs.n_pre)) {
  for (const TraceSpec& spec : attrs.traces) traces_.push_back({&spec, {}, {}});
}

void SourceTraces::reset() {
  for (std::size_t t = 0; t < count(); ++t) {
    if (!own(t)) continue;
    traces_[t].before.assign(anchors_.size(), 0.0f);
    traces_[t].after.assign(anchors_.size(), 0.0f);
  }
  seek(0);
}

void SourceTraces::seek(std::int64_t now) {
  anchors_.assign(anchors_.size(), now - 1);
}

void SourceTraces::end(std::int64_t step) {
  if (!ends_epoch(step)) return;
  for (std::size_t t = 0; t < count(); ++t) {
    if (!own(t) || spec(t).mode != TraceSpec::Mode::flag) continue;
    std::fill(traces_[t].after.begin(), traces_[t].after.end(), 0.0f);
  }
}

FollowedTraces::FollowedTraces(SourceTraces& traces, const HotLoops& loops)
    : traces_(traces), loops_(loops), histories_(traces.count()) {}

void FollowedTraces::follow(std::span<const std::int32_t> sources, std::int64_t step) {
  group_ = sources;
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    longest = std::max(longest, step - traces_.anchors()[source(i)]);
  }
  const auto count = static_cast<std::size_t>(longest) + 1;
  stride_ = std::max(stride_, (count + kLine - 1) / kLine * kLine);
  for (std::size_t t = 0; t < traces_.count(); ++t) {
    if (!traces_.own(t)) continue;
    histories_[t].resize(kGroup * stride_);
    if (traces_.spec(t).mode == TraceSpec::Mode::flag) {
      follow_flag(t, count);
    } else {
      float values[kGroup]{};
      for (std::size_t i = 0; i < sources.size(); ++i) values[i] = traces_.after(t)[source(i)];
      loops_.decay_rows(values, count, traces_.spec(t).decay, histories_[t].data(), stride_);
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
      histories_[t][i * stride_] = traces_.seen(t)[source(i)];
    }
  }
}

/// Epochs end in between.
void FollowedTraces::follow_flag(std::size_t trace, std::size_t count) {
  for (std::size_t i = 0; i < group_.size(); ++i) {
    float value = traces_.after(trace)[source(i)];
    for (std::size_t age = 1; age < count; ++age) {
      const std::int64_t step = traces_.anchors()[source(i)] + static_cast<std::int64_t>(age);
      value = traces_.past_epoch(value, step - 1) * traces_.spec(trace).decay;
      if (std::fabs(value) < 0x1p-126F) value = 0;
      histories_[trace][i * stride_ + age] = value;
    }
  }
}

float FollowedTraces::arriving(std::size_t trace, std::size_t place, std::int64_t step) const {
  const std::int64_t age = step - traces_.anchors()[source(place)];
  return history(trace, place)[static_cast<std::size_t>(age)];
}

float FollowedTraces::seen(std::size_t trace, std::size_t place, std::int64_t step,
                           std::int32_t payload) const {
  const float value = arriving(trace, place, step);
  return traces_.joins_first() ? traces_.joined(trace, value, payload) : value;
}

float FollowedTraces::ended(std::size_t trace, std::size_t place, std::int64_t step) const {
  const bool anchored = traces_.anchors()[source(place)] == step;
  return anchored ? traces_.after(trace)[source(place)] : arriving(trace, place, step);
}

void FollowedTraces::join(std::size_t place, std::int64_t step, std::int32_t payload) {
  for (std::size_t t = 0; t < traces_.count(); ++t) {
    if (!traces_.own(t)) continue;
    const float value = arriving(t, place, step);
    traces_.before(t)[source(place)] = value;
    traces_.after(t)[source(place)] = traces_.joined(t, value, payload);
  }
  traces_.anchors()[source(place)] = step;
}

void FollowedTraces::rest(std::size_t place, std::int64_t step) {
  for (std::size_t t = 0; t < traces_.count(); ++t) {
    if (!traces_.own(t)) continue;
    const float value = ended(t, place, step);
    if (traces_.anchors()[source(place)] != step) traces_.before(t)[source(place)] = value;
    traces_.after(t)[source(place)] = value;
  }
  traces_.anchors()[source(place)] = step;
}

}  // namespace procgraph
