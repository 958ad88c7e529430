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
  if ((step + 1) % sampling_.every != 0) return;
  if (output_ != nullptr && output_->port().kind == PortKind::events) return sample_events(step);
  steps_.push_back(step);
  if (state_ != nullptr) {
    sample_state();
  } else if (node_ != nullptr) {
    sample_values(node_->read_parameter("state", variable_).data.get());
  } else if (output_->port().kind == PortKind::current && output_->silent(step)) {
    more();
  } else {
    sample_values(output_->array(step, 0));
  }
}

/// Of what is sampled.
DType Recorder::dtype() const {
  if (state_ != nullptr) return state_->spec->dtype;
  const bool array = output_ != nullptr && output_->port().kind == PortKind::array;
  return array ? output_->port().dtype : DType::float32;
}

/// Room for another sample.
std::byte* Recorder::more() {
  const std::size_t before = samples_.size();
  samples_.resize(before + lanes_ * width() * item_size(dtype()));
  return samples_.data() + before;
}

void Recorder::sample_state() {
  std::byte* to = more();
  if (sampling_.elements.empty()) {
    node_->read_state(*state_, to);
  } else {
    node_->read_elements(*state_, sampling_.elements, to);
  }
}

void Recorder::sample_values(const std::byte* data) {
  const std::size_t item = item_size(dtype());
  std::byte* to = more();
  if (sampling_.elements.empty()) {
    std::memcpy(to, data, lanes_ * n_ * item);
  } else {
    const auto at = [=](std::size_t place) { return data + place * item; };
    pick_elements(n_, lanes_, item, sampling_.elements, at, to);
  }
}

std::int64_t Recorder::patience(std::int64_t step) const {
  if (output_ != nullptr && output_->port().kind == PortKind::events) return output_->retained();
  return sampling_.every - step % sampling_.every;  // values are gone after the next step
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
  out.samples =
      Array(dtype(), {static_cast<std::int64_t>(steps_.size()), static_cast<std::int64_t>(lanes_),
                      static_cast<std::int64_t>(width())});
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
