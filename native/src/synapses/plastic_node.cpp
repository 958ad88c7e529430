#include "synapses/plastic_node.hpp"

#include <algorithm>

#include "engine/channel.hpp"
#include "engine/grain.hpp"
#include "format/text.hpp"

namespace procgraph {

namespace {

/// Where `parts` ranges of rows begin, each with about as many synapses, and the end.
std::vector<std::size_t> cut_evenly(const PlasticRows& rows, std::size_t parts) {
  std::vector<std::size_t> cuts{0};
  const std::size_t count = rows.row_begin.size() - 1;
  for (std::size_t p = 1; p < parts; ++p) {
    const auto begin =
        std::lower_bound(rows.row_begin.begin(), rows.row_begin.end() - 1, rows.size() * p / parts);
    cuts.push_back(static_cast<std::size_t>(begin - rows.row_begin.begin()));
  }
  cuts.push_back(count);
  return cuts;
}

}  // namespace

PlasticNode::PlasticNode(const Node& spec, const BuildContext& context)
    : RuntimeNode(spec, context),
      attrs_(std::get<PlasticAttrs>(spec.attrs)),
      synapses_(list_synapses(attrs_, loops_)) {
  check_places();
  for (const RuleFunctionSpec& function : attrs_.functions) {
    has_epochs_ |= function.event == "epoch";
    hosted_ |= context.kernels.find(function.kernel, function.hash).fn == nullptr;
  }
  const auto synapses = static_cast<std::size_t>(attrs_.synapses);
  const PlasticRows& rows = synapses_.rows;
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    lanes_.push_back(std::make_unique<PlasticLane>(spec, rows));
  }
  const std::size_t count = parts_worth(context);
  for (std::size_t p = 0; p < count; ++p) {
    for (const auto& lane : lanes_) {
      parts_.push_back(
          std::make_unique<PlasticPart>(spec, *lane, p, count, context.kernels, loops_));
    }
  }
  row_cuts_ = cut_evenly(rows, count);
  if (attrs_.dendritic) past_posts_.resize(static_cast<std::size_t>(attrs_.delays.largest) + 1);
  states.clear();  // kept by place here, exported by number
  const auto add = [&](const std::string& name, Item item) { items_.emplace_back(name, item); };
  add("w", {Item::Kind::variable, 0, synapses});
  for (const auto& state : spec.states)
    add(state.name, {Item::Kind::variable, items_.size(), synapses});
  for (std::size_t t = 0; t < attrs_.traces.size(); ++t) {
    const bool pre = attrs_.traces[t].side == TraceSpec::Side::pre;
    add(attrs_.traces[t].name, {pre ? Item::Kind::source_trace : Item::Kind::target_trace, t,
                                static_cast<std::size_t>(pre ? attrs_.n_pre : attrs_.n_post)});
  }
  index_.resize(std::max(inputs[0].n(), inputs[1].n()) + 16);
  values_.resize(index_.size());
}

/// Where synapses have delays of their own, what they add to or look back to has a number of 31
/// bits.
void PlasticNode::check_places() const {
  const std::int64_t steps = std::int64_t{attrs_.delays.largest} + 1;
  const bool one_by_one = attrs_.dendritic || synapses_.rows.delay.size() != 0;
  if (!one_by_one || attrs_.n_post <= INT32_MAX / steps) return;
  throw Error(ErrorKind::argument, text("node '", spec().name, "'"),
              text("has ", attrs_.n_post, " targets and delays up to ", steps - 1,
                   " steps; allowed: ", INT32_MAX,
                   " sums, one for each target and step; shorten the delays, or divide the targets "
                   "between several projections"));
}

/// As many as there are threads, but for small nodes, for functions that the caller has to run, and
/// where sums for each part (and past traces) would take more room than the synapses.
std::size_t PlasticNode::parts_worth(const BuildContext& context) const {
  constexpr std::size_t kSmall = std::size_t{1} << 18;
  if (hosted_) return 1;
  const auto synapses = static_cast<std::size_t>(attrs_.synapses);
  const auto slots = static_cast<std::size_t>(attrs_.delays.largest) + 1;
  const std::size_t past = attrs_.dendritic ? attrs_.traces.size() : 0;
  const std::size_t sums =
      std::max<std::size_t>((1 + past) * slots * static_cast<std::size_t>(attrs_.n_post), 1);
  const std::size_t room = 1 + std::max(kSmall, 3 * synapses) / sums;
  const std::size_t worth = std::min(room, lanes() * synapses / grain().elements);
  return std::clamp<std::size_t>(worth, 1, static_cast<std::size_t>(context.threads));
}

