#include "engine/ports.hpp"

#include <algorithm>

#include "engine/channel.hpp"
#include "engine/runtime_node.hpp"

namespace procgraph {

void DenseRows::list(std::int64_t step, std::size_t lane, EventList& events) {
  if (draw_ != nullptr && step < first_) return;
  events.clear();
  std::vector<std::int32_t> drawn;
  const std::int32_t* payloads = nullptr;
  if (draw_ != nullptr) {
    drawn.resize(n_);
    draw_->payloads(step, lane, 0, n_, drawn.data());
    payloads = drawn.data();
  } else {
    payloads = row(step, lane);
  }
  for (std::size_t i = 0; i < n_; ++i) {
    if (payloads[i] != 0) events.append(static_cast<std::int32_t>(i), payloads[i]);
  }
}

Output::Output(const OutputPort& port, std::int32_t lanes)
    : port_(&port),
      lanes_(static_cast<std::size_t>(lanes)),
      ring_(port.depth),
      retained_(port.depth) {
  if (port.kind == PortKind::events) {
    events = EventRing(port.depth, lanes);
    return;
  }
  slot_bytes_ = lanes_ * lane_bytes();
  if (slot_bytes_ > PTRDIFF_MAX / ring_.slots()) throw std::bad_alloc();
  ring_bytes_ = Buffer<std::byte>(slot_bytes_ * ring_.slots());
  silent_ = std::make_unique<std::atomic<bool>[]>(ring_.slots());
  silence();
}

void Output::begin(std::int64_t step) {
  switch (port_->kind) {
    case PortKind::events:
      events.clear(step);
      break;
    case PortKind::current:
      set_silent(step, true);
      break;
    case PortKind::array:
      if (ring_.slots() > 1) std::memcpy(slot(step), slot(step - 1), slot_bytes_);
      break;
  }
}

void Output::keep(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t end) {
  if (ring_.slots() == 1) return;
  const std::size_t item = item_size(port_->dtype);
  std::memcpy(array(step, lane) + begin * item, array(step - 1, lane) + begin * item,
              (end - begin) * item);
}

void Output::reset() {
  if (port_->kind == PortKind::events) events.clear_all();
  if (dense) dense->reset();
  ring_bytes_.zero();
  silence();
  emitted = 0;
}

void Output::silence() {
  for (std::size_t slot = 0; silent_ != nullptr && slot < ring_.slots(); ++slot) {
    silent_[slot].store(true, std::memory_order_relaxed);
  }
}

void Output::clear_current(std::int64_t step) {
  std::memset(slot(step), 0, slot_bytes_);
}

void Output::count(std::int64_t step) {
  if (port_->kind != PortKind::events) return;
  std::size_t count = 0;
  for (std::size_t lane = 0; lane < lanes_; ++lane) count += events.at(step, lane).size();
  if (count != 0) emitted += static_cast<std::int64_t>(count);
}

void Output::list_dense(std::int64_t last) {
  for (std::int32_t age = 0; age < port_->depth; ++age) {
    for (std::size_t lane = 0; lane < lanes_; ++lane) {
      dense->list(last - age, lane, events.at(last - age, lane));
    }
  }
}

void Output::retain(std::int32_t depth) {
  if (depth > retained_) events = EventRing(depth, static_cast<std::int32_t>(lanes_));
  retained_ = std::max(depth, retained_);
}

void Input::allocate() {
  const auto lanes = static_cast<std::size_t>(lanes_);
  if (port_->kind != PortKind::array) return;
  if (channels.empty() || channels[0]->gathered()) {
    values_ = Buffer<std::byte>(lanes * n() * item_size(port_->dtype));
  }
}

void Input::pull(std::int64_t step) {
  if (port_->kind == PortKind::array) return;
  for (Channel* channel : channels) {
    if (!channel->fused) channel->pull(step);
  }
}

void Input::pull_indivisible(std::int64_t step) {
  if (port_->kind == PortKind::array) return;
  for (Channel* channel : channels) {
    if (!channel->fused && !channel->divisible()) channel->pull(step);
  }
}

void Input::expect(bool spikes, bool after_step) {
  if (spikes == expects_) return;
  expects_ = spikes;
  if (spikes) {
    clean_ = false;
  } else if (after_step && owner->spec().period == 1) {
    clean_ = true;  // it has just taken all that came
  }
}

const Channel* Input::plain_events() const {
  if (!clean_ || channels.size() != 1 || owner->spec().period != 1) return nullptr;
  const Channel& only = *channels[0];
  const bool events = only.source().port().kind == PortKind::events;
  return events && !only.mapped() && !only.bounded() ? &only : nullptr;
}

void Input::drain() {
  for (Channel* channel : channels) channel->drain();
}

void Input::clear() {
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(lanes_) && !clean_; ++lane) {
    for_runs([&](std::size_t first, std::size_t count) {
      std::memset(sums_of_part(lane, first), 0, count * sizeof *sums_);
    });
  }
  clean_ = !expects_;
}

void Input::copy_sums(std::size_t lane, std::int32_t* out) const {
  for_runs([&](std::size_t first, std::size_t count) {
    std::memcpy(out + first, sums_of_part(lane, first), count * sizeof *out);
  });
}

void Input::put_sums(std::size_t lane, const std::int32_t* values) {
  clean_ = false;
  for_runs([&](std::size_t first, std::size_t count) {
    std::memcpy(sums_of_part(lane, first), values + first, count * sizeof *values);
  });
}

const std::byte* Input::held(std::int64_t step, std::size_t lane) {
  gather(step);
  return gathered(step, lane);
}

void Input::gather(std::int64_t step) {
  if (channels.empty() || !channels[0]->gathered()) return;
  const std::size_t lane_bytes = n() * item_size(port_->dtype);
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(lanes_); ++lane) {
    channels[0]->gather(step, lane, values_.data() + lane * lane_bytes);
  }
}

const std::byte* Input::gathered(std::int64_t step, std::size_t lane) const {
  if (!channels.empty() && !channels[0]->gathered()) {
    return channels[0]->source().array(step - channels[0]->spec().delay, lane);
  }
  return values_.data() + lane * n() * item_size(port_->dtype);
}

}  // namespace procgraph
