#include "nodes/elementwise_part.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/channel.hpp"

// With all that it calls: a small population takes no longer than calls do.
#if defined(__GNUC__) || defined(__clang__)
#define PG_FLATTEN __attribute__((flatten))
#else
#define PG_FLATTEN
#endif

namespace procgraph {
namespace {

alignas(64) constexpr std::int32_t kZeros[PG_KERNEL_CHUNK] = {};

/// What `compact` wants, and a multiple of a line.
constexpr std::size_t kRoom = PG_KERNEL_CHUNK + 16;

/// Memory for what lives no longer than a chunk. All parts that a thread runs share it, so that it
/// stays in the nearest cache.
std::int32_t* thread_workspace(std::size_t chunks) {
  thread_local Buffer<std::int32_t> memory;
  if (memory.size() < chunks * kRoom) memory = Buffer<std::int32_t>(chunks * kRoom);
  return memory.data();
}

}  // namespace

ElementwisePart::ElementwisePart(ElementwiseCore& core, std::vector<Span> spans)
    : core_(core),
      spans_(std::move(spans)),
      touched_(core.inputs.size()),
      gathered_(core.inputs.size()),
      first_state_(core.columns.all().size()),
      first_input_(first_state_ + core.states.size()),
      first_output_(first_input_ + core.inputs.size()),
      pointers_(first_output_ + core.components.size()),
      strides_(pointers_.size()) {
  build_inputs();
  build_emitters();
  draw_pointers_.resize(static_cast<std::size_t>(core.layout.draws));
  args_ = {0,
           0,
           pointers_.data(),
           pointers_.data() + first_state_,
           pointers_.data() + first_input_,
           core.input_scales.data(),
           pointers_.data() + first_output_,
           draw_pointers_.data()};
}

void ElementwisePart::build_inputs() {
  for (std::size_t i = 0; i < core_.inputs.size(); ++i) {
    const Input& input = core_.inputs[i];
    if (input.port().kind == PortKind::array) {
      held_.push_back(i);
      continue;
    }
    point(first_input_ + i, kZeros, 0);
    if (input.channels.empty()) continue;
    summed_.push_back(i);
    if (input.feeds.empty()) emptied_.push_back(i);
    for (const Channel* channel : input.channels) {
      if (!channel->fused && channel->divisible()) feeders_.push_back({channel, i});
    }
    if (input.feeds.empty()) continue;
    fed_.push_back(i);
    for (const DenseFeed& feed : input.feeds) {
      if (feed.rows->draw() != nullptr) drawn_.push_back({feed.source, 0});
    }
  }
}

void ElementwisePart::build_emitters() {
  for (std::size_t i = 0; i < core_.components.size(); ++i) {
    const Component& component = core_.components[i];
    Output& output = core_.outputs[component.output];
    const PortKind kind = output.port().kind;
    Emitter& emitter = emitters_.emplace_back();
    emitter.store = kind == PortKind::array     ? Store::array
                    : kind == PortKind::current ? Store::current
                    : output.dense              ? Store::dense
                                                : Store::list;
    emitter.output = &output;
    emitter.first = static_cast<std::size_t>(component.first);
    emitter.factor = component.factor;
    emitter.pending.resize(spans_.size());
  }
}

bool ElementwisePart::can_run_ahead() const {
  if (!feeders_.empty() || !held_.empty()) return false;
  for (const std::size_t i : fed_) {
    for (const DenseFeed& feed : core_.inputs[i].feeds) {
      if (feed.rows->draw() == nullptr) return false;
    }
  }
  return true;
}

bool ElementwisePart::only_lists() const {
  return std::all_of(emitters_.begin(), emitters_.end(),
                     [](const Emitter& emitter) { return emitter.store == Store::list; });
}

void ElementwisePart::finish_late() {
  counts_ = true;
  for (Emitter& emitter : emitters_) {
    emitter.steps = emitter.output->events.ring();
    emitter.pending.resize(emitter.steps.slots() * spans_.size());
  }
}

void ElementwisePart::aim_workspace() {
  const std::size_t draws = draw_pointers_.size();
  const std::size_t chunks = draws + fed_.size() + emitters_.size() + 2;
  // A kernel of the host language may come to run another engine on this thread.
  const bool own = core_.kernel.fn == nullptr;
  if (own && own_workspace_.empty()) own_workspace_ = Buffer<std::int32_t>(chunks * kRoom);
  std::int32_t* at = own ? own_workspace_.data() : thread_workspace(chunks);
  if (at == workspace_) return;
  workspace_ = at;
  const auto take = [&] { return std::exchange(at, at + kRoom); };
  draws_ = at;
  at += draws * kRoom;
  for (std::size_t r = 0; r < draws; ++r) draw_pointers_[r] = draws_ + r * kRoom;
  for (const std::size_t i : fed_) gathered_[i] = reinterpret_cast<std::uint32_t*>(take());
  for (std::size_t i = 0; i < emitters_.size(); ++i) {
    Emitter& emitter = emitters_[i];
    if (emitter.store == Store::array || emitter.store == Store::dense) continue;
    emitter.scratch = take();
    point(first_output_ + i, emitter.scratch, 0);
  }
  event_index_ = take();
  event_payload_ = take();
}

PG_FLATTEN void ElementwisePart::run(std::int64_t step, bool ticks) {
  aim_workspace();
  for (const std::size_t i : summed_) touched_[i] = !core_.inputs[i].clean();
  for (Emitter& emitter : emitters_) emitter.any = false;
  for (std::size_t s = 0; s < spans_.size(); ++s) {
    if (!feeders_.empty()) pull(step, spans_[s]);
    if (ticks) {
      run_span(step, s);
    } else {
      keep_outputs(step, spans_[s]);
    }
  }
}

void ElementwisePart::pull(std::int64_t step, const Span& span) {
  for (const Feeder& feeder : feeders_) {
    touched_[feeder.input] |=
        feeder.channel->pull_range(step, span.lane, span.begin, span.end,
                                   core_.inputs[feeder.input].sums_of_part(span.lane, span.begin));
  }
}

/// At a step without a tick: events and currents are empty, arrays stay.
void ElementwisePart::keep_outputs(std::int64_t step, const Span& span) {
  for (const Emitter& emitter : emitters_) {
    if (emitter.store == Store::list) {
      if (emitter.first + span.begin == 0) emitter.output->events.at(step, span.lane).clear();
    } else if (emitter.store == Store::array) {
      emitter.output->keep(step, span.lane, emitter.first + span.begin, emitter.first + span.end);
    }
  }
}

/// Columns and states stay where they are from step to step.
void ElementwisePart::aim_fixed(const Span& span) {
  constexpr std::size_t kItem = sizeof(std::int32_t);
  const bool columns = aimed_at_ != core_.columns.changes();
  if (columns) aim_common();
  const bool stays =
      spans_.size() == 1 && next_chunk(span.end - span.begin) == span.end - span.begin;
  if (stays && !columns) return;
  for (std::size_t k = 0; k < moving_columns_; ++k) {
    const std::size_t i = moving_[k];
    point(i, core_.columns.all()[i].data->data() + span.begin, kItem);
  }
  for (std::size_t i = 0; i < core_.states.size(); ++i) {
    point(first_state_ + i, core_.states[i].at(span.lane * core_.n + span.begin), kItem);
  }
}

/// One value for all elements: that does not move from chunk to chunk.
void ElementwisePart::aim_common() {
  moving_.clear();
  for (std::size_t i = 0; i < first_state_; ++i) {
    const ColumnValues& column = core_.columns.all()[i];
    if (column.common) {
      point(i, column.data->data(), 0);
    } else {
      moving_.push_back(i);
    }
  }
  moving_columns_ = moving_.size();
  args_.common = core_.columns.common() ? 1 : 0;
  for (std::size_t i = first_state_; i < pointers_.size(); ++i) moving_.push_back(i);
  aimed_at_ = core_.columns.changes();
}

void ElementwisePart::aim_inputs(std::int64_t step, const Span& span) {
  for (const std::size_t i : held_) {
    const Input& input = core_.inputs[i];
    const std::size_t item = item_size(input.port().dtype);
    point(first_input_ + i, input.gathered(step, span.lane) + span.begin * item, item);
  }
  for (const std::size_t i : summed_) {
    if (touched_[i] == 0) {
      point(first_input_ + i, kZeros, 0);
    } else {
      point(first_input_ + i, core_.inputs[i].sums_of_part(span.lane, span.begin),
            sizeof(std::uint32_t));
    }
  }
  for (const std::size_t i : fed_) point(first_input_ + i, gathered_[i], 0);
}

void ElementwisePart::aim_emitter(std::size_t number, std::int64_t step, std::size_t span) {
  const auto& [lane, begin, end] = spans_[span];
  Emitter& emitter = emitters_[number];
  const std::size_t element = emitter.first + begin;
  if (emitter.store == Store::list) {
    emitter.list = element != 0 ? &emitter.pending[emitter.steps.of(step) * spans_.size() + span]
                                : &emitter.output->events.at(step, lane);
    emitter.list->clear();
  } else if (emitter.store == Store::dense) {
    point(first_output_ + number, emitter.output->dense->row(step, lane) + element,
          sizeof(std::int32_t));
  } else if (emitter.store == Store::array) {
    const std::size_t item = item_size(emitter.output->port().dtype);
    point(first_output_ + number, emitter.output->array(step, lane) + element * item, item);
  }
}

void ElementwisePart::run_span(std::int64_t step, std::size_t number) {
  const Span& span = spans_[number];
  aim_fixed(span);
  aim_inputs(step, span);
  for (std::size_t i = 0; i < emitters_.size(); ++i) aim_emitter(i, step, number);
  for (std::size_t begin = span.begin;;) {
    const std::size_t n = next_chunk(span.end - begin);
    run_chunk(step, span, begin, n);
    begin += n;
    if (begin == span.end) break;
    advance(n);
  }
}

void ElementwisePart::advance(std::size_t n) {
  for (const std::size_t i : moving_) {
    pointers_[i] = static_cast<std::byte*>(pointers_[i]) + n * strides_[i];
  }
}

void ElementwisePart::run_chunk(std::int64_t step, const Span& span, std::size_t begin,
                                std::size_t n) {
  if (!fed_.empty()) take_feeds(step, span, begin, n);
  if (core_.thresholds.empty()) {
    call(step, span.lane, begin, n);
  } else {
    core_.loops.draw_counts(core_.stream(step, span.lane, 0), first_block(begin), n,
                            core_.thresholds.table(),
                            static_cast<std::int32_t*>(pointers_[first_output_]));
  }
  for (const std::size_t i : emptied_) {
    if (touched_[i] == 0) continue;
    std::memset(core_.inputs[i].sums_of_part(span.lane, begin), 0, n * sizeof(std::uint32_t));
  }
  store(step, span, begin, n);
}

void ElementwisePart::call(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n) {
  for (std::size_t r = 0; r < draw_pointers_.size(); ++r) {
    core_.loops.draw_values(core_.stream(step, lane, r), first_block(begin), n, draws_ + r * kRoom);
  }
  args_.n = static_cast<std::int64_t>(n);
  if (core_.kernel.fn != nullptr) {
    core_.kernel.fn(&args_);
  } else {
    (*core_.kernel.callback)(args_, core_.layout);
  }
}

void ElementwisePart::take_feeds(std::int64_t step, const Span& span, std::size_t begin,
                                 std::size_t n) {
  auto drawn = drawn_.begin();
  for (const std::size_t i : fed_) {
    Input& input = core_.inputs[i];
    std::uint32_t* const sums = gathered_[i];
    std::uint32_t* base = touched_[i] != 0 ? input.sums_of_part(span.lane, begin) : nullptr;
    for (const DenseFeed& feed : input.feeds) {
      const bool common = feed.weights.size() == 1;
      const std::int32_t* weights = feed.weights.data() + (common ? 0 : begin);
      if (const Draw* draw = feed.rows->draw()) {
        (drawn++)->events += draw->add(step, span.lane, begin, n, {weights, common, sums, base});
      } else {
        const std::int32_t* payloads = feed.rows->row(step - feed.delay, span.lane) + begin;
        core_.loops.take_products(sums, base, payloads, weights, common, n);
      }
      base = sums;
    }
  }
}

void ElementwisePart::store(std::int64_t step, const Span& span, std::size_t begin, std::size_t n) {
  for (std::size_t i = 0; i < emitters_.size(); ++i) {
    Emitter& emitter = emitters_[i];
    const OutputPort& port = emitter.output->port();
    const auto limit = static_cast<std::int32_t>(port.limit);
    const std::size_t element = emitter.first + begin;
    if (emitter.store == Store::list) {
      const std::size_t count =
          core_.loops.compact(emitter.scratch, n, static_cast<std::int32_t>(element), limit,
                              event_index_, event_payload_);
      if (count == 0) continue;
      emitter.list->append(event_index_, event_payload_, count);
      if (counts_) emitter.count += static_cast<std::int64_t>(count);
    } else if (emitter.store == Store::dense) {
      auto* row = static_cast<std::int32_t*>(pointers_[first_output_ + i]);
      emitter.count += static_cast<std::int64_t>(core_.loops.clamp_count(row, n, limit));
    } else if (emitter.store == Store::current) {
      const auto* values = reinterpret_cast<const float*>(emitter.scratch);
      emitter.any |= core_.loops.to_fixed(values, n, port.bound, emitter.factor,
                                          emitter.output->current(step, span.lane) + element);
    }
  }
}

void ElementwisePart::settle_counts() {
  for (Drawn& drawn : drawn_) {
    drawn.source->emitted += static_cast<std::int64_t>(std::exchange(drawn.events, 0));
  }
  for (Emitter& emitter : emitters_) emitter.output->emitted += std::exchange(emitter.count, 0);
}

void ElementwisePart::add_found(std::size_t component, std::vector<EventRing::Apart>& to) const {
  const Emitter& emitter = emitters_[component];
  if (emitter.store != Store::list) return;
  for (std::size_t s = 0; s < spans_.size(); ++s) {
    if (emitter.first + spans_[s].begin == 0) continue;
    to.push_back({spans_[s].lane, &emitter.pending[s], spans_.size(), emitter.steps});
  }
}

std::vector<std::size_t> borders(const ElementwiseCore& core,
                                 const std::vector<std::unique_ptr<ElementwisePart>>& parts,
                                 const std::vector<int>& threads) {
  std::map<std::size_t, std::size_t> owners;  // of the elements from a place on
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const std::size_t owner = threads.empty() ? p : static_cast<std::size_t>(threads[p]);
    for (const auto& [lane, begin, end] : parts[p]->spans()) {
      owners[lane * core.n + begin] = owner;
    }
  }
  std::vector<std::size_t> places;
  for (auto at = owners.begin(), next = std::next(at); next != owners.end(); at = next++) {
    if (next->second != at->second) places.push_back(next->first);
  }
  return places;
}

}  // namespace procgraph
