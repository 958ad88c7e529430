#include "engine/runtime_node.hpp"

#include "engine/channel.hpp"
#include "format/text.hpp"

namespace procgraph {
namespace {

/// The initial values of all lanes, of which there may be one for all elements.
Buffer<std::byte> initial(const StateColumn& state) {
  const std::size_t item = item_size(state.spec->dtype);
  const bool common = state.spec->values->count == 1;
  Buffer<std::byte> values(state.bytes());
  for (std::size_t i = 0; i < state.count(); ++i) {
    const std::size_t from = common ? 0 : i % state.n;
    std::memcpy(values.data() + i * item, state.spec->values->data + from * item, item);
  }
  return values;
}

}  // namespace

RuntimeNode::RuntimeNode(const Node& spec, const BuildContext& context)
    : loops_(*context.isa.loops), spec_(&spec), lanes_(static_cast<std::size_t>(context.lanes)) {
  for (const auto& port : spec.inputs) inputs.emplace_back(port, context.lanes);
  for (const auto& port : spec.outputs) outputs.emplace_back(port, context.lanes);
  if (spec.is_host()) return;  // its states belong to the host
  for (const auto& state : spec.states) {
    const auto n = static_cast<std::size_t>(spec.state_size(state));
    states.emplace_back(state, n, lanes_);
  }
}

void RuntimeNode::tick(std::int64_t step) {
  pull(step);
  for (Output& output : outputs) output.begin(step);
  if (!take_tick(step)) return;
  for (Input& input : inputs) input.drain();
  compute(step);
  for (Output& output : outputs) output.count(step);
}

void RuntimeNode::finish_build() {
  for (Output& output : outputs) output.owner = this;
  for (Input& input : inputs) {
    input.owner = this;
    input.allocate();
  }
}

void RuntimeNode::reset() {
  for (Input& input : inputs) {
    input.clear();
    for (Channel* channel : input.channels) channel->reset();
  }
  for (Output& output : outputs) output.reset();
  for (StateColumn& state : states) put_state(state, initial(state).data());
  clock_.ticks = 0;
  spent = 0;
}

void RuntimeNode::seek(std::int64_t step, std::uint64_t) {
  const std::int64_t period = spec_->period;
  const std::int64_t phase = spec_->phase;
  clock_.next_tick = step <= phase ? phase : phase + (step - phase + period - 1) / period * period;
}

bool RuntimeNode::waits_for_emission() const {
  for (const Input& input : inputs) {
    for (const Channel* channel : input.channels) {
      const RuntimeNode& from = *channel->source().owner;
      const bool emits = from.spec().synapse() != nullptr && !from.idle(Action::emit);
      if (emits && channel->spec().delay == 0 && from.emits_as_cut() != &input) return true;
    }
  }
  return false;
}

StateColumn* RuntimeNode::find_state(std::string_view name) {
  for (StateColumn& state : states) {
    if (state.spec->name == name) return &state;
  }
  return nullptr;
}

void RuntimeNode::no_parameter(std::string_view section, std::string_view name) const {
  throw Error(ErrorKind::name, text("node '", spec_->name, "'"),
              text("has no ", section, name.empty() ? "" : " '", name, name.empty() ? "" : "'"));
}

Array RuntimeNode::read_parameter(std::string_view section, std::string_view name) const {
  no_parameter(section, name);
}

void RuntimeNode::write_parameter(std::string_view section, std::string_view name,
                                  const ArrayView&) {
  no_parameter(section, name);
}

void RuntimeNode::read_elements(StateColumn& state, std::span<const std::int64_t> elements,
                                std::byte* out) const {
  const auto at = [&](std::size_t place) { return state.at(place); };
  pick_elements(state.n, lanes(), item_size(state.spec->dtype), elements, at, out);
}

}  // namespace procgraph
