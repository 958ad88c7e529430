#include "engine/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <span>

#include "engine/engine_impl.hpp"
#include "format/text.hpp"
#include "nodes/parameters.hpp"
#include "synapses/synapse_node.hpp"

namespace procgraph {
namespace {

constexpr std::int64_t kMaxStep = std::int64_t{1} << 61;

using Row = std::array<std::int32_t, 4>;  // age, lane, index, payload

[[noreturn]] void refuse(const std::string& key, const std::string& problem) {
  throw Error(ErrorKind::checkpoint, text("checkpoint '", key, "'"), problem);
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
    restore_histories();
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
      actions_.push_back([&node, &state, data = static_cast<const std::byte*>(values.data)] {
        node.put_state(state, data);
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
    if (auto* synapse = dynamic_cast<SynapseNode*>(&node)) {
      const auto& attrs = *node.spec().synapse();
      const std::string key = text(name, "/history/s_in");
      histories_.push_back({synapse, check_rows(key, attrs.delays.largest, attrs.n_pre)});
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
    // A merged node looks at the events of its source only.
    if (auto* synapse = dynamic_cast<SynapseNode*>(input.owner)) apart_.push_back(synapse);
    actions_.push_back([&input, data, lanes = static_cast<std::size_t>(engine_.batch)] {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        input.put_sums(lane, data + lane * input.n());
        input.mark_all(lane);
      }
    });
  }

  void check_ring(const std::string& key, EventRing& ring, std::int32_t ages, std::int32_t n) {
    actions_.push_back([this, &ring, rows = check_rows(key, ages, n)] { fill(ring, rows, last_); });
  }

  static void fill(EventRing& ring, std::span<const Row> rows, std::int64_t last) {
    for (const auto& [age, lane, index, payload] : rows) {
      ring.at(last - age, static_cast<std::size_t>(lane)).append(index, payload);
    }
  }

  std::span<const Row> check_rows(const std::string& key, std::int32_t ages, std::int32_t n) {
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
    return {rows, static_cast<std::size_t>(count)};
  }

  struct HistoryRows {
    SynapseNode* node;
    std::span<const Row> rows;
    std::int32_t depth() const {
      return node->history().delay + node->spec().synapse()->delays.largest;
    }
  };

  /// Merged nodes of one source share its events. Those with the longest memory fill it; a node
  /// whose history says something else works for itself from then on.
  void restore_histories() {
    for (SynapseNode* node : apart_) {
      if (node->merged()) engine_.tables->release(*node, last_ + 1);
    }
    std::stable_sort(histories_.begin(), histories_.end(),
                     [](const auto& a, const auto& b) { return a.depth() > b.depth(); });
    std::set<const EventRing*> filled;
    for (const HistoryRows& entry : histories_) {
      const RuntimeNode::History history = entry.node->history();
      if (history.shared) {
        const Output& source = entry.node->inputs[0].channels[0]->source();
        if (filled.insert(history.ring).second) fill_older(history, source, entry.rows);
        if (same(history, entry)) continue;
        engine_.tables->release(*entry.node, last_ + 1);
      }
      EventRing& own = *entry.node->history().ring;
      own.clear_all();
      fill(own, entry.rows, last_);
    }
    engine_.tables->restart(last_ + 1);
  }

  /// Events that are older than those of the source's own part of the checkpoint.
  void fill_older(const RuntimeNode::History& history, const Output& source,
                  std::span<const Row> rows) {
    for (const Row& row : rows) {
      if (row[0] + history.delay < source.port().depth) continue;
      history.ring->at(last_ - history.delay - row[0], static_cast<std::size_t>(row[1]))
          .append(row[2], row[3]);
    }
  }

  bool same(const RuntimeNode::History& history, const HistoryRows& entry) {
    auto row = entry.rows.begin();
    for (std::int32_t age = 0; age < entry.node->spec().synapse()->delays.largest; ++age) {
      for (std::int32_t lane = 0; lane < engine_.batch; ++lane) {
        const EventList& events =
            history.ring->at(last_ - history.delay - age, static_cast<std::size_t>(lane));
        for (std::size_t e = 0; e < events.size(); ++e, ++row) {
          const Row wanted = {age, lane, events.index()[e], events.payload()[e]};
          if (row == entry.rows.end() || *row != wanted) return false;
        }
      }
    }
    return row == entry.rows.end();
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
  std::vector<HistoryRows> histories_;
  std::vector<SynapseNode*> apart_;
  std::vector<std::tuple<RuntimeNode*, std::string, std::string, Array>> before_;
};

}  // namespace

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
  } catch (...) {
    importer.undo_parameters();
    throw;
  }
  list_events();
  failure = "a checkpoint was not restored completely";
  for (auto& node : nodes) node->reset();
  for (auto& recorder : recorders) recorder->clear();
  tables->reset();
  seek(new_step, new_seed);
  importer.apply();
  failure.clear();
}

void Engine::import_state(std::int64_t step, std::uint64_t seed, const StateView& state) {
  impl_->import_state(step, seed, state);
}

}  // namespace procgraph
