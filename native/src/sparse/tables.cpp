#include "sparse/tables.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "engine/channel.hpp"
#include "engine/grain.hpp"

namespace procgraph {
namespace {

constexpr std::uint64_t kCounters = std::uint64_t{1} << 24;  // of a small table
constexpr double kSynapse = 0.0007;  // nanoseconds a step, if sources fire at 7 Hz

double synapses_of(const SynapseNode& node) {
  return static_cast<double>(std::get<SparseAttrs>(node.spec().attrs).synapses);
}

/// What a node does where it takes delivered sums, and what is emitted to it there.
double work_of(const RuntimeNode& node) {
  if (!node.can_follow_delivery()) return 0;
  double sum = node.cost(Action::tick);
  for (const Input& input : node.inputs) {
    for (const Channel* channel : input.channels) {
      const RuntimeNode& from = *channel->source().owner;
      if (from.emits_as_cut() == &input) sum += from.cost(Action::emit);
    }
  }
  return sum;
}

/// Nodes of one source that are worth merging: counters for all sources and delays must not take
/// more room than the synapses themselves.
class Group {
 public:
  explicit Group(std::uint64_t n_pre) : n_pre_(n_pre) {}

  bool add(SynapseNode& node, std::uint64_t threads) {
    const Member member(node);
    std::set<Slot> slots = slots_;
    for (const std::int32_t d : member.delays()) slots.insert({d, member.lowest()});
    const std::uint64_t synapses = synapses_ + static_cast<std::uint64_t>(member.attrs().synapses);
    const std::uint64_t counters = slots.size() * threads * n_pre_;
    if (slots.size() > UINT16_MAX || counters > std::max(kCounters, synapses)) return false;
    slots_.swap(slots);
    synapses_ = synapses;
    nodes_.push_back(&node);
    if (!member.delays().empty()) {
      longest_ = std::max(longest_, member.delays().back());
      smallest_ = std::min(smallest_, member.delays().front());
    }
    return true;
  }

  const std::vector<SynapseNode*>& nodes() const { return nodes_; }
  /// Steps for which events are looked at, also by a thread that others are ahead of by less than
  /// the smallest delay.
  std::int32_t depth() const { return longest_ + std::min(smallest_, longest_) + 2; }

