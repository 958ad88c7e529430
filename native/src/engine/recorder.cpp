#include "engine/recorder.hpp"

#include <cmath>

namespace procgraph {
namespace {

template <class T>
Array copy_of(DType dtype, const std::vector<T>& values) {
  Array out(dtype, {static_cast<std::int64_t>(values.size())});
  if (!values.empty()) std::memcpy(out.data.get(), values.data(), out.nbytes());
  return out;
}

}  // namespace

void Recorder::sample(std::int64_t step) {
  if ((step + 1) % every_ != 0) return;
  if (state_ != nullptr) {
    steps_.push_back(step);
    const std::size_t size = state_->bytes();
    samples_.resize(samples_.size() + size);
    node_->read_state(*state_, samples_.data() + samples_.size() - size);
    return;
  }
  if (node_ != nullptr) {
    steps_.push_back(step);
    const Array values = node_->read_parameter("state", variable_);
    sample_values(values.data.get(), values.nbytes());
    return;
  }
  const PortKind kind = output_->port().kind;
  if (kind == PortKind::events) {
    sample_events(step);
    return;
  }
  steps_.push_back(step);
  const std::size_t size = output_->lanes() * output_->lane_bytes();
  if (kind == PortKind::current && output_->silent(step)) {
    samples_.resize(samples_.size() + size);
    return;
  }
  sample_values(output_->array(step, 0), size);
}

std::int64_t Recorder::patience(std::int64_t step) const {
  if (output_ != nullptr && output_->port().kind == PortKind::events) return output_->retained();
  return every_ - step % every_;  // values are gone after the next step
}

void Recorder::sample_events(std::int64_t step) {
  for (std::size_t lane = 0; lane < output_->lanes(); ++lane) {
    const EventList& events = output_->events.at(step, lane);
    steps_.insert(steps_.end(), events.size(), step);
    lane_.insert(lane_.end(), events.size(), static_cast<std::int32_t>(lane));
    index_.insert(index_.end(), events.index(), events.index() + events.size());
    payload_.insert(payload_.end(), events.payload(), events.payload() + events.size());
  }
}

void Recorder::sample_values(const std::byte* data, std::size_t size) {
  samples_.insert(samples_.end(), data, data + size);
}

Recording Recorder::collect() const {
  const bool events = output_ != nullptr && output_->port().kind == PortKind::events;
  return events ? collect_events() : collect_samples();
}

Recording Recorder::collect_events() const {
  Recording out;
  out.is_events = true;
  out.steps = copy_of(DType::int64, steps_);
  out.lane = copy_of(DType::int32, lane_);
  out.index = copy_of(DType::int32, index_);
  out.payload = copy_of(DType::int32, payload_);
  return out;
}

Recording Recorder::collect_samples() const {
  Recording out;
  out.steps = copy_of(DType::int64, steps_);
  const auto count = static_cast<std::int64_t>(steps_.size());
  if (state_ != nullptr) {
    out.samples = Array(state_->spec->dtype, {count, static_cast<std::int64_t>(node_->lanes()),
                                              static_cast<std::int64_t>(state_->n)});
  } else if (node_ != nullptr) {
    out.samples = Array(DType::float32,
                        {count, static_cast<std::int64_t>(lanes_), static_cast<std::int64_t>(n_)});
  } else {
    const OutputPort& port = output_->port();
    const DType dtype = port.kind == PortKind::current ? DType::float32 : port.dtype;
    out.samples = Array(dtype, {count, static_cast<std::int64_t>(output_->lanes()), port.n});
  }
  if (!samples_.empty()) std::memcpy(out.samples.data.get(), samples_.data(), samples_.size());
  if (output_ == nullptr || output_->port().kind != PortKind::current) return out;
  const float factor = std::ldexp(1.0f, -output_->port().scale);
  const auto* fixed = reinterpret_cast<const std::int32_t*>(samples_.data());
  auto* values = out.samples.as<float>();
  for (std::int64_t i = 0; i < out.samples.count(); ++i) {
    values[i] = static_cast<float>(fixed[i]) * factor;
  }
  return out;
}

void Recorder::clear() {
  steps_.clear();
  lane_.clear();
  index_.clear();
  payload_.clear();
  samples_.clear();
}

}  // namespace procgraph
