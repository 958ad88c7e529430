#include "synapses/plastic_part.hpp"

#include <algorithm>
#include <cmath>

namespace procgraph {
namespace {

std::size_t index(std::int32_t number) {
  return static_cast<std::size_t>(number);
}

}  // namespace

PlasticPart::PlasticPart(const Node& node, const PlasticRows& rows, KernelRegistry& kernels,
                         const HotLoops& loops)
    : attrs_(std::get<PlasticAttrs>(node.attrs)),
      rows_(rows),
      loops_(loops),
      slots_(attrs_.delays.largest + 1),
      factor_(attrs_.sign * std::ldexp(1.0, node.outputs[0].scale)),
      modulator_each_(node.inputs[2].n != 1),
      sources_(attrs_, loops),
      target_traces_(attrs_.traces.size()),
      pending_(0, 0, loops),
      learnt_(index(attrs_.n_pre)),
      sums_(static_cast<std::size_t>(slots_) * rows.targets),
      filled_(static_cast<std::size_t>(slots_)) {
  for (std::size_t v = 0; v <= node.states.size(); ++v) variables_.emplace_back(rows.size());
  for (const RuleFunctionSpec& spec : attrs_.functions) {
    auto& function = spec.event == "pre" ? on_pre_ : spec.event == "post" ? on_post_ : on_epoch_;
    function.emplace(spec, node, kernels);
  }
  if (on_post_) {
    for (const std::int32_t input : on_post_->inputs()) {
      kept_place_.push_back(kept_.size());
      if (!of_source(input)) kept_.push_back(input);
    }
  }
  kept_values_.resize(kept_.size());
  pending_ = PendingEvents(rows.targets, kept_.size(), loops);
}

bool PlasticPart::hosted() const {
  const auto is = [](const auto& function) { return function && function->hosted(); };
  return is(on_pre_) || is(on_post_) || is(on_epoch_);
}

bool PlasticPart::of_source(std::int32_t input) const {
  return input >= 0 && attrs_.traces[index(input)].side == TraceSpec::Side::pre;
}

std::vector<float>& PlasticPart::trace(std::size_t t) {
  const bool pre = attrs_.traces[t].side == TraceSpec::Side::pre;
  return pre ? sources_.values(t) : target_traces_[t];
}

std::uint32_t* PlasticPart::due(std::int64_t step) {
  return sums_.data() + slot(step) * rows_.targets;
}

void PlasticPart::forget_due(std::int64_t step) {
  std::fill_n(due(step), rows_.targets, 0U);
  filled_[slot(step)] = 0;
}

void PlasticPart::reset() {
  sources_.reset();
  for (std::size_t t = 0; t < target_traces_.size(); ++t) {
    if (!of_source(static_cast<std::int32_t>(t))) target_traces_[t].assign(rows_.targets, 0.0f);
  }
  std::fill(sums_.begin(), sums_.end(), 0U);
  std::fill(filled_.begin(), filled_.end(), std::uint8_t{0});
  seek(0);
}

void PlasticPart::seek(std::int64_t now) {
  sources_.seek(now);
  pending_.clear(now);
  learnt_.assign(learnt_.size(), now);
  pass_begin_ = now;
}

void PlasticPart::absorb(std::int64_t step, const Arrivals& pre, const Arrivals& post,
                         const float* modulator) {
  modulator_ = modulator;
  decay_targets();
  sweep(step);
  visit(pre, step);
  take_posts(step, post);
  if ((step + 1) % attrs_.epoch == 0) end_epoch(step);
}

void PlasticPart::decay_targets() {
  for (std::size_t t = 0; t < target_traces_.size(); ++t) {
    const float decay = attrs_.traces[t].decay;
    auto& values = target_traces_[t];
    if (!values.empty() && decay != 1.0f) loops_.decay(values.data(), values.size(), decay);
  }
}

/// Visits a share of the rows that were not visited for long, so that each is within two passes.
void PlasticPart::sweep(std::int64_t step) {
  constexpr std::int64_t kPass = PendingEvents::kPass;
  if (pending_.full()) settle(step);
  if (step - pass_begin_ == kPass) {
    pending_.forget_before(pass_begin_);
    pass_begin_ = step;
  }
  std::int32_t late[SourceTraces::kGroup];
  std::size_t count = 0;
  const std::int64_t turn = step - pass_begin_;
  const std::int64_t n = attrs_.n_pre;
  for (std::int64_t i = turn * n / kPass; i < (turn + 1) * n / kPass; ++i) {
    if (learnt_[static_cast<std::size_t>(i)] >= pass_begin_) continue;
    late[count++] = static_cast<std::int32_t>(i);
    if (count < SourceTraces::kGroup) continue;
    rest(late, step - 1);
    count = 0;
  }
  rest({late, count}, step - 1);
}

void PlasticPart::visit(const Arrivals& pre, std::int64_t step) {
  if (pre.elements.empty()) return;
  for (std::int64_t d = attrs_.delays.smallest; d <= attrs_.delays.largest; ++d) mark_due(step + d);
  for (std::size_t e = 0; e < pre.elements.size(); e += SourceTraces::kGroup) {
    const auto group =
        pre.elements.subspan(e, std::min(SourceTraces::kGroup, pre.elements.size() - e));
    sources_.follow(group, step);
    for (std::size_t place = 0; place < group.size(); ++place) {
      const std::size_t source = index(group[place]);
      const std::int32_t payload = pre.payloads[e + place];
      if (e + place + 1 < pre.elements.size()) prefetch(index(pre.elements[e + place + 1]));
      for_chunks(source, place, [&](const Chunk& chunk) {
        catch_up(chunk, source);
        transmit(chunk, step, payload);
        if (on_pre_) run_on_pre(chunk, step);
      });
      sources_.join(place, step, payload);
      learnt_[source] = step;
    }
  }
}

/// Brings up to kGroup sources to the end of `step`.
void PlasticPart::rest(std::span<const std::int32_t> sources, std::int64_t step) {
  sources_.follow(sources, step);
  for (std::size_t place = 0; place < sources.size(); ++place) {
    const std::size_t source = index(sources[place]);
    for_chunks(source, place, [&](const Chunk& chunk) { catch_up(chunk, source); });
    sources_.rest(place, step);
    learnt_[source] = step + 1;
  }
}

void PlasticPart::rest_all(std::int64_t step) {
  std::int32_t group[SourceTraces::kGroup];
  for (std::int32_t first = 0; first < attrs_.n_pre;) {
    std::size_t count = 0;
    while (count < SourceTraces::kGroup && first < attrs_.n_pre) group[count++] = first++;
    rest({group, count}, step);
  }
}

void PlasticPart::settle(std::int64_t now) {
  rest_all(now - 1);
  sources_.end(now - 1);
  pending_.clear(now);
  pass_begin_ = now;
}

/// Asks for the begin of the next row while this one is worked on.
void PlasticPart::prefetch(std::size_t source) const {
  const auto [begin, end] = rows_.row(source);
  const std::size_t bytes = std::min(end - begin, kPrefetch) * sizeof(float);
  loops_.prefetch_range(rows_.post.data() + begin, bytes);
  loops_.prefetch_range(variable(0) + begin, bytes);
}

template <class Each>
void PlasticPart::for_chunks(std::size_t source, std::size_t place, Each&& each) {
  const auto [begin, end] = rows_.row(source);
  for (std::size_t first = begin; first < end; first += kChunk) {
    each(Chunk{first, std::min(kChunk, end - first), place});
  }
}

/// Learns from the events of the targets since the row was visited last: first the synapses with
/// most of them from their oldest, then those with one less, and so on.
void PlasticPart::catch_up(const Chunk& chunk, std::size_t source) {
  if (!on_post_ || !pending_.any_since(learnt_[source])) return;
  const std::int32_t* post = rows_.post.data() + chunk.first;
  const std::int64_t since = learnt_[source];
  const std::int64_t from = sources_.anchor(source);
  std::vector<std::size_t>& begins = list_begins_;
  begins.assign(1, 0);
  constexpr std::size_t kRoom = kChunk + 16;
  lists_.resize(std::max(lists_.size(), kRoom));
  std::size_t count = pending_.newest(post, chunk.n, since, from, lists_.data());
  while (count > 0) {
    const std::size_t begin = begins.back() + count;
    lists_.resize(std::max(lists_.size(), begin + kRoom));
    const std::size_t age = begins.size() - 1;
    const std::uint32_t* list = lists_.data() + begins.back();
    begins.push_back(begin);
    count = pending_.older(age, post, list, count, since, from, lists_.data() + begin);
  }
  for (std::size_t age = begins.size() - 1; age-- > 0;) {
    learn_from(chunk, age, {lists_.data() + begins[age], begins[age + 1] - begins[age]});
  }
}

/// `on_post` for the events of one age of the synapses of a list.
void PlasticPart::learn_from(const Chunk& chunk, std::size_t age,
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
    } else {
      pending_.values(age, kept_place_[i], rows_.post.data() + chunk.first, list, n, to);
    }
  }
  for (std::size_t v = 0; v < function.variables().size(); ++v) {
    const float* values = variable(function.variables()[v]) + chunk.first;
    float* gathered = function.gathered(v);
    for (std::size_t k = 0; k < n; ++k) gathered[k] = values[PendingEvents::place(list[k])];
    function.set_variable(v, gathered);
  }
  function.call(n);
  for (std::size_t v = 0; v < function.variables().size(); ++v) {
    float* values = variable(function.variables()[v]) + chunk.first;
    const float* gathered = function.gathered(v);
    for (std::size_t k = 0; k < n; ++k) values[PendingEvents::place(list[k])] = gathered[k];
  }
}

