#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "engine/arena.hpp"
#include "engine/channel.hpp"
#include "engine/plan.hpp"
#include "engine/recorder.hpp"
#include "engine/runtime_node.hpp"
#include "procgraph/engine.hpp"
#include "sparse/tables.hpp"

namespace procgraph {

struct Engine::Impl {
  Impl(std::shared_ptr<const Program> program, std::optional<std::uint64_t> seed,
       std::int32_t batch, KernelRegistry& kernels, EngineOptions options);

  // engine.cpp: building and running
  void join_channels();
  void place_sums();
  void refresh_tables();
  /// Keeps events in rows where it can (see dense_events.hpp); what that changes makes the plan
  /// void.
  void use_rows();
  /// Decides anew how events are kept and who does what.
  void replan();
  /// Makes lists of all events, until the next plan is made.
  void list_events();
  std::int64_t run(std::int64_t steps, std::int64_t budget_ns);
  std::int64_t last_step(std::int64_t steps) const;
  void run_until(std::int64_t end, std::int64_t budget_ns);
  std::int64_t steps_at_once() const;
  void run_steps(std::int64_t most, std::int64_t ahead);
  void record(std::int64_t begin);
  void begin_hosts();
  void note_failure(const std::exception& error) noexcept;
  void check_usable() const;
  void check_begun() const;
  void begin_tick(std::string_view node);
  void reset(std::optional<std::uint64_t> seed);
  void seek(std::int64_t step, std::uint64_t seed);

  // access.cpp: what the host reads and writes
  RuntimeNode& find_node(std::string_view name) const;
  Input& find_input(RuntimeNode& node, std::string_view name) const;
  Output& find_output(RuntimeNode& node, std::string_view name) const;
  StateColumn& find_state(RuntimeNode& node, std::string_view name) const;
  Array take_input(std::string_view node, std::string_view port);
  void publish(std::string_view node, std::string_view port, const ArrayView& values);
  void publish_events(Output& output, const std::int32_t* payloads);
  void publish_current(Output& output, const float* values);
  Array read(std::string_view node, std::string_view section, std::string_view name) const;
  void write(std::string_view node, std::string_view section, std::string_view name,
             const ArrayView& values);
  DType dtype_of(std::string_view node, std::string_view section, std::string_view name) const;
  int record_output(std::string_view node, std::string_view port, Sampling sampling);
  int record_state(std::string_view node, std::string_view name, Sampling sampling);
  Stats stats() const;
  std::vector<TableStorage> storage() const;

  // checkpoint.cpp
  State export_state();
  void import_state(std::int64_t step, std::uint64_t seed, const StateView& state);

  struct HostEntry {
    RuntimeNode* node;
    std::int64_t begun = -1;  // the step that begin_tick was last called for
  };
  HostEntry& find_host(std::string_view name, bool begun);

  std::shared_ptr<const Program> program;
  std::int32_t batch;
  int threads;
  Meeting meeting;
  bool profile;
  const Isa& isa;
  std::uint64_t seed;
  std::int64_t step = 0;
  Arena arena;
  std::vector<std::unique_ptr<RuntimeNode>> nodes;  // as in the Program
  std::vector<std::unique_ptr<Channel>> channels;   // as in the Program
  std::unique_ptr<SparseTables> tables;
  BuildOptions build_options;
  std::vector<Plan::Entry> schedule;
  std::unique_ptr<Plan> plan;  // none while it has to be made anew
  std::vector<HostEntry> hosts;
  std::vector<std::unique_ptr<Recorder>> recorders;
  std::atomic<bool> interrupted{false};
  std::string failure;  // why the last run stopped in the middle of a step
};

}  // namespace procgraph
