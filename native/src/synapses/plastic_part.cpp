#include "synapses/plastic_part.hpp"

#include <algorithm>
#include <cmath>

namespace procgraph {
namespace {

std::size_t index(std::int32_t number) {
  return static_cast<std::size_t>(number);
}

}  // namespace

PlasticPart::PlasticPart(const Node& node, PlasticLane& lane, std::size_t number, std::size_t parts,
                         KernelRegistry& kernels, const HotLoops& loops)
    : lane_(lane),
      attrs_(lane.attrs),
      rows_(lane.rows),
      loops_(loops),
      number_(number),
      parts_(parts),
      slots_(attrs_.delays.largest + 1),
      factor_(attrs_.sign * std::ldexp(1.0, node.outputs[0].scale)),
      modulator_each_(node.inputs[2].n != 1),
      sources_(lane.sources, loops),
      targets_(attrs_, loops),
      pending_(0, 0, 0, 0, loops),
      sums_(static_cast<std::size_t>(slots_) * rows_.targets),
      filled_(static_cast<std::size_t>(slots_)) {
  for (const RuleFunctionSpec& spec : attrs_.functions) {
    auto& function = spec.event == "pre" ? on_pre_ : spec.event == "post" ? on_post_ : on_epoch_;
    function.emplace(spec, node, kernels);
  }
  if (on_post_) {
    for (const std::int32_t input : on_post_->inputs()) {
      kept_place_.push_back(kept_.size());
      if (!of_source(input) && !(input < 0 && lane.modulators)) kept_.push_back(input);
    }
  }
  kept_values_.resize(kept_.size());
  const std::size_t room = rows_.size() / (8 * parts);  // a byte a synapse, in all parts
  const std::int32_t reach = attrs_.dendritic ? attrs_.delays.largest : 0;
  pending_ = PendingEvents(rows_.targets, kept_.size(), room, reach, loops);
  if (attrs_.dendritic) see_targets_late();
}

void PlasticPart::reset() {
  targets_.reset();
  before_.clear();
  after_.clear();
  forget_due();
  seek(0);
}

void PlasticPart::forget_due() {
  std::fill(sums_.begin(), sums_.end(), 0U);
  std::fill(filled_.begin(), filled_.end(), std::uint8_t{0});
}

void PlasticPart::seek(std::int64_t now) {
  pending_.clear(now);
  pass_begin_ = now;
}

void PlasticPart::rested(std::int64_t now) {
  pending_.learnt(now);
  pass_begin_ = now;
}

bool PlasticPart::of_source(std::int32_t input) const {
  return input >= 0 && lane_.sources.own(index(input));
}

std::uint32_t* PlasticPart::due(std::int64_t step) {
  return sums_.data() + slot(step) * rows_.targets;
}

void PlasticPart::absorb(std::int64_t step, const Events& events) {
  modulator_ = events.modulator;
  targets_.decay();
  keep(before_, step);
  const auto join = [&] {
    targets_.join(events.post);
    keep(after_, step);
  };
  if (attrs_.joined) join();
  sweep(events.pre, step);
  visit(events.pre, step);
  note_posts(step, events.post);
  if (!attrs_.joined) join();
  if (!on_epoch_ && lane_.sources.ends_epoch(step)) targets_.end_epoch();
}

void PlasticPart::end_epoch(std::int64_t step, std::size_t first_row, std::size_t last_row) {
  rest(first_row, last_row, step);
  run_on_epoch(step, first_row, last_row);
  targets_.end_epoch();
}

void PlasticPart::visit(const Arrivals& pre, std::int64_t step) {
  const std::size_t count = pre.elements.size();
  for (;;) {
    const auto [first, last] = lane_.take(count, parts_);
    if (first == last) return;
    for (std::size_t e = first; e < last; e += FollowedTraces::kGroup) {
      visit_group(pre.part(e, std::min(last, e + FollowedTraces::kGroup)), step);
    }
  }
}

void PlasticPart::visit_group(const Arrivals& group, std::int64_t step) {
  for (std::int64_t d = attrs_.delays.smallest; d <= attrs_.delays.largest; ++d) mark_due(step + d);
  prefetch(index(group.elements[0]));
  sources_.follow(group.elements, step);
  for (std::size_t place = 0; place < group.elements.size(); ++place) {
    const std::size_t source = index(group.elements[place]);
    const std::int32_t payload = group.payloads[place];
    if (place + 1 < group.elements.size()) prefetch(index(group.elements[place + 1]));
    for_chunks(source, place, [&](const Chunk& chunk) {
      catch_up(chunk, source, step - 1);
      transmit(chunk, step, payload);
      if (on_pre_) run_on_pre(chunk, step, payload);
    });
    sources_.join(place, step, payload);
    lane_.learnt[source] = step;
  }
}

/// Visits this part's share of the rows whose turn it is, so that each is visited within two
/// passes, unless that is due to happen in this step. Some steps do it for those before: a group of
/// sources takes as long to follow as one.
void PlasticPart::sweep(const Arrivals& pre, std::int64_t step) {
  constexpr std::size_t kTurns = 16;
  constexpr std::size_t kTimes = static_cast<std::size_t>(PendingEvents::kPass) / kTurns;
  if (step - pass_begin_ == PendingEvents::kPass) {
    pending_.forget_before(pass_begin_);
    pass_begin_ = step;
  }
  const auto n = static_cast<std::size_t>(attrs_.n_pre);
  const auto turn = static_cast<std::size_t>(step - pass_begin_) + 1;
  if (turn % kTurns != 0) return;
  const std::size_t time = turn / kTurns;
  const std::size_t begin = (time - 1) * n / kTimes;
  const std::size_t count = time * n / kTimes - begin;
  std::int32_t late[FollowedTraces::kGroup];
  std::size_t found = 0;
  for (std::size_t i = count * number_ / parts_; i < count * (number_ + 1) / parts_; ++i) {
    const auto source = static_cast<std::int32_t>(begin + i);
    if (std::binary_search(pre.elements.begin(), pre.elements.end(), source)) continue;
    if (lane_.learnt[begin + i] >= pass_begin_) continue;
    late[found++] = source;
    if (found < FollowedTraces::kGroup) continue;
    rest_group(late, step - 1);
    found = 0;
  }
  rest_group({late, found}, step - 1);
}

void PlasticPart::rest(std::size_t first_row, std::size_t last_row, std::int64_t step) {
  std::int32_t group[FollowedTraces::kGroup];
  while (first_row < last_row) {
    std::size_t count = 0;
    while (count < FollowedTraces::kGroup && first_row < last_row) {
      group[count++] = static_cast<std::int32_t>(first_row++);
    }
    rest_group({group, count}, step);
  }
}

void PlasticPart::rest_group(std::span<const std::int32_t> sources, std::int64_t step) {
  if (sources.empty()) return;
  sources_.follow(sources, step);
  for (std::size_t place = 0; place < sources.size(); ++place) {
    const std::size_t source = index(sources[place]);
    for_chunks(source, place, [&](const Chunk& chunk) { catch_up(chunk, source, step); });
    sources_.rest(place, step);
    lane_.learnt[source] = step + 1;
  }
}

/// Asks for the begin of the next row while this one is worked on.
void PlasticPart::prefetch(std::size_t source) const {
  const auto [begin, end] = rows_.row(source);
  const std::size_t bytes = std::min(end - begin, kPrefetch) * sizeof(float);
  loops_.prefetch_range(rows_.post.data() + begin, bytes);
  loops_.prefetch_range(lane_.variables[0].data() + begin, bytes);
}

template <class Each>
void PlasticPart::for_chunks(std::size_t source, std::size_t place, Each&& each) {
  const auto [begin, end] = rows_.row(source);
  for (std::size_t first = begin; first < end; first += kChunk) {
    each(Chunk{first, std::min(kChunk, end - first), place});
  }
}

/// Learns from the events of the targets since the row was visited last, up to those of the step
/// `last`: first the synapses with most of them from their oldest, then those with one less, and so
/// on.
void PlasticPart::catch_up(const Chunk& chunk, std::size_t source, std::int64_t last) {
  const std::int64_t since = lane_.learnt[source];
  if (!on_post_ || !pending_.any_since(since)) return;
  const PendingEvents::Synapses row{rows_.post.data() + chunk.first, lags(chunk.first)};
  const std::int64_t from = lane_.sources.anchors()[source];
  const PendingEvents::Window window{since, last, from};
  std::vector<std::size_t>& begins = list_begins_;
  begins.assign(1, 0);
  constexpr std::size_t kRoom = kChunk + 16;
  lists_.resize(std::max(lists_.size(), kRoom));
  std::size_t count = pending_.newest(row, chunk.n, window, lists_.data());
  while (count > 0) {
    const std::size_t begin = begins.back() + count;
    lists_.resize(std::max(lists_.size(), begin + kRoom));
    const std::size_t age = begins.size() - 1;
    const std::uint32_t* list = lists_.data() + begins.back();
    begins.push_back(begin);
    count = pending_.older(age, row, list, count, window, lists_.data() + begin);
  }
  for (std::size_t age = begins.size() - 1; age-- > 0;) {
    learn_from(chunk, age, from, {lists_.data() + begins[age], begins[age + 1] - begins[age]});
  }
}

/// `on_post` for the events of one age of the synapses of a list, whose distances are those from
/// the step `from`.
void PlasticPart::learn_from(const Chunk& chunk, std::size_t age, std::int64_t from,
                             std::span<const std::uint32_t> synapses) {
  RuleFunction& function = *on_post_;
  const std::size_t n = synapses.size();
  const std::uint32_t* list = synapses.data();
  for (std::size_t i = 0; i < function.inputs().size(); ++i) {
    float* to = function.input(i);
    const std::int32_t input = function.inputs()[i];
    if (of_source(input)) {
      const float* history = sources_.history(index(input), chunk.place);
      for (std::size_t k = 0; k < n; ++k) to[k] = history[PendingEvents::distance(list[k])];
    } else if (input < 0 && lane_.modulators) {
      recall_modulator(chunk, from, synapses, to);
    } else {
      const PendingEvents::Synapses row{rows_.post.data() + chunk.first, lags(chunk.first)};
      pending_.values(age, kept_place_[i], row, list, n, to);
    }
  }
  for (std::size_t v = 0; v < function.variables().size(); ++v) {
    const float* values = lane_.variables[function.variables()[v]].data() + chunk.first;
    float* gathered = function.gathered(v);
    for (std::size_t k = 0; k < n; ++k) gathered[k] = values[PendingEvents::place(list[k])];
    function.set_variable(v, gathered);
  }
  function.call(n);
  for (std::size_t v = 0; v < function.variables().size(); ++v) {
    float* values = lane_.variables[function.variables()[v]].data() + chunk.first;
    const float* gathered = function.gathered(v);
    for (std::size_t k = 0; k < n; ++k) values[PendingEvents::place(list[k])] = gathered[k];
  }
}

void PlasticPart::transmit(const Chunk& chunk, std::int64_t step, std::int32_t payload) {
  const auto p = static_cast<std::uint32_t>(payload);
  const std::int32_t* post = rows_.post.data() + chunk.first;
  loops_.quantise(lane_.variables[0].data() + chunk.first, chunk.n, factor_, quantised_);
  if (rows_.delay.size() == 0) {
    loops_.add_segment(due(step + attrs_.delays.common), post, quantised_, chunk.n, p);
    return;
  }
  const std::int32_t* delay = rows_.delay.data() + chunk.first;
  const auto slots = static_cast<std::int32_t>(slots_);
  const auto targets = static_cast<std::int32_t>(rows_.targets);
  const auto now = static_cast<std::int32_t>(step % slots_);
  for (std::size_t k = 0; k < chunk.n; ++k) {
    const std::int32_t slot = now + delay[k];
    places_[k] = (slot < slots ? slot : slot - slots) * targets + post[k];
  }
  loops_.add_segment(sums_.data(), places_, quantised_, chunk.n, p);
}

void PlasticPart::run_on_pre(const Chunk& chunk, std::int64_t step, std::int32_t payload) {
  RuleFunction& function = *on_pre_;
  for (std::size_t i = 0; i < function.inputs().size(); ++i) {
    const std::int32_t input = function.inputs()[i];
    if (!of_source(input)) continue;
    const float value = sources_.seen(index(input), chunk.place, step, payload);
    std::fill_n(function.input(i), chunk.n, value);
  }
  fill_target_inputs(function, seen(), step, chunk.first, chunk.n);
  run(function, chunk.first, chunk.n);
}

/// `on_epoch` for the synapses of rows whose traces are at their anchors.
void PlasticPart::run_on_epoch(std::int64_t step, std::size_t first_row, std::size_t last_row) {
  RuleFunction& function = *on_epoch_;
  std::size_t row = first_row;
  const std::size_t stop = rows_.row_begin[last_row];
  for (std::size_t first = rows_.row_begin[first_row]; first < stop; first += kChunk) {
    const std::size_t n = std::min(kChunk, stop - first);
    for (std::size_t k = 0; k < n;) {
      while (rows_.row_begin[row + 1] <= first + k) ++row;
      const std::size_t end = std::min(n, rows_.row_begin[row + 1] - first);
      for (std::size_t i = 0; i < function.inputs().size(); ++i) {
        const std::int32_t input = function.inputs()[i];
        if (!of_source(input)) continue;
        std::fill(function.input(i) + k, function.input(i) + end,
                  lane_.sources.after(index(input))[row]);
      }
      k = end;
    }
    fill_target_inputs(function, after_, step, first, n);
    run(function, first, n);
  }
}

/// A function whose inputs are there, for synapses in consecutive places.
void PlasticPart::run(RuleFunction& function, std::size_t first, std::size_t n) {
  for (std::size_t v = 0; v < function.variables().size(); ++v) {
    function.set_variable(v, lane_.variables[function.variables()[v]].data() + first);
  }
  function.call(n);
}

}  // namespace procgraph
