#include "engine/checkpoint.hpp"
#include "engine/engine_impl.hpp"
#include "format/text.hpp"

namespace procgraph {
namespace {

Array rows_array(const std::vector<std::int32_t>& values, std::int64_t columns) {
  Array out(DType::int32, {static_cast<std::int64_t>(values.size()) / columns, columns});
  if (!values.empty()) std::memcpy(out.data.get(), values.data(), out.nbytes());
  return out;
}

Array export_ring(const EventRing& ring, std::int64_t last, std::int32_t ages, std::size_t lanes) {
  std::vector<std::int32_t> rows;
  for (std::int32_t age = 0; age < ages; ++age) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const EventList& events = ring.at(last - age, lane);
      for (std::size_t e = 0; e < events.size(); ++e) {
        rows.insert(rows.end(),
                    {age, static_cast<std::int32_t>(lane), events.index()[e], events.payload()[e]});
      }
    }
  }
  return rows_array(rows, 4);
}

Array export_values(Output& output, std::int64_t last) {
  const OutputPort& port = output.port();
  Array out(port.dtype, {port.depth, static_cast<std::int64_t>(output.lanes()), port.n});
  const std::size_t size = output.lanes() * output.lane_bytes();
  for (std::int32_t age = 0; age < port.depth; ++age) {
    std::byte* to = out.data.get() + static_cast<std::size_t>(age) * size;
    if (port.kind == PortKind::current && output.silent(last - age)) {
      std::memset(to, 0, size);
    } else {
      std::memcpy(to, output.array(last - age, 0), size);
    }
  }
  return out;
}

Array export_state_of(const RuntimeNode& node, const StateColumn& state) {
  Array out(state.spec->dtype,
            {static_cast<std::int64_t>(node.lanes()), static_cast<std::int64_t>(state.n)});
  node.copy_state(state, out.data.get());
  return out;
}

Array export_sums(const Input& input, std::int32_t batch) {
  Array out(DType::int32, {batch, static_cast<std::int64_t>(input.n())});
  if (input.clean()) {
    std::memset(out.data.get(), 0, out.nbytes());
    return out;
  }
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(batch); ++lane) {
    input.copy_sums(lane, out.as<std::int32_t>() + lane * input.n());
  }
  return out;
}

Array export_queue(const std::vector<BoundedQueue>& queues) {
  std::vector<std::int32_t> rows;
  for (std::size_t lane = 0; lane < queues.size(); ++lane) {
    for (std::size_t i = 0; i < queues[lane].size(); ++i) {
      const QueuedEvent& event = queues[lane][i];
      rows.insert(rows.end(), {static_cast<std::int32_t>(lane), event.index, event.payload});
    }
  }
  return rows_array(rows, 3);
}

}  // namespace

std::string parameter_key(const std::string& node, const std::string& section,
                          const std::string& name) {
  return text(node, "/column/", section == "column" ? name : section);
}

State Engine::Impl::export_state() {
  check_usable();
  for (const HostEntry& host : hosts) {
    if (host.begun != step) continue;
    throw Error(ErrorKind::state, text("node '", host.node->spec().name, "'"),
                text("is within its tick at step ", step, "; run the step first"));
  }
  State out;
  const std::int64_t last = step - 1;
  for (auto& node : nodes) {
    const std::string& name = node->spec().name;
    node->materialise(last);
    for (const StateColumn& state : node->states) {
      out.emplace(text(name, "/state/", state.spec->name), export_state_of(*node, state));
    }
    for (Input& input : node->inputs) {
      if (input.port().kind == PortKind::array) continue;
      out.emplace(text(name, "/in/", input.port().name), export_sums(input, batch));
    }
    for (Output& output : node->outputs) {
      const OutputPort& port = output.port();
      out.emplace(text(name, "/out/", port.name),
                  port.kind == PortKind::events
                      ? export_ring(output.events, last, port.depth, output.lanes())
                      : export_values(output, last));
    }
    if (const auto history = node->history(); history.ring != nullptr) {
      out.emplace(text(name, "/history/s_in"),
                  export_ring(*history.ring, last - history.delay,
                              node->spec().synapse()->delays.largest, node->lanes()));
    }
    for (auto& [key, values] : node->export_own(step)) {
      out.emplace(text(name, "/", key), std::move(values));
    }
    for (const auto& [section, item] : node->written_parameters()) {
      out.emplace(parameter_key(name, section, item), node->read_parameter(section, item));
    }
  }
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (!channels[i]->bounded()) continue;
    out.emplace(text("channel/", i, "/queue"), export_queue(channels[i]->queues()));
  }
  return out;
}

State Engine::export_state() {
  return impl_->export_state();
}

}  // namespace procgraph
