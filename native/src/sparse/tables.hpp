#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/arena.hpp"
#include "sparse/table.hpp"

namespace procgraph {

/// Makes synapses procedural, where that is possible and the most numerous first, until those that
/// are stored take no more than so many bytes.
void limit_memory(const std::vector<std::unique_ptr<RuntimeNode>>& nodes, std::size_t bytes);

/// All delivery tables of an engine. A sparse node whose events and currents travel in the plainest
/// way is merged into the table of its source; all others work for themselves.
class SparseTables {
 public:
  using Nodes = std::vector<std::unique_ptr<RuntimeNode>>;

  /// Decides which nodes are merged. The channels must be joined and the arena laid out.
  SparseTables(const Nodes& nodes, Arena& arena, std::int32_t threads, const HotLoops& loops);

  /// Builds tables that are new or have lost a node, and picks up the spikes due from `step` on.
  void refresh(std::int64_t step, const BuildOptions& options);
  /// True where that is to be done, or was not completed.
  bool stale() const;

  /// Takes a node out of its table; the node then works for itself.
  void release(SynapseNode& node, std::int64_t step);
  void reset();
  /// After the events of the sources were replaced.
  void restart(std::int64_t step);

  /// Cuts the arena so that each thread has about the same work with deliveries and with the
  /// ticks that follow. Once it is known which do, before the tables
  /// are built.
  void cut();
  /// One range, where nothing is run by several threads. Before the tables are built.
  void stay_whole();
  /// Once it is known which nodes follow their delivery: moves the sums of different threads apart
  /// where they are cut; or together, where nothing is `shared`.
  void keep_apart(bool shared);
  /// Steps that a thread may run without asking what others have emitted in the meantime.
  std::int32_t window() const;
  /// Rough nanoseconds of a delivery.
  double cost() const;
  /// For as many threads as there are, or for one where the step is too short to be shared.
  const Cuts& cuts() const { return cuts_; }
  const std::vector<std::unique_ptr<DeliveryTable>>& tables() const { return tables_; }

  /// Before `deliver` of a step. Returns for how many steps that is said at once; for many, unless
  /// nothing is under way at all, if steps are `shared` by threads.
  std::int64_t announce(std::int64_t step, bool shared);
  /// Adds what is due in `step` and was emitted before; concurrently for different threads.
  void deliver(std::int64_t step, std::size_t thread, Portion portion);
  /// Nanoseconds spent in `deliver`, where profiled.
  std::atomic<std::int64_t> spent{0};

 private:
  /// Inputs of a node, all with as many sums, and nanoseconds of what a step does with these.
  struct CutAlike {
    std::vector<const Input*> inputs;
    double work;
  };

  void group(const Nodes& nodes, const HotLoops& loops);
  std::vector<CutAlike> cut_alike() const;
  /// What all tables deliver to.
  Reach reach() const;
  void join_rows();
  void list_stops();
  void list_targets();
  void tell_targets(bool after_step);

  Arena& arena_;
  Cuts cuts_;
  const HotLoops& loops_;
  std::vector<std::unique_ptr<DeliveryTable>> tables_;
  std::vector<std::unique_ptr<RowDelivery>> deliveries_;
  /// A table and a range that it delivers to.
  struct Stop {
    DeliveryTable* table;
    std::size_t part;
  };
  std::vector<std::vector<Stop>> stops_;  // by thread
  /// An input that tables deliver to, or have delivered to.
  struct Target {
    Input* input;
    std::vector<const DeliveryTable*> tables;
  };
  std::vector<Target> targets_;
  bool joined_ = true;  // what is above says what the tables are
};

}  // namespace procgraph
