#include "nodes/elementwise_part.hpp"

#include <algorithm>

#include "engine/channel.hpp"

namespace procgraph {
namespace {

alignas(64) constexpr std::int32_t kZeros[kChunk] = {};

}  // namespace

ElementwisePart::ElementwisePart(ElementwiseCore& core, std::vector<Span> spans)
    : core_(core),
      spans_(std::move(spans)),
      touched_(core.inputs.size()),
      any_(core.outputs.size()),
      dense_events_(core.outputs.size()),
      pending_(core.components.size() * spans_.size()),
      gathered_(core.inputs.size()),
      draws_(static_cast<std::size_t>(core.layout.draws) * kChunk),
      event_index_(kChunk + 16),
      event_payload_(kChunk + 16),
      first_state_(core.columns.size()),
      first_input_(first_state_ + core.states.size()),
      first_output_(first_input_ + core.inputs.size()),
      pointers_(first_output_ + core.components.size()),
      strides_(pointers_.size()) {
  for (std::size_t i = 0; i < core.components.size(); ++i) scratch_.emplace_back(kChunk);
  const auto draws = static_cast<std::size_t>(core.layout.draws);
  for (std::size_t r = 0; r < draws; ++r) draw_pointers_.push_back(draws_.data() + r * kChunk);
  args_ = {0,
           pointers_.data(),
           pointers_.data() + first_state_,
           pointers_.data() + first_input_,
           core.input_scales.data(),
           pointers_.data() + first_output_,
           draw_pointers_.data()};
}

void ElementwisePart::run(std::int64_t step, bool ticks) {
  std::fill(any_.begin(), any_.end(), std::uint8_t{0});
  std::fill(dense_events_.begin(), dense_events_.end(), 0);
  for (std::size_t i = 0; i < touched_.size(); ++i) touched_[i] = !core_.inputs[i].clean();
  for (std::size_t s = 0; s < spans_.size(); ++s) {
    pull(step, spans_[s]);
    if (ticks) {
      run_span(step, s);
    } else {
      open_outputs(step, spans_[s]);
    }
  }
}

void ElementwisePart::pull(std::int64_t step, const Span& span) {
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    Input& input = core_.inputs[i];
    if (input.port().kind == PortKind::array) continue;
    for (const Channel* channel : input.channels) {
      if (channel->fused || !channel->divisible()) continue;
      touched_[i] |= channel->pull_range(step, span.lane, span.begin, span.end,
                                         input.sums_of_part(span.lane));
    }
  }
}

/// At a step without a tick: events and currents are empty, arrays stay.
void ElementwisePart::open_outputs(std::int64_t step, const Span& span) {
  for (const Component& component : core_.components) {
    Output& output = core_.outputs[component.output];
    if (output.port().kind == PortKind::events) {
      if (in_place(component, span)) output.events.at(step, span.lane).clear();
    } else if (output.port().kind == PortKind::array) {
      const auto first = static_cast<std::size_t>(component.first);
      output.keep(step, span.lane, first + span.begin, first + span.end);
    }
  }
}

void ElementwisePart::point(std::size_t place, const void* at, std::size_t bytes_per_chunk) {
  pointers_[place] = const_cast<void*>(at);
  strides_[place] = bytes_per_chunk;
}

/// Points all arguments to the first chunk of a span.
void ElementwisePart::aim(std::int64_t step, const Span& span) {
  constexpr std::size_t kItem = sizeof(std::int32_t);
  for (std::size_t i = 0; i < core_.columns.size(); ++i) {
    const ColumnValues& column = core_.columns[i];
    point(i, column.data.data() + (column.common ? 0 : span.begin),
          column.common ? 0 : kChunk * kItem);
  }
  for (std::size_t i = 0; i < core_.states.size(); ++i) {
    const std::size_t element = span.lane * core_.n + span.begin;
    point(first_state_ + i, core_.states[i].data.data() + element * kItem, kChunk * kItem);
  }
  aim_inputs(step, span);
  aim_outputs(step, span);
}

void ElementwisePart::aim_inputs(std::int64_t step, const Span& span) {
  for (std::size_t i = 0; i < core_.inputs.size(); ++i) {
    Input& input = core_.inputs[i];
    const std::size_t place = first_input_ + i;
    if (input.port().kind == PortKind::array) {
      const std::size_t item = item_size(input.port().dtype);
      point(place, input.gathered(step, span.lane) + span.begin * item, kChunk * item);
    } else if (!input.feeds.empty()) {
      if (gathered_[i].empty()) gathered_[i] = Buffer<std::uint32_t>(kChunk);
      point(place, gathered_[i].data(), 0);
    } else if (touched_[i] == 0) {
      point(place, kZeros, 0);
    } else {
      point(place, input.sums_of_part(span.lane) + span.begin, kChunk * sizeof(std::uint32_t));
    }
  }
}

void ElementwisePart::aim_outputs(std::int64_t step, const Span& span) {
  for (std::size_t i = 0; i < core_.components.size(); ++i) {
    const Component& component = core_.components[i];
    Output& output = core_.outputs[component.output];
    const std::size_t place = first_output_ + i;
    const std::size_t element = static_cast<std::size_t>(component.first) + span.begin;
    if (output.port().kind == PortKind::array) {
      const std::size_t item = item_size(output.port().dtype);
      point(place, output.array(step, span.lane) + element * item, kChunk * item);
    } else if (output.dense) {
      point(place, output.dense->row(step, span.lane) + element, kChunk * sizeof(std::int32_t));
    } else {
      point(place, scratch_[i].data(), 0);
      if (output.port().kind == PortKind::events && in_place(component, span)) {
        output.events.at(step, span.lane).clear();
      }
    }
  }
}