 private:
  std::uint64_t n_pre_;
  std::set<Slot> slots_;
  std::uint64_t synapses_ = 0;
  std::int32_t longest_ = 0;
  std::int32_t smallest_ = INT32_MAX;
  std::vector<SynapseNode*> nodes_;
};

}  // namespace

void limit_memory(const std::vector<std::unique_ptr<RuntimeNode>>& nodes, std::size_t bytes) {
  constexpr double kStored = 5;  // bytes of a synapse in a table, with the headers
  double total = 0;
  std::vector<SynapseNode*> possible;
  for (const auto& node : nodes) {
    const auto* attrs = std::get_if<SparseAttrs>(&node->spec().attrs);
    if (attrs == nullptr || attrs->procedural) continue;
    total += kStored * static_cast<double>(attrs->synapses);
    if (attrs->can_be_procedural()) possible.push_back(dynamic_cast<SynapseNode*>(node.get()));
  }
  std::stable_sort(possible.begin(), possible.end(),
                   [](auto* a, auto* b) { return synapses_of(*a) > synapses_of(*b); });
  for (SynapseNode* node : possible) {
    if (total <= static_cast<double>(bytes)) return;
    node->make_procedural();
    total -= kStored * synapses_of(*node);
  }
}

SparseTables::SparseTables(const Nodes& nodes, Arena& arena, std::int32_t threads,
                           const HotLoops& loops)
    : arena_(arena), cuts_(static_cast<std::size_t>(threads)), loops_(loops) {
  group(nodes, loops);
}

void SparseTables::group(const Nodes& nodes, const HotLoops& loops) {
  std::map<Output*, Group> groups;
  std::vector<Output*> order;
  for (const auto& node : nodes) {
    auto* synapse = dynamic_cast<SynapseNode*>(node.get());
    if (synapse == nullptr || !synapse->mergeable() || arena_.stride() > UINT32_MAX) continue;
    Output& source = synapse->inputs[0].channels[0]->source();
    const auto [found, added] = groups.try_emplace(&source, source.n());
    if (added) order.push_back(&source);
    if (!found->second.add(*synapse, cuts_.threads())) continue;
    synapse->set_merged(true);
    Input& target = synapse->outputs[0].channels[0]->target();
    if (!target.delivered()) targets_.push_back({&target, {}});
    target.mark_delivered();
  }
  for (Output* source : order) {
    const Group& found = groups.at(source);
    if (found.nodes().empty()) continue;
    source->retain(found.depth());
    tables_.push_back(
        std::make_unique<DeliveryTable>(*source, found.nodes(), source->lanes(), loops));
  }
}

void SparseTables::stay_whole() {
  cuts_ = Cuts(1);
  cuts_.close(arena_.stride());
}

std::int32_t SparseTables::window() const {
  std::int32_t out = INT32_MAX;
  for (const auto& table : tables_) out = std::min(out, table->lag());
  return out;
}

double SparseTables::cost() const {
  double synapses = 0;
  for (const auto& table : tables_) {
    for (const SynapseNode* node : table->nodes()) synapses += synapses_of(*node);
  }
  return kSynapse * synapses;
}

std::vector<SparseTables::CutAlike> SparseTables::cut_alike() const {
  std::map<const Input*, double> synapses;
  for (const auto& table : tables_) {
    for (SynapseNode* node : table->nodes()) {
      synapses[&node->outputs[0].channels[0]->target()] += synapses_of(*node);
    }
  }
  std::vector<const Input*> inputs;
  for (const Target& target : targets_) inputs.push_back(target.input);
  std::sort(inputs.begin(), inputs.end(),
            [](auto* a, auto* b) { return a->offset() < b->offset(); });
  std::vector<CutAlike> out;
  std::map<std::pair<const RuntimeNode*, std::size_t>, std::size_t> found;
  for (const Input* input : inputs) {
    const auto [at, added] = found.try_emplace({input->owner, input->n()}, out.size());
    if (added) {
      out.push_back({{}, work_of(*input->owner)});
    }
    out[at->second].inputs.push_back(input);
    out[at->second].work += kSynapse * synapses[input];
  }
  return out;
}

void SparseTables::cut() {
  const std::vector<CutAlike> all = cut_alike();
  const std::size_t threads = cuts_.threads();
  double total = 0;
  for (const CutAlike& alike : all) total += alike.work;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::size_t>> ranges;  // begin: end, thread
  double done = 0;
  for (const CutAlike& alike : all) {
    const std::size_t lines = lines_of(alike.inputs[0]->n());
    const double each = alike.work / static_cast<double>(lines);
    const auto owner = [&](std::size_t line) {
      const double work = done + (static_cast<double>(line) + 0.5) * each;
      const double share = total > 0 ? work / total * static_cast<double>(threads) : 0;
      return std::min(static_cast<std::size_t>(share), threads - 1);
    };
    for (std::size_t begin = 0, end = 0; begin < lines; begin = end) {
      const std::size_t thread = owner(begin);
      while (end < lines && owner(end) == thread) ++end;
      for (const Input* input : alike.inputs) {
        const std::uint64_t first = input->offset();
        ranges[first + begin * kSumsPerLine] = {first + end * kSumsPerLine, thread};
      }
    }
    done += alike.work;
  }
  cuts_ = Cuts(threads);
  for (const auto& [begin, range] : ranges) cuts_.add({begin, range.first}, range.second);
  cuts_.close(arena_.stride());
}

void SparseTables::keep_apart(bool shared) {
  std::vector<std::size_t> positions;
  const std::vector<Reach>& ranges = cuts_.ranges();
  for (std::size_t r = 1; r < ranges.size() && shared; ++r) {
    const std::uint64_t begin = ranges[r].begin;
    // Others look at their sums as a whole.
    const bool whole = std::any_of(targets_.begin(), targets_.end(), [&](const Target& target) {
      const std::uint64_t first = target.input->offset();
      return first < begin && begin < first + target.input->n() &&
             !target.input->owner->follows_delivery();
    });
    if (!whole) positions.push_back(static_cast<std::size_t>(begin));
  }
  if (arena_.stride() < positions.size() * grain().apart) positions.clear();
  arena_.keep_apart(positions);
}

bool SparseTables::stale() const {
  return !joined_ ||
         std::any_of(tables_.begin(), tables_.end(), [](const auto& t) { return t->stale(); });
}

void SparseTables::refresh(std::int64_t step, const BuildOptions& options) {
  joined_ = false;
  deliveries_.clear();  // all three look at tables that may go
  stops_.clear();
  for (Target& target : targets_) target.tables.clear();
  std::erase_if(tables_, [](const auto& table) { return table->nodes().empty(); });
  const auto stale_count = static_cast<double>(
      std::count_if(tables_.begin(), tables_.end(), [](const auto& t) { return t->stale(); }));
  double done = 0;
  const Reach all = reach();
  for (auto& table : tables_) {
    if (!table->stale()) continue;
    table->build(cuts_, all, options, [&](double fraction) {
      if (options.progress) options.progress((done + fraction) / stale_count);
    });
    table->restart(step);
    done += 1;
  }
  join_rows();
  list_stops();
  for (const auto& delivery : deliveries_) delivery->restart(step);
  list_targets();
  tell_targets(false);
  joined_ = true;
}

Reach SparseTables::reach() const {
  Reach out{UINT64_MAX, 0};
  for (const auto& table : tables_) {
    for (const SynapseNode* node : table->nodes()) {
      const Input& target = node->outputs[0].channels[0]->target();
      out.begin = std::min<std::uint64_t>(out.begin, target.offset());
      out.end = std::max<std::uint64_t>(out.end, target.offset() + target.n());
    }
  }
  return out;
}

void SparseTables::join_rows() {
  for (const auto& table : tables_) {
    if (!table->has_rows()) continue;
    const auto found = std::find_if(deliveries_.begin(), deliveries_.end(),
                                    [&](const auto& x) { return x->takes(*table); });
    if (found != deliveries_.end()) {
      (*found)->add(*table);
    } else {
      deliveries_.push_back(std::make_unique<RowDelivery>(*table, cuts_.ranges().size(),
                                                          table->source().lanes(), loops_));
    }
  }
}

void SparseTables::list_stops() {
  stops_.assign(cuts_.threads(), {});
  for (std::size_t thread = 0; thread < cuts_.threads(); ++thread) {
    for (const std::size_t part : cuts_.of_thread(thread)) {
      for (const auto& table : tables_) {
        if (table->reaches(part)) stops_[thread].push_back({table.get(), part});
      }
    }
  }
}

void SparseTables::release(SynapseNode& node, std::int64_t step) {
  for (auto& table : tables_) {
    if (&table->source() != &node.inputs[0].channels[0]->source()) continue;
    node.take_history(step);  // first, since memory may run out
    table->remove(node);
    node.set_merged(false);
  }
}

void SparseTables::reset() {
  spent = 0;
  for (auto& table : tables_) table->reset();
  for (const auto& delivery : deliveries_) delivery->reset();
  tell_targets(false);
}

void SparseTables::restart(std::int64_t step) {
  for (auto& table : tables_) {
    if (!table->stale()) table->restart(step);
  }
  for (const auto& delivery : deliveries_) delivery->restart(step);
  tell_targets(false);
}

std::int64_t SparseTables::announce(std::int64_t step, bool shared) {
  for (const auto& table : tables_) table->fetch_events(step);
  std::int64_t first = INT64_MAX;  // the first and the last of the last steps in which some are due
  std::int64_t last = INT64_MIN;
  for (const auto& table : tables_) {
    const std::int64_t due = table->look(step);
    first = std::min(first, due);
    last = std::max(last, due);
  }
  const bool all = shared && step <= last;
  bool changed = false;
  for (const auto& table : tables_) changed |= table->set_busy(all || step <= table->last_due());
  if (changed) tell_targets(true);
  if (all || tables_.empty()) return INT64_MAX;
  return first < step ? 1 : first - step + 1;
}

void SparseTables::list_targets() {
  for (Target& target : targets_) {
    for (const auto& table : tables_) {
      if (table->reaches(*target.input)) target.tables.push_back(table.get());
    }
  }
}

void SparseTables::tell_targets(bool after_step) {
  for (const Target& target : targets_) {
    const bool spikes = std::any_of(target.tables.begin(), target.tables.end(),
                                    [](const DeliveryTable* table) { return table->busy(); });
    target.input->expect(spikes, after_step);
  }
}

void SparseTables::deliver(std::int64_t step, std::size_t thread, Portion portion) {
  const std::vector<Stop>& stops = stops_[thread];
  const auto each_fresh = [&](auto&& action) {
    for (const auto& [table, part] : stops) {
      if (table->busy() && table->takes_up(portion)) action(*table, part);
    }
  };
  each_fresh([&](const DeliveryTable& table, std::size_t) { table.fetch_events(step); });
  each_fresh([&](const DeliveryTable& table, std::size_t part) { table.prepare(step, part); });
  each_fresh([&](const DeliveryTable& table, std::size_t part) { table.fetch_rows(step, part); });
  for (const auto& delivery : deliveries_) {
    for (const std::size_t part : cuts_.of_thread(thread)) {
      delivery->deliver(step, part, arena_, portion);
    }
  }
  for (const auto& [table, part] : stops) table->deliver(step, part, arena_, portion);
}

}  // namespace procgraph