float PlasticNode::initial(std::size_t variable, std::size_t number) const {
  if (variable == 0 && !synapses_.drawn.empty()) return synapses_.drawn[number];
  const Tensor& tensor = variable == 0 ? *attrs_.weights : *spec().states[variable - 1].values;
  return tensor.as<float>()[tensor.count == 1 ? 0 : number];
}

void PlasticNode::reset() {
  RuntimeNode::reset();
  now_ = 0;
  for (Events& posts : past_posts_) posts.clear(lanes());
  for (auto& part : parts_) part->reset();
  const PlasticRows& rows = synapses_.rows;
  for (auto& lane : lanes_) {
    lane->sources.reset();
    lane->seek(0);
    for (std::size_t v = 0; v <= spec().states.size(); ++v) {
      float* values = lane->variables[v].data();
      for (std::size_t place = 0; place < rows.size(); ++place) {
        values[place] = initial(v, rows.number.data()[place]);
      }
    }
  }
}

void PlasticNode::seek(std::int64_t step, std::uint64_t seed) {
  RuntimeNode::seek(step, seed);
  now_ = step;
  for (auto& lane : lanes_) lane->seek(step);
  for (auto& part : parts_) part->seek(step);
}

void PlasticNode::Events::clear(std::size_t lanes) {
  elements.clear();
  payloads.clear();
  begins.assign(lanes + 1, 0);
}

void PlasticNode::Events::add(std::size_t lane, const std::int32_t* index,
                              const std::int32_t* payload, std::size_t count) {
  elements.insert(elements.end(), index, index + count);
  payloads.insert(payloads.end(), payload, payload + count);
  begins[lane + 1] = elements.size();
}

Arrivals PlasticNode::Events::of(std::size_t lane) const {
  const std::size_t count = begins[lane + 1] - begins[lane];
  return {{elements.data() + begins[lane], count}, {payloads.data() + begins[lane], count}};
}

void PlasticNode::take_events(std::size_t input, std::int64_t step) {
  Input& in = inputs[input];
  Events& events = events_[input];
  events.clear(lanes());
  if (const Channel* only = in.plain_events()) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      const EventList& list = only->source().events.at(step - only->spec().delay, lane);
      events.add(lane, list.index(), list.payload(), list.size());
    }
    return;
  }
  in.pull(step);
  in.drain();
  if (in.clean()) return;
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    const auto* sums = reinterpret_cast<const std::int32_t*>(in.sums(lane));
    const std::size_t count =
        loops_.compact(sums, in.n(), 0, INT32_MAX, index_.data(), values_.data());
    events.add(lane, index_.data(), values_.data(), count);
  }
  in.clear();
}

void PlasticNode::run_all(Action action, std::int64_t step) {
  for (int p = 0; p < parts(action); ++p) run_part(action, step, p);
  epilogue(action, step);
}

void PlasticNode::absorb(std::int64_t step) {
  prologue(step);
  run_all(Action::absorb, step);
  if (has_epochs()) run_all(Action::epoch, step);
}

void PlasticNode::emit(std::int64_t step) {
  run_all(Action::emit, step);
}

std::int64_t PlasticNode::synapse_count() const {
  return static_cast<std::int64_t>(synapses_.rows.size());
}

std::size_t PlasticNode::storage_bytes() const {
  const auto variables = std::count_if(items_.begin(), items_.end(), [](const auto& item) {
    return item.second.kind == Item::Kind::variable;
  });
  const std::size_t values = sizeof(float) * static_cast<std::size_t>(variables) * lanes();
  return values * synapses_.rows.size() + synapses_.rows.bytes();
}

void PlasticNode::divide(int, const Cuts* cuts) {
  const Input* target = cuts == nullptr ? nullptr : emits_as_cut();
  emitted_.clear();
  if (target != nullptr && target->owner->can_follow_delivery()) {
    cut_emission(*target, *cuts);
  } else {
    cut_emission_evenly();
  }
}

void PlasticNode::cut_emission(const Input& target, const Cuts& cuts) {
  const std::uint64_t first = target.offset();
  for (std::size_t r = 0; r < cuts.ranges().size(); ++r) {
    const Reach& range = cuts.ranges()[r];
    const std::size_t begin = std::clamp(range.begin, first, first + target.n()) - first;
    const std::size_t end = std::clamp(range.end, first, first + target.n()) - first;
    if (begin < end) emitted_.push_back({begin, end, static_cast<int>(cuts.thread_of(r))});
  }
}