void ElementwisePart::run_span(std::int64_t step, std::size_t number) {
  const Span& span = spans_[number];
  aim(step, span);
  for (std::size_t begin = span.begin; begin < span.end; begin += kChunk) {
    const std::size_t n = std::min(kChunk, span.end - begin);
    take_feeds(step, span, begin, n);
    for (int r = 0; r < core_.layout.draws; ++r) {
      const auto c3 = static_cast<std::uint32_t>(span.lane) * 256 + static_cast<std::uint32_t>(r);
      core_.loops.philox_fill(core_.key.low, core_.key.high, static_cast<std::uint32_t>(begin / 4),
                              (n + 3) / 4, static_cast<std::uint64_t>(step), c3,
                              draws_.data() + static_cast<std::size_t>(r) * kChunk);
    }
    args_.n = static_cast<std::int64_t>(n);
    if (!core_.thresholds.empty()) {
      core_.loops.count_above(draws_.data(), n, core_.thresholds.data(), core_.thresholds.size(),
                              static_cast<std::int32_t*>(pointers_[first_output_]));
    } else if (core_.kernel.fn != nullptr) {
      core_.kernel.fn(&args_);
    } else {
      (*core_.kernel.callback)(args_, core_.layout);
    }
    clear_inputs(span.lane, begin, n);
    store(step, number, begin, n);
    for (std::size_t i = 0; i < pointers_.size(); ++i) {
      pointers_[i] = static_cast<std::byte*>(pointers_[i]) + strides_[i];
    }
  }
}

void ElementwisePart::take_feeds(std::int64_t step, const Span& span, std::size_t begin,
                                 std::size_t n) {
  for (std::size_t i = 0; i < core_.inputs.size(); ++i) {
    Input& input = core_.inputs[i];
    if (input.feeds.empty()) continue;
    const std::uint32_t* base =
        touched_[i] != 0 ? input.sums_of_part(span.lane) + begin : nullptr;
    for (const DenseFeed& feed : input.feeds) {
      const bool common = feed.weights.size() == 1;
      core_.loops.add_products(gathered_[i].data(), base,
                               feed.rows->row(step - feed.delay, span.lane) + begin,
                               feed.weights.data() + (common ? 0 : begin), common, n);
      base = gathered_[i].data();
    }
  }
}

void ElementwisePart::clear_inputs(std::size_t lane, std::size_t begin, std::size_t n) {
  for (std::size_t i = 0; i < core_.inputs.size(); ++i) {
    if (touched_[i] == 0 || core_.inputs[i].port().kind == PortKind::array) continue;
    std::memset(core_.inputs[i].sums_of_part(lane) + begin, 0, n * sizeof(std::uint32_t));
  }
}

void ElementwisePart::store(std::int64_t step, std::size_t span, std::size_t begin, std::size_t n) {
  for (std::size_t i = 0; i < core_.components.size(); ++i) {
    const Component& component = core_.components[i];
    Output& output = core_.outputs[component.output];
    const OutputPort& port = output.port();
    if (port.kind == PortKind::current) {
      const std::size_t element = static_cast<std::size_t>(component.first) + begin;
      const bool any = core_.loops.to_fixed(
          reinterpret_cast<const float*>(scratch_[i].data()), n, port.bound, component.factor,
          output.current(step, spans_[span].lane) + element);
      any_[component.output] |= static_cast<std::uint8_t>(any);
    } else if (output.dense) {
      dense_events_[component.output] += static_cast<std::int64_t>(
          core_.loops.clamp_count(static_cast<std::int32_t*>(pointers_[first_output_ + i]), n,
                                  static_cast<std::int32_t>(port.limit)));
    } else if (port.kind == PortKind::events) {
      store_events(i, step, span, begin, n);
    }
  }
}

void ElementwisePart::store_events(std::size_t number, std::int64_t step, std::size_t span,
                                   std::size_t begin, std::size_t n) {
  const Component& component = core_.components[number];
  Output& output = core_.outputs[component.output];
  const std::size_t count = core_.loops.compact(
      scratch_[number].data(), n, component.first + static_cast<std::int32_t>(begin),
      static_cast<std::int32_t>(output.port().limit), event_index_.data(), event_payload_.data());
  if (count == 0) return;
  EventList& list = in_place(component, spans_[span])
                        ? output.events.at(step, spans_[span].lane)
                        : pending_[number * spans_.size() + span];
  list.append(event_index_.data(), event_payload_.data(), count);
}

void ElementwisePart::collect(std::size_t component, std::int64_t step) {
  EventRing& events = core_.outputs[core_.components[component].output].events;
  for (std::size_t s = 0; s < spans_.size(); ++s) {
    EventList& list = pending_[component * spans_.size() + s];
    if (list.size() == 0) continue;
    events.at(step, spans_[s].lane).append(list);
    list.clear();
  }
}

}  // namespace procgraph
