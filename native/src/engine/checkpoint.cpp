#include <algorithm>
#include <array>
#include <functional>

#include "engine/engine_impl.hpp"
#include "format/text.hpp"
#include "nodes/parameters.hpp"

namespace procgraph {
namespace {

constexpr std::int64_t kMaxStep = std::int64_t{1} << 61;

using Row = std::array<std::int32_t, 4>;  // age, lane, index, payload

[[noreturn]] void refuse(const std::string& key, const std::string& problem) {
  throw Error(ErrorKind::checkpoint, text("checkpoint '", key, "'"), problem);
}

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

Array export_sums(Input& input, std::int32_t batch) {
  Array out(DType::int32, {batch, static_cast<std::int64_t>(input.n())});
  if (input.clean()) {
    std::memset(out.data.get(), 0, out.nbytes());
  } else {
    std::memcpy(out.data.get(), input.sums(0), out.nbytes());
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

std::string parameter_key(const std::string& node, const std::string& section,
                          const std::string& name) {
  return text(node, "/column/", section == "column" ? name : section);
}

/// Checks a whole checkpoint first and collects what is to be done; then does it.
class Importer {
 public:
  Importer(Engine::Impl& engine, std::int64_t step, const StateView& state)
      : engine_(engine), last_(step - 1), state_(state) {}

  void check() {
    for (auto& node : engine_.nodes) check_node(*node);
    for (std::size_t i = 0; i < engine_.channels.size(); ++i) {
      if (engine_.channels[i]->bounded()) check_queue(i);
    }
    for (const auto& [key, values] : state_) {
      if (known_.count(key) == 0 && !key.starts_with("host/")) refuse(key, "is unknown here");
    }
  }

  void apply() {
    for (auto& action : actions_) action();
  }

 private:
  const ArrayView& take(const std::string& key) {
    const auto found = state_.find(key);
    if (found == state_.end()) refuse(key, "is missing");
    known_[key] = true;
    return found->second;
  }

  const ArrayView& take(const std::string& key, DType dtype,
                        const std::vector<std::int64_t>& shape) {
    const ArrayView& values = take(key);
    if (values.dtype != dtype || values.shape != shape) {
      refuse(key, text("is ", dtype_name(values.dtype), " ", shape_text(values.shape),
                       "; allowed: ", dtype_name(dtype), " ", shape_text(shape)));
    }
    return values;
  }

  void check_node(RuntimeNode& node) {
    const std::string& name = node.spec().name;
    for (StateColumn& state : node.states) {
      const ArrayView& values = take(text(name, "/state/", state.spec->name), state.spec->dtype,
                                     {engine_.batch, static_cast<std::int64_t>(state.n)});
      actions_.push_back([&state, data = values.data] {
        std::memcpy(state.data.data(), data, state.data.size());
      });
    }
    for (Input& input : node.inputs) {
      if (input.port().kind != PortKind::array) check_sums(input, name);
    }
    for (Output& output : node.outputs) {
      const std::string key = text(name, "/out/", output.port().name);
      if (output.port().kind == PortKind::events) {
        check_ring(key, output.events, output.port().depth, output.port().n);
      } else {
        check_values(key, output);
      }
    }
    if (EventRing* history = node.history()) {
      const auto& synapse = *node.spec().synapse();
      const std::string key = text(name, "/history/s_in");
      check_ring(key, *history, synapse.delays.largest, synapse.n_pre);
    }
    check_own(node);
    check_parameters(node);
  }

  void check_own(RuntimeNode& node) {
    StateView own;
    for (const auto& [key, like] : node.export_own(last_ + 1)) {
      own[key] = take(text(node.spec().name, "/", key), like.dtype, like.shape);
    }
    if (own.empty()) return;
    actions_.push_back([&node, own, step = last_ + 1] { node.import_own(step, own); });
  }

  void check_parameters(RuntimeNode& node) {
    const auto add = [&](const std::string& section, const std::string& name) {
      const std::string key = parameter_key(node.spec().name, section, name);
      const auto found = state_.find(key);
      if (found == state_.end()) return;
      known_[key] = true;
      // Written now and taken back if anything is refused later: writing has its own checks.
      before_.emplace_back(&node, section, name, node.read_parameter(section, name));
      node.write_parameter(section, name, found->second);
    };
    for (const auto& column : node.spec().columns) add("column", column.name);
    if (node.spec().synapse() != nullptr) add("weights", "");
    if (std::holds_alternative<DenseSourceAttrs>(node.spec().attrs)) add("values", "");
  }

  void check_sums(Input& input, const std::string& name) {
    const std::string key = text(name, "/in/", input.port().name);
    const auto n = static_cast<std::int64_t>(input.n());
    const ArrayView& values = take(key, DType::int32, {engine_.batch, n});
    const auto* data = static_cast<const std::int32_t*>(values.data);
    const bool any = std::any_of(data, data + values.count(), [](auto x) { return x != 0; });
    if (!any) return;
    if (input.channels.empty()) refuse(key, "holds input although nothing is connected");
    actions_.push_back([&input, data, size = static_cast<std::size_t>(values.count())] {
      std::memcpy(input.sums(0), data, size * sizeof *data);
    });
  }

  void check_ring(const std::string& key, EventRing& ring, std::int32_t ages, std::int32_t n) {
    const ArrayView& values = take(key);
    if (values.dtype != DType::int32 || values.shape.size() != 2 || values.shape[1] != 4) {
      refuse(key, text("is ", dtype_name(values.dtype), " ", shape_text(values.shape),
                       "; allowed: int32 [rows, 4]"));
    }
    const auto* rows = static_cast<const Row*>(values.data);
    const auto count = values.shape[0];
    for (std::int64_t r = 0; r < count; ++r) {
      const auto& [age, lane, index, payload] = rows[r];
      const bool inside = age >= 0 && age < ages && lane >= 0 && lane < engine_.batch &&
                          index >= 0 && index < n && payload != 0;
      const bool ascending =
          r == 0 || std::lexicographical_compare(rows[r - 1].begin(), rows[r - 1].begin() + 3,
                                                 rows[r].begin(), rows[r].begin() + 3);
      if (!inside || !ascending) {
        refuse(key, text("row ", r, " (", age, ", ", lane, ", ", index, ", ", payload,
                         ") is out of range or order; allowed: ages below ", ages, ", lanes below ",
                         engine_.batch, ", elements below ", n, ", payloads other than 0"));
      }
    }
    actions_.push_back([&ring, rows, count, last = last_] {
      for (std::int64_t r = 0; r < count; ++r) {
        ring.at(last - rows[r][0], static_cast<std::size_t>(rows[r][1]))
            .append(rows[r][2], rows[r][3]);
      }
    });
  }

  void check_values(const std::string& key, Output& output) {
    const OutputPort& port = output.port();
    const ArrayView& values = take(key, port.dtype, {port.depth, engine_.batch, port.n});
    const auto* data = static_cast<const std::byte*>(values.data);
    actions_.push_back([&output, data, last = last_] {
      const std::size_t size = output.lanes() * output.lane_bytes();
      for (std::int32_t age = 0; age < output.port().depth; ++age) {
        std::memcpy(output.array(last - age, 0), data + static_cast<std::size_t>(age) * size, size);
        if (output.port().kind == PortKind::current) output.set_silent(last - age, false);
      }
    });
  }

  void check_queue(std::size_t number) {
    const std::string key = text("channel/", number, "/queue");
    Channel& channel = *engine_.channels[number];
    const ArrayView& values = take(key);
    if (values.dtype != DType::int32 || values.shape.size() != 2 || values.shape[1] != 3) {
      refuse(key, text("is ", dtype_name(values.dtype), " ", shape_text(values.shape),
                       "; allowed: int32 [rows, 3]"));
    }
    const auto* rows = static_cast<const std::array<std::int32_t, 3>*>(values.data);
    std::int64_t length = 0;
    for (std::int64_t r = 0; r < values.shape[0]; ++r) {
      const auto& [lane, index, payload] = rows[r];
      const std::int32_t previous = r == 0 ? 0 : rows[r - 1][0];
      length = lane == previous ? length + 1 : 1;
      if (lane < previous || lane >= engine_.batch || index < 0 ||
          index >= channel.target().port().n || length > *channel.spec().capacity) {
        refuse(key, text("row ", r, " (", lane, ", ", index, ", ", payload,
                         ") is out of range or order, or the queue is longer than its capacity"));
      }
    }
    actions_.push_back([&channel, rows, count = values.shape[0]] {
      for (std::int64_t r = 0; r < count; ++r) {
        channel.queues()[static_cast<std::size_t>(rows[r][0])].push({rows[r][1], rows[r][2]});
      }
    });
  }

 public:
  void undo_parameters() {
    for (auto& [node, section, name, values] : before_) {
      node->write_parameter(section, name, {values.dtype, values.shape, values.data.get()});
    }
  }

 private:
  Engine::Impl& engine_;
  std::int64_t last_;
  const StateView& state_;
  std::map<std::string, bool> known_;
  std::vector<std::function<void()>> actions_;
  std::vector<std::tuple<RuntimeNode*, std::string, std::string, Array>> before_;
};

}  // namespace

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
      out.emplace(text(name, "/state/", state.spec->name), read(name, "state", state.spec->name));
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
    if (const EventRing* history = node->history()) {
      out.emplace(
          text(name, "/history/s_in"),
          export_ring(*history, last, node->spec().synapse()->delays.largest, node->lanes()));
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

void Engine::Impl::import_state(std::int64_t new_step, std::uint64_t new_seed,
                                const StateView& state) {
  if (new_step < 0 || new_step > kMaxStep) {
    throw Error(ErrorKind::checkpoint, "step",
                text("is ", new_step, "; allowed: 0 ... ", kMaxStep));
  }
  Importer importer(*this, new_step, state);
  try {
    importer.check();
  } catch (const Error& error) {
    importer.undo_parameters();
    if (error.kind() == ErrorKind::checkpoint) throw;
    throw Error(ErrorKind::checkpoint, "checkpoint", error.what());
  }
  list_events();
  for (auto& node : nodes) node->reset();
  for (auto& recorder : recorders) recorder->clear();
  seek(new_step, new_seed);
  importer.apply();
}

State Engine::export_state() {
  return impl_->export_state();
}

void Engine::import_state(std::int64_t step, std::uint64_t seed, const StateView& state) {
  impl_->import_state(step, seed, state);
}

}  // namespace procgraph
