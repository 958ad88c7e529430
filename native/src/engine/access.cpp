#include <algorithm>
#include <cmath>

#include "engine/dense_events.hpp"
#include "engine/engine_impl.hpp"
#include "format/text.hpp"
#include "nodes/parameters.hpp"
#include "synapses/plastic_node.hpp"
#include "synapses/synapse_node.hpp"

namespace procgraph {
namespace {

std::string entity(const RuntimeNode& node) {
  return text("node '", node.spec().name, "'");
}

template <class Items, class Name>
std::string names(const Items& items, Name&& name) {
  std::string out;
  for (const auto& item : items) out += text(out.empty() ? "" : ", ", name(item));
  return out.empty() ? "none" : out;
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

}  // namespace

Array::Array(DType type, std::vector<std::int64_t> extents)
    : dtype(type), shape(std::move(extents)) {
  data = std::make_unique_for_overwrite<std::byte[]>(nbytes());
}

std::int64_t Array::count() const {
  return product(shape);
}

std::size_t Array::nbytes() const {
  return static_cast<std::size_t>(count()) * item_size(dtype);
}

std::int64_t ArrayView::count() const {
  return product(shape);
}

RuntimeNode& Engine::Impl::find_node(std::string_view name) const {
  const auto& specs = program->nodes;
  const auto found = std::lower_bound(specs.begin(), specs.end(), name,
                                      [](const Node& n, std::string_view s) { return n.name < s; });
  if (found == specs.end() || found->name != name) {
    throw Error(ErrorKind::name, text("node '", name, "'"), "is not in this Program");
  }
  return *nodes[static_cast<std::size_t>(found - specs.begin())];
}

Input& Engine::Impl::find_input(RuntimeNode& node, std::string_view name) const {
  for (Input& input : node.inputs) {
    if (input.port().name == name) return input;
  }
  throw Error(ErrorKind::name, entity(node),
              text("has no input '", name, "'; it has ",
                   names(node.inputs, [](const Input& i) { return i.port().name; })));
}

Output& Engine::Impl::find_output(RuntimeNode& node, std::string_view name) const {
  for (Output& output : node.outputs) {
    if (output.port().name == name) return output;
  }
  throw Error(ErrorKind::name, entity(node),
              text("has no output '", name, "'; it has ",
                   names(node.outputs, [](const Output& o) { return o.port().name; })));
}

StateColumn& Engine::Impl::find_state(RuntimeNode& node, std::string_view name) const {
  StateColumn* state = node.find_state(name);
  if (state != nullptr) return *state;
  throw Error(ErrorKind::name, entity(node),
              text("has no state '", name, "'; it has ",
                   names(node.states, [](const StateColumn& s) { return s.spec->name; })));
}

Engine::Impl::HostEntry& Engine::Impl::find_host(std::string_view name, bool begun) {
  RuntimeNode& node = find_node(name);
  for (HostEntry& host : hosts) {
    if (host.node != &node) continue;
    if (begun && host.begun != step) {
      throw Error(ErrorKind::state, entity(node), text("has not begun a tick at step ", step));
    }
    return host;
  }
  throw Error(ErrorKind::name, entity(node), "is no host node");
}

Array Engine::Impl::take_input(std::string_view name, std::string_view port) {
  RuntimeNode& node = *find_host(name, true).node;
  Input& input = find_input(node, port);
  const auto n = static_cast<std::int64_t>(input.n());
  Array out(input.port().dtype, {batch, n});
  const std::size_t lane_bytes = input.n() * item_size(input.port().dtype);
  for (std::size_t lane = 0; lane < node.lanes(); ++lane) {
    std::byte* to = out.data.get() + lane * lane_bytes;
    if (input.port().kind == PortKind::array) {
      std::memcpy(to, input.held(step, lane), lane_bytes);
    } else if (input.clean()) {
      std::memset(to, 0, lane_bytes);
    } else {
      std::memcpy(to, input.sums(lane), lane_bytes);
    }
  }
  input.clear();
  return out;
}

void Engine::Impl::publish(std::string_view name, std::string_view port, const ArrayView& values) {
  RuntimeNode& node = *find_host(name, true).node;
  Output& output = find_output(node, port);
  const bool current = output.port().kind == PortKind::current;
  const DType dtype = current ? DType::float32 : output.port().dtype;
  check_shape(name, port, values, dtype, {batch, output.port().n});
  switch (output.port().kind) {
    case PortKind::events:
      publish_events(output, static_cast<const std::int32_t*>(values.data));
      break;
    case PortKind::current:
      publish_current(output, static_cast<const float*>(values.data));
      break;
    case PortKind::array:
      std::memcpy(output.array(step, 0), values.data, output.lanes() * output.lane_bytes());
      break;
  }
}

void Engine::Impl::publish_events(Output& output, const std::int32_t* payloads) {
  std::vector<std::int32_t> index(output.n() + 16);
  std::vector<std::int32_t> values(output.n() + 16);
  output.events.clear(step);
  for (std::size_t lane = 0; lane < output.lanes(); ++lane) {
    const std::size_t count = isa.loops->compact(payloads + lane * output.n(), output.n(), 0,
                                                 static_cast<std::int32_t>(output.port().limit),
                                                 index.data(), values.data());
    output.events.at(step, lane).append(index.data(), values.data(), count);
  }
}

void Engine::Impl::publish_current(Output& output, const float* values) {
  const float factor = std::ldexp(1.0f, output.port().scale);
  isa.loops->to_fixed(values, output.n() * output.lanes(), output.port().bound, factor,
                      output.current(step, 0));
  output.set_silent(step, false);
}

Array Engine::Impl::read(std::string_view name, std::string_view section,
                         std::string_view item) const {
  RuntimeNode& node = find_node(name);
  if (section != "state" || node.states.empty()) return node.read_parameter(section, item);
  const StateColumn& state = find_state(node, item);
  Array out(state.spec->dtype, {batch, static_cast<std::int64_t>(state.n)});
  node.read_state(state, out.data.get());
  return out;
}

void Engine::Impl::write(std::string_view name, std::string_view section, std::string_view item,
                         const ArrayView& values) {
  RuntimeNode& node = find_node(name);
  node.materialise(step - 1);
  if (section != "state" || node.states.empty()) {
    for (Output& output : node.outputs) {
      if (output.dense) output.dense->draw_from(step);
    }
    node.write_parameter(section, item, values);
    if (std::any_of(node.outputs.begin(), node.outputs.end(), is_undrawn)) plan.reset();
    return;
  }
  StateColumn& state = find_state(node, item);
  check_shape(name, item, values, state.spec->dtype, {batch, static_cast<std::int64_t>(state.n)});
  node.catch_up();
  node.put_state(state, static_cast<const std::byte*>(values.data));
}

DType Engine::Impl::dtype_of(std::string_view name, std::string_view section,
                             std::string_view item) const {
  RuntimeNode& node = find_node(name);
  const bool plastic = std::holds_alternative<PlasticAttrs>(node.spec().attrs);
  if (section == "weights" || (plastic && section == "state")) return DType::float32;
  if (section == "state") return find_state(node, item).spec->dtype;
  if (section == "output") {
    const OutputPort& port = find_output(node, item).port();
    return port.kind == PortKind::current ? DType::float32 : port.dtype;
  }
  for (const NamedTensor& column : node.spec().columns) {
    if (section == "column" && column.name == item) return column.dtype;
  }
  const auto* source = std::get_if<DenseSourceAttrs>(&node.spec().attrs);
  if (section == "values" && source != nullptr) return source->values->dtype;
  throw Error(ErrorKind::name, entity(node), text("has no ", section, " '", item, "'"));
}

namespace {

/// Of `n` values of a lane.
void check_sampling(const Sampling& sampling, std::int64_t n) {
  if (sampling.every < 1) {
    throw Error(ErrorKind::argument, "every", text("is ", sampling.every, "; allowed: 1 ..."));
  }
  for (const std::int64_t element : sampling.elements) {
    if (element >= 0 && element < n) continue;
    throw Error(ErrorKind::argument, "elements", text("has ", element, "; allowed: 0 ... ", n - 1));
  }
}

}  // namespace

int Engine::Impl::record_output(std::string_view name, std::string_view port, Sampling sampling) {
  RuntimeNode& node = find_node(name);
  Output& output = find_output(node, port);
  check_sampling(sampling, static_cast<std::int64_t>(output.n()));
  if (output.port().kind == PortKind::events && !sampling.elements.empty()) {
    throw Error(ErrorKind::argument, "elements", "are given for events, which are recorded of all");
  }
  node.materialise(step - 1);
  list_events();
  recorders.reserve(recorders.size() + 1);
  ++output.recorders;
  if (auto* synapse = dynamic_cast<SynapseNode*>(&node)) synapse->work_alone();
  recorders.push_back(std::make_unique<Recorder>(output, std::move(sampling)));
  return static_cast<int>(recorders.size()) - 1;
}

int Engine::Impl::record_state(std::string_view name, std::string_view item, Sampling sampling) {
  RuntimeNode& node = find_node(name);
  if (std::holds_alternative<PlasticAttrs>(node.spec().attrs)) {
    const std::int64_t n = node.read_parameter("state", item).shape[1];
    check_sampling(sampling, n);
    recorders.push_back(std::make_unique<Recorder>(
        node, std::string(item), static_cast<std::size_t>(n), std::move(sampling)));
    return static_cast<int>(recorders.size()) - 1;
  }
  StateColumn& state = find_state(node, item);
  check_sampling(sampling, static_cast<std::int64_t>(state.n));
  recorders.push_back(std::make_unique<Recorder>(node, state, std::move(sampling)));
  return static_cast<int>(recorders.size()) - 1;
}

Stats Engine::Impl::stats() const {
  Stats out;
  out.profiled = profile;
  out.delivery_seconds = 1e-9 * static_cast<double>(tables->spent);
  for (const auto& node : nodes) node->settle_counts();
  for (const auto& node : nodes) {
    NodeStats& entry = out.nodes[node->spec().name];
    entry.ticks = node->ticks();
    entry.seconds = 1e-9 * static_cast<double>(node->spent);
    for (const Output& output : node->outputs) entry.events += output.emitted;
  }
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const Channel& channel = *channels[i];
    if (!channel.bounded()) continue;
    ChannelStats entry;
    entry.channel = static_cast<std::int32_t>(i);
    entry.source = text(channel.source().owner->spec().name, ".", channel.source().port().name);
    entry.target = text(channel.target().owner->spec().name, ".", channel.target().port().name);
    for (const BoundedQueue& queue : channel.queues()) {
      entry.depth += static_cast<std::int64_t>(queue.size());
      entry.high_water = std::max(entry.high_water, queue.high_water);
      entry.dropped += queue.dropped;
    }
    out.channels.push_back(std::move(entry));
  }
  return out;
}

std::vector<TableStorage> Engine::Impl::storage() const {
  std::vector<TableStorage> out;
  for (const auto& table : tables->tables()) out.push_back(table->storage());
  const auto add = [&](const RuntimeNode& node, const Projection::Storage& own) {
    const std::string& name = node.spec().name;
    out.push_back({text(name, ".s_in"),
                   {name},
                   {own.synapses},
                   own.synapses,
                   static_cast<std::int64_t>(own.bytes),
                   std::string(storage_name(own.format)),
                   "node"});
  };
  for (const auto& node : nodes) {
    if (const auto* synapse = dynamic_cast<const SynapseNode*>(node.get())) {
      if (!synapse->merged()) add(*node, synapse->storage());
    } else if (const auto* plastic = dynamic_cast<const PlasticNode*>(node.get())) {
      add(*node, {StorageFormat::plastic, plastic->synapse_count(), plastic->storage_bytes()});
    }
  }
  return out;
}

std::vector<TableStorage> Engine::storage() const {
  return impl_->storage();
}

Array Engine::take_input(std::string_view node, std::string_view port) {
  return impl_->take_input(node, port);
}

void Engine::publish(std::string_view node, std::string_view port, const ArrayView& values) {
  impl_->publish(node, port, values);
}

Array Engine::read(std::string_view node, std::string_view section, std::string_view name) const {
  return impl_->read(node, section, name);
}

void Engine::write(std::string_view node, std::string_view section, std::string_view name,
                   const ArrayView& values) {
  impl_->write(node, section, name, values);
}

DType Engine::dtype_of(std::string_view node, std::string_view section,
                       std::string_view name) const {
  return impl_->dtype_of(node, section, name);
}

int Engine::record_output(std::string_view node, std::string_view port, std::int64_t every,
                          std::vector<std::int64_t> elements) {
  return impl_->record_output(node, port, {every, std::move(elements)});
}

int Engine::record_state(std::string_view node, std::string_view name, std::int64_t every,
                         std::vector<std::int64_t> elements) {
  return impl_->record_state(node, name, {every, std::move(elements)});
}

Recording Engine::recorded(int id, bool clear) {
  const auto count = static_cast<int>(impl_->recorders.size());
  if (id < 0 || id >= count) {
    throw Error(ErrorKind::argument, "recorder", text("is ", id, "; there are ", count));
  }
  Recorder& recorder = *impl_->recorders[static_cast<std::size_t>(id)];
  Recording out = recorder.collect();
  if (clear) recorder.clear();
  return out;
}

Stats Engine::stats() const {
  return impl_->stats();
}

}  // namespace procgraph
