#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procgraph/dtype.hpp"
#include "procgraph/error.hpp"
#include "procgraph/kernels.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// An owned array in C order.
struct Array {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  std::unique_ptr<std::byte[]> data;

  Array() = default;
  /// Uninitialised values.
  Array(DType dtype, std::vector<std::int64_t> shape);
  std::int64_t count() const;
  std::size_t nbytes() const;
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data.get());
  }
};

/// A borrowed array in C order.
struct ArrayView {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;

  std::int64_t count() const;
};

/// What a recorder has collected. Events fill the first four; samples fill `steps` and `samples`.
struct Recording {
  bool is_events = false;
  Array steps;    ///< int64
  Array lane;     ///< int32
  Array index;    ///< int32
  Array payload;  ///< int32
  Array samples;  ///< (S, B, n); currents as float32
};

struct NodeStats {
  std::int64_t events = 0;  ///< emitted by all events outputs, all lanes
  std::int64_t ticks = 0;
  double seconds = 0;  ///< spent in its actions on all threads, where profiled
};

struct ChannelStats {
  std::int32_t channel = 0;
  std::string source;
  std::string target;
  std::int64_t depth = 0;       ///< queued now, all lanes
  std::int64_t high_water = 0;  ///< longest queue of any lane
  std::int64_t dropped = 0;     ///< all lanes
};

struct Stats {
  std::map<std::string, NodeStats> nodes;
  std::vector<ChannelStats> channels;  ///< bounded channels only
  bool profiled = false;
  double delivery_seconds = 0;  ///< spent in merged tables of sparse synapses, where profiled
};

/// How synapses are stored: the merged table of one source, or one node for itself.
struct TableStorage {
  std::string source;                    ///< node and port
  std::vector<std::string> projections;  ///< synapse nodes
  std::vector<std::int64_t> counts;      ///< synapses of each
  std::int64_t synapses = 0;
  std::int64_t bytes = 0;
  std::string format;    ///< its name, of `kStorageFormats`
  std::string delivery;  ///< "table" or "ring", or "node" where the projection works for itself
};

struct EngineOptions {
  /// Parts that the targets of sparse synapses are cut into; the spikes do not depend on it.
  std::int32_t threads = 1;
  bool profile = false;  ///< Measure where time goes; costs two looks at the clock a task.
  std::int32_t build_threads = 0;  ///< for expanding sparse synapses; 0: as many as cores
  /// Bytes that stored synapses may take before some are made anew at every event; 0: three
  /// quarters of what the system has free.
  std::size_t synapse_memory = 0;
  /// Called by the constructor's thread with the fraction of the synapses that is built.
  std::function<void(double)> progress = {};
};

using State = std::map<std::string, Array>;
using StateView = std::map<std::string, ArrayView>;

/// Runs one Program on threads of the CPU.
///
/// All members throw Error. An Engine may be used by one thread at a time; only `interrupt` may be
/// called from any thread. Its own threads, if it has any, sleep outside of `run` and end with it;
/// a forked OS process does not have them. Where `run` or `begin_tick` throws in the middle of a
/// step, or `reset` or `import_state` halfway, the engine can still be read, and runs again after
/// `reset` or `import_state`. Any member may throw std::bad_alloc; the engine is then as before, or
/// in need of that.
class Engine {
 public:
  /// `seed` replaces the Program's seed for all draws. `batch` is the number of independent lanes.
  /// `threads` (1 ... 255), the caller's included, changes how fast a run is and not a bit of it;
  /// what is too small to be shared runs on the caller's thread. Kernels in the host language do so
  /// in any case.
  explicit Engine(std::shared_ptr<const Program> program, std::optional<std::uint64_t> seed = {},
                  std::int32_t batch = 1, KernelRegistry& kernels = KernelRegistry::process(),
                  EngineOptions options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// The next step to run.
  std::int64_t step() const;
  std::uint64_t seed() const;
  std::int32_t batch() const;
  /// As asked for.
  int threads() const;
  /// Name of the instruction set in use.
  const char* isa() const;

  /// Runs up to `steps` steps and returns how many were run. Returns early before a later step at
  /// which a host node ticks, when interrupted, and when `budget_ns` (if positive) is used up.
  /// Host nodes that tick at the first step must have been begun.
  std::int64_t run(std::int64_t steps, std::int64_t budget_ns = 0);
  /// Makes the current or else the next run return at its next step boundary.
  void interrupt() noexcept;
  /// Ends the threads that runs share work with. A later run starts them anew.
  void release_threads() noexcept;

  /// Starts the tick of a host node at step `step()`: pulls what is due and empties its outputs.
  void begin_tick(std::string_view node);
  /// Accumulated input of a host node, which is then cleared; an array input's held value.
  Array take_input(std::string_view node, std::string_view port);
  /// Sets what a host node emits in the step it has begun: (B, n) payloads, currents or values.
  void publish(std::string_view node, std::string_view port, const ArrayView& values);

  /// `section` is "state", "column", "weights" or "values"; `name` matters for the first two.
  Array read(std::string_view node, std::string_view section, std::string_view name) const;
  void write(std::string_view node, std::string_view section, std::string_view name,
             const ArrayView& values);

  /// dtype that `read` returns and `write` takes; section "output": what `publish` takes.
  DType dtype_of(std::string_view node, std::string_view section, std::string_view name) const;

  /// Records at the end of each step k with (k + 1) % every == 0. Returns the id of the recorder.
  /// `elements`: of what has a value in each step, those that are recorded of each lane, in this
  /// order; all if there are none.
  int record_output(std::string_view node, std::string_view port, std::int64_t every = 1,
                    std::vector<std::int64_t> elements = {});
  int record_state(std::string_view node, std::string_view name, std::int64_t every = 1,
                   std::vector<std::int64_t> elements = {});
  Recording recorded(int id, bool clear = false);

  /// Back to step 0 and the initial state. Columns, weights and values set at run time stay.
  void reset(std::optional<std::uint64_t> seed = {});
  /// The canonical state of the checkpoint format, for the step boundary before `step()`.
  State export_state();
  /// Takes over a canonical state. Checks all of it before changing anything.
  void import_state(std::int64_t step, std::uint64_t seed, const StateView& state);

  Stats stats() const;
  /// Of all synapse nodes.
  std::vector<TableStorage> storage() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace procgraph