void PlasticPart::transmit(const Chunk& chunk, std::int64_t step, std::int32_t payload) {
  const auto p = static_cast<std::uint32_t>(payload);
  const std::int32_t* post = rows_.post.data() + chunk.first;
  loops_.quantise(variable(0) + chunk.first, chunk.n, factor_, quantised_);
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

void PlasticPart::run_on_pre(const Chunk& chunk, std::int64_t step) {
  RuleFunction& function = *on_pre_;
  for (std::size_t i = 0; i < function.inputs().size(); ++i) {
    const std::int32_t input = function.inputs()[i];
    if (!of_source(input)) continue;
    const float value = sources_.arriving(index(input), chunk.place, step);
    std::fill_n(function.input(i), chunk.n, value);
  }
  fill_target_inputs(function, chunk.first, chunk.n);
  run(function, chunk.first, chunk.n);
}

/// `on_epoch` for all synapses; all traces are at their anchors.
void PlasticPart::run_on_epoch() {
  RuleFunction& function = *on_epoch_;
  std::size_t row = 0;
  for (std::size_t first = 0; first < rows_.size(); first += kChunk) {
    const std::size_t n = std::min(kChunk, rows_.size() - first);
    for (std::size_t k = 0; k < n;) {
      while (rows_.row_begin[row + 1] <= first + k) ++row;
      const std::size_t end = std::min(n, rows_.row_begin[row + 1] - first);
      for (std::size_t i = 0; i < function.inputs().size(); ++i) {
        const std::int32_t input = function.inputs()[i];
        if (!of_source(input)) continue;
        std::fill(function.input(i) + k, function.input(i) + end,
                  sources_.values(index(input))[row]);
      }
      k = end;
    }
    fill_target_inputs(function, first, n);
    run(function, first, n);
  }
}

/// What a function reads of the targets of synapses in consecutive places.
void PlasticPart::fill_target_inputs(RuleFunction& function, std::size_t first, std::size_t n) {
  const std::int32_t* post = rows_.post.data() + first;
  for (std::size_t i = 0; i < function.inputs().size(); ++i) {
    const std::int32_t input = function.inputs()[i];
    if (of_source(input)) continue;
    float* to = function.input(i);
    if (input < 0 && !modulator_each_) {
      std::fill_n(to, n, modulator_[0]);
      continue;
    }
    const float* from =
        input < 0 ? modulator_ + rows_.first_target : target_traces_[index(input)].data();
    for (std::size_t k = 0; k < n; ++k) to[k] = from[post[k]];
  }
}

/// A function whose inputs are there, for synapses in consecutive places.
void PlasticPart::run(RuleFunction& function, std::size_t first, std::size_t n) {
  for (std::size_t v = 0; v < function.variables().size(); ++v) {
    function.set_variable(v, variable(function.variables()[v]) + first);
  }
  function.call(n);
}

float PlasticPart::seen_of_target(std::int32_t input, std::size_t target) const {
  if (input >= 0) return target_traces_[index(input)][target];
  return modulator_[modulator_each_ ? rows_.first_target + target : 0];
}

/// The events of the targets wait for their synapses to be visited, and join the traces.
void PlasticPart::take_posts(std::int64_t step, const Arrivals& post) {
  const auto number = [](std::size_t n) { return static_cast<std::int32_t>(n); };
  const auto begin =
      std::lower_bound(post.elements.begin(), post.elements.end(), number(rows_.first_target));
  const auto end =
      std::lower_bound(begin, post.elements.end(), number(rows_.first_target + rows_.targets));
  for (auto e = begin; e != end; ++e) {
    const std::size_t target = index(*e) - rows_.first_target;
    if (on_post_) {
      for (std::size_t i = 0; i < kept_.size(); ++i) {
        kept_values_[i] = seen_of_target(kept_[i], target);
      }
      pending_.push(target, step, kept_values_);
    }
    const std::int32_t payload = post.payloads[static_cast<std::size_t>(e - post.elements.begin())];
    for (std::size_t t = 0; t < target_traces_.size(); ++t) {
      if (target_traces_[t].empty()) continue;
      float& value = target_traces_[t][target];
      const bool adds = attrs_.traces[t].mode == TraceSpec::Mode::add;
      value = adds ? value + static_cast<float>(payload) : 1.0f;
    }
  }
}

void PlasticPart::end_epoch(std::int64_t step) {
  if (on_epoch_) {
    rest_all(step);
    run_on_epoch();
    sources_.end(step);
  }
  for (std::size_t t = 0; t < target_traces_.size(); ++t) {
    if (attrs_.traces[t].mode != TraceSpec::Mode::flag) continue;
    std::fill(target_traces_[t].begin(), target_traces_[t].end(), 0.0f);
  }
}

}  // namespace procgraph
