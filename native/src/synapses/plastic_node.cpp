#include "synapses/plastic_node.hpp"

#include <algorithm>
#include <cstring>

#include "engine/channel.hpp"
#include "engine/grain.hpp"

namespace procgraph {

PlasticNode::PlasticNode(const Node& spec, const BuildContext& context)
    : RuntimeNode(spec, context), attrs_(std::get<PlasticAttrs>(spec.attrs)) {
  const auto synapses = static_cast<std::size_t>(attrs_.synapses);
  bool hosted = false;
  for (const RuleFunctionSpec& function : attrs_.functions) {
    hosted |= context.kernels.find(function.kernel, function.hash).fn == nullptr;
  }
  const std::size_t worth = hosted ? 1 : lanes() * synapses / grain().elements;
  const auto threads = static_cast<std::size_t>(context.threads);
  synapses_ = list_synapses(attrs_, std::clamp(worth, std::size_t{1}, threads), loops_);
  for (const auto& rows : synapses_.ranges) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      parts_.push_back(std::make_unique<PlasticPart>(spec, *rows, context.kernels, loops_));
    }
  }
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

float PlasticNode::initial(std::size_t variable, std::size_t number) const {
  if (variable == 0 && !synapses_.drawn.empty()) return synapses_.drawn[number];
  const Tensor& tensor = variable == 0 ? *attrs_.weights : *spec().states[variable - 1].values;
  return tensor.as<float>()[tensor.count == 1 ? 0 : number];
}

void PlasticNode::reset() {
  RuntimeNode::reset();
  now_ = 0;
  for (auto& part : parts_) {
    part->reset();
    const PlasticRows& rows = part->rows();
    for (std::size_t v = 0; v <= spec().states.size(); ++v) {
      float* values = part->variable(v);
      for (std::size_t place = 0; place < rows.size(); ++place) {
        values[place] = initial(v, rows.number.data()[place]);
      }
    }
  }
}

void PlasticNode::seek(std::int64_t step, std::uint64_t seed) {
  RuntimeNode::seek(step, seed);
  now_ = step;
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

void PlasticNode::absorb(std::int64_t step) {
  prologue(step);
  const auto ranges = static_cast<int>(synapses_.ranges.size());
  for (int range = 0; range < ranges; ++range) run_part(Action::absorb, step, range);
}

std::int64_t PlasticNode::synapse_count() const {
  std::size_t count = 0;
  for (const auto& rows : synapses_.ranges) count += rows->size();
  return static_cast<std::int64_t>(count);
}

std::size_t PlasticNode::storage_bytes() const {
  const auto variables = std::count_if(items_.begin(), items_.end(), [](const auto& item) {
    return item.second.kind == Item::Kind::variable;
  });
  const std::size_t values = sizeof(float) * static_cast<std::size_t>(variables) * lanes();
  std::size_t bytes = values * static_cast<std::size_t>(synapse_count());
  for (const auto& rows : synapses_.ranges) bytes += rows->bytes();
  return bytes;
}

int PlasticNode::parts(Action action) const {
  return action == Action::absorb ? static_cast<int>(synapses_.ranges.size()) : 1;
}

void PlasticNode::prologue(std::int64_t step) {
  take_tick(step);
  take_events(0, step);
  take_events(1, step);
  inputs[2].gather(step);
  now_ = step + 1;
}

void PlasticNode::run_part(Action, std::int64_t step, int range) {
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    const auto* modulator = reinterpret_cast<const float*>(inputs[2].gathered(step, lane));
    part(static_cast<std::size_t>(range), lane)
        .absorb(step, events_[0].of(lane), events_[1].of(lane), modulator);
  }
}

bool PlasticNode::caller_only() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const auto& p) { return p->hosted(); });
}

/// Supposes that three synapses in a thousand learn in a step, at 3 ns each.
double PlasticNode::cost(Action action) const {
  const auto lanes_count = static_cast<double>(lanes());
  if (action == Action::emit) return kSmallCost + 0.1 * lanes_count * attrs_.n_post;
  return kSmallCost + 0.01 * lanes_count * static_cast<double>(attrs_.synapses);
}

void PlasticNode::emit(std::int64_t step) {
  Output& output = outputs[0];
  const bool silent =
      std::all_of(parts_.begin(), parts_.end(), [step](const auto& p) { return p->silent(step); });
  output.set_silent(step, silent);
  if (silent) return;
  for (std::size_t range = 0; range < synapses_.ranges.size(); ++range) {
    const PlasticRows& rows = *synapses_.ranges[range];
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      PlasticPart& from = part(range, lane);
      std::memcpy(output.current(step, lane) + rows.first_target, from.due(step),
                  rows.targets * sizeof(std::uint32_t));
      from.forget_due(step);
    }
  }
}

std::unique_ptr<RuntimeNode> make_plastic(const Node& spec, const BuildContext& context) {
  return std::make_unique<PlasticNode>(spec, context);
}

}  // namespace procgraph