void PlasticNode::cut_emission_evenly() {
  const std::size_t n = outputs[0].n();
  const std::size_t most = part_count();
  const std::size_t worth = most * lanes() * n / grain().elements;
  const std::size_t count = std::clamp<std::size_t>(worth, 1, most);
  for (std::size_t p = 0; p < count; ++p) {
    emitted_.push_back({n * p / count, n * (p + 1) / count, static_cast<int>(p)});
  }
}

/// The only one that takes what is emitted, if it can be taken in ranges.
const Input* PlasticNode::emits_as_cut() const {
  if (attrs_.delays.smallest == 0 || outputs[0].channels.size() != 1) return nullptr;
  const Channel& only = *outputs[0].channels[0];
  const bool plain = only.divisible() && only.spec().delay == 0;
  return plain && only.target().delivered() ? &only.target() : nullptr;
}

int PlasticNode::parts(Action action) const {
  return static_cast<int>(action == Action::emit ? emitted_.size() : part_count());
}

int PlasticNode::thread_of(Action action, int part) const {
  return action == Action::emit ? emitted_[static_cast<std::size_t>(part)].thread : part;
}

void PlasticNode::prologue(std::int64_t step) {
  take_tick(step);
  take_events(0, step);
  take_events(1, step);
  inputs[2].gather(step);
  now_ = step + 1;
  if (attrs_.dendritic) past_posts(step) = events_[1];
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    auto& modulators = lanes_[lane]->modulators;
    if (part(0, lane).full() || (modulators && modulators->full())) settle_lane(lane, step);
    if (modulators) modulators->push(modulator(step, lane));
    lanes_[lane]->restart();
  }
}

void PlasticNode::run_part(Action action, std::int64_t step, int part) {
  const auto number = static_cast<std::size_t>(part);
  if (action == Action::absorb) {
    absorb_part(step, number);
  } else if (action == Action::epoch) {
    end_epoch(step, number);
  } else {
    emit_range(step, emitted_[number].begin, emitted_[number].end);
  }
}

const float* PlasticNode::modulator(std::int64_t step, std::size_t lane) {
  return reinterpret_cast<const float*>(inputs[2].gathered(step, lane));
}

void PlasticNode::absorb_part(std::int64_t step, std::size_t number) {
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    part(number, lane)
        .absorb(step, {events_[0].of(lane), events_[1].of(lane), modulator(step, lane)});
  }
}

void PlasticNode::end_epoch(std::int64_t step, std::size_t number) {
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    if (!lanes_[lane]->sources.ends_epoch(step)) return;
    part(number, lane).end_epoch(step, row_cuts_[number], row_cuts_[number + 1]);
  }
}

void PlasticNode::epilogue(Action action, std::int64_t step) {
  if (action == Action::emit) {
    for (const auto& part : parts_) part->mark_silent(step);
  } else if (action == Action::epoch) {
    for (auto& lane : lanes_) lane->sources.end(step);
  }
}

bool PlasticNode::caller_only() const {
  return hosted_;
}

/// Supposes that three synapses in a thousand learn in a step, at 3 ns each.
double PlasticNode::cost(Action action) const {
  const auto lanes_count = static_cast<double>(lanes());
  const auto synapses = lanes_count * static_cast<double>(attrs_.synapses);
  if (action == Action::emit) {
    return kSmallCost + 0.1 * lanes_count * static_cast<double>(part_count()) * attrs_.n_post;
  }
  return kSmallCost + (action == Action::epoch ? 1 : 0.01) * synapses;
}

bool PlasticNode::silent(std::int64_t step) const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [step](const auto& part) { return part->silent(step); });
}

void PlasticNode::emit_range(std::int64_t step, std::size_t begin, std::size_t end) {
  outputs[0].set_silent(step, silent(step));
  if (silent(step)) return;
  const std::size_t n = end - begin;
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    auto* to = reinterpret_cast<std::uint32_t*>(outputs[0].current(step, lane)) + begin;
    std::fill_n(to, n, 0U);
    for (std::size_t p = 0; p < part_count(); ++p) {
      PlasticPart& from = part(p, lane);
      if (!from.silent(step)) loops_.take_sums(to, from.due(step) + begin, n);
    }
  }
}

std::unique_ptr<RuntimeNode> make_plastic(const Node& spec, const BuildContext& context) {
  return std::make_unique<PlasticNode>(spec, context);
}

}  // namespace procgraph
