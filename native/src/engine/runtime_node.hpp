#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/cuts.hpp"
#include "engine/ports.hpp"
#include "engine/state_column.hpp"
#include "kernels/isa.hpp"
#include "procgraph/engine.hpp"
#include "procgraph/program.hpp"

// How threads share a step. `divide` is called whenever the engine plans anew; from then on an
// action with parts() == 1 is a call of tick, absorb or emit on one thread, and one with more parts
// is, in each step: prologue (once, only if has_prologue and not for emit), then run_part for every
// part, in any order and on any threads at the same time, then epilogue (once, on the thread
// that finishes last), or in place of the epilogues of a run end_run (see finish_late). An
// absorption may be followed by the action `epoch`, which then has parts and an epilogue, too. A
// node that divides its emission, say by partitions of its targets, overrides parts(Action::emit)
// and run_part. It may divide it like the sums of an input (emits_as_cut), so that the tick that
// takes them goes on with what its own thread has emitted. What one action of a node touches, no
// other may touch that is independent of it within a step (see plan.cpp), with one exception:
// emissions that name the same emit_target() are run one after the other; where they have equal
// numbers of parts, part p of one after part p of the other, so that parts with the same number may
// write to the same sums. Parts of a tick or of an absorption that are given to a thread may still
// be run by another that has nothing left to do.
//
// Delivery tables add to the sums of their targets at the begin of a step, each thread to its own
// range of the arena; what has been known for longer, already when the thread is done with the step
// before, if all ticks that take delivered sums follow. A tick that is divided in the same way
// follows on the same thread, or on one that comes to help it, without waiting for the others
// (follows_delivery); whatever else touches these sums waits for all.

namespace procgraph {

/// What all nodes of an engine share while they are built.
struct BuildContext {
  std::int32_t lanes;
  const Isa& isa;
  KernelRegistry& kernels;
  int threads = 1;  ///< at most
};

/// A node with its ports, clock and state. The engine calls each action once a step.
class RuntimeNode {
 public:
  RuntimeNode(const Node& spec, const BuildContext& context);
  virtual ~RuntimeNode() = default;
  RuntimeNode(const RuntimeNode&) = delete;
  RuntimeNode& operator=(const RuntimeNode&) = delete;

  /// Pulls what is due; at a tick computes and emits.
  virtual void tick(std::int64_t step);
  virtual void absorb(std::int64_t) {}
  virtual void emit(std::int64_t) {}
  void act(Action action, std::int64_t step) {
    if (action == Action::tick) {
      tick(step);
    } else if (action == Action::absorb) {
      absorb(step);
    } else if (action == Action::emit) {
      emit(step);
    }
  }

  /// Prepares the actions to be shared by up to `threads` threads. `cuts`, where not null, says
  /// which thread delivers spikes to which sums; ports of a node are cut at the same elements.
  virtual void divide(int, const Cuts*) {}
  virtual int parts(Action) const { return 1; }
  /// The thread that a part is given to; -1 if it does not matter.
  virtual int thread_of(Action, int) const { return -1; }
  /// True if the parts of a tick may be given to the threads that deliver the sums that they take,
  /// and if they all are.
  virtual bool can_follow_delivery() const { return false; }
  virtual bool follows_delivery() const { return false; }
  /// True if a tick takes nothing of what others do but delivered sums.
  virtual bool can_run_ahead() const { return false; }
  /// True if only tables take what parts of a tick leave, so that its epilogues can wait until the
  /// end of a run: finish_late() says so until it is divided anew, begin_run() and end_run() then
  /// stand for them.
  virtual bool can_finish_late() const { return false; }
  virtual void finish_late() {}
  virtual void begin_run(std::int64_t) {}
  virtual void end_run(std::int64_t, std::int64_t) {}
  /// True if a table takes the events of a channel into this node.
  virtual bool takes_by_table() const { return false; }
  virtual bool has_prologue() const { return false; }
  virtual void prologue(std::int64_t) {}
  /// True if an absorption that has parts is followed by the action `epoch`, with as many.
  virtual bool has_epochs() const { return false; }
  virtual void run_part(Action, std::int64_t, int) {}
  virtual void epilogue(Action, std::int64_t) {}
  /// The input whose sums `emit` writes to; null if it writes to memory of its own.
  virtual const Input* emit_target() const { return nullptr; }
  /// The input whose cuts the parts of the emission follow, if there are cuts and its node follows
  /// its delivery; null if it is divided in another way. What is emitted in a step must not depend
  /// on what is absorbed in it.
  virtual const Input* emits_as_cut() const { return nullptr; }
  /// An action that does nothing is left out. A node with idle actions ticks in every step.
  virtual bool idle(Action) const { return false; }
  /// True if the node may only be run by the thread that called the engine.
  virtual bool caller_only() const { return false; }
  /// Rough nanoseconds of an action, to decide who does what.
  virtual double cost(Action) const { return kSmallCost; }

  /// Called once all channels are joined.
  virtual void finish_build();
  /// Initial state at step 0.
  virtual void reset();
  /// Sets the clock for `step` as the next one, and the key of the draws.
  virtual void seek(std::int64_t step, std::uint64_t seed);

  /// Section "weights", "values" or "column": values now, their shape, and replacing them.
  virtual Array read_parameter(std::string_view section, std::string_view name) const;
  virtual void write_parameter(std::string_view section, std::string_view name,
                               const ArrayView& values);
  /// Names of (section, name) that were written since the engine was made.
  virtual std::vector<std::pair<std::string, std::string>> written_parameters() const { return {}; }
  /// Null unless what the node emits in a step depends on nothing but the step.
  virtual const Draw* draw() const { return nullptr; }
  /// Copies a state as it is after the last tick, all lanes.
  virtual void read_state(const StateColumn& state, std::byte* out) const { state.read(out); }
  /// The same of some elements of each lane.
  virtual void read_elements(StateColumn& state, std::span<const std::int64_t> elements,
                             std::byte* out) const;
  /// Copies a state as it is kept; export_own() says how old that is where it is not up to date.
  virtual void copy_state(const StateColumn& state, std::byte* out) const {
    read_state(state, out);
  }
  virtual void put_state(StateColumn& state, const std::byte* values) { state.write(values); }
  /// Does what was put off, before a state is set.
  virtual void catch_up() {}
  /// Makes the outputs of `step` readable where fusion has skipped them.
  virtual void materialise(std::int64_t) {}
  /// State that is neither a column, a port nor a history; keys follow "node/" in a checkpoint.
  virtual State export_own(std::int64_t) { return {}; }
  virtual void import_own(std::int64_t, const StateView&) {}
  /// Events that a synapse node has absorbed; no ring for others. Those absorbed in step k lie in
  /// the ring at k - delay.
  struct History {
    EventRing* ring = nullptr;
    std::int32_t delay = 0;
    bool shared = false;  // the ring belongs to the source
  };
  virtual History history() { return {}; }

  const Node& spec() const { return *spec_; }
  std::size_t lanes() const { return lanes_; }
  std::int64_t next_tick() const { return clock_.next_tick; }
  std::int64_t ticks() const { return clock_.ticks; }
  /// True if the node ticks at the step that comes next. Does not look at the clock where it need
  /// not: parts on other threads ask for this.
  bool ticks_at(std::int64_t step) const {
    return spec_->period == 1 ? step >= spec_->phase : step == clock_.next_tick;
  }
  /// Steps in which all actions were idle.
  void skip(std::int64_t steps) {
    clock_.next_tick += steps;
    clock_.ticks += steps;
  }
  /// True if the tick takes what a node with an emission of its own emits in the same step, and has
  /// to wait for all of it.
  bool waits_for_emission() const;
  StateColumn* find_state(std::string_view name);
  /// Adds to the outputs' counters what was counted elsewhere.
  virtual void settle_counts() {}
  /// Nanoseconds spent in actions, where profiled.
  std::atomic<std::int64_t> spent{0};

  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<StateColumn> states;

 protected:
  static constexpr double kSmallCost = 20;

  virtual void compute(std::int64_t) {}
  void pull(std::int64_t step) {
    for (Input& input : inputs) input.pull(step);
  }
  /// True at a tick, which is then counted.
  bool take_tick(std::int64_t step) {
    if (step != clock_.next_tick) return false;
    clock_.next_tick += spec_->period;
    ++clock_.ticks;
    return true;
  }
  std::int64_t tick_number(std::int64_t step) const {
    return (step - spec_->phase) / spec_->period;
  }
  [[noreturn]] void no_parameter(std::string_view section, std::string_view name) const;

  const HotLoops& loops_;

 private:
  const Node* spec_;
  std::size_t lanes_;
  /// Changes in every step; the rest of a node hardly ever.
  struct alignas(kLineBytes) Clock {
    std::int64_t next_tick = 0;
    std::int64_t ticks = 0;
  };
  Clock clock_;
};

std::unique_ptr<RuntimeNode> make_elementwise(const Node& spec, const BuildContext& context);
std::unique_ptr<RuntimeNode> make_event_driven(const Node& spec, const BuildContext& context);
std::unique_ptr<RuntimeNode> make_event_source(const Node& spec, const BuildContext& context);
std::unique_ptr<RuntimeNode> make_dense_source(const Node& spec, const BuildContext& context);
std::unique_ptr<RuntimeNode> make_argmax(const Node& spec, const BuildContext& context);
std::unique_ptr<RuntimeNode> make_host(const Node& spec, const BuildContext& context);
std::unique_ptr<RuntimeNode> make_synapse(const Node& spec, const BuildContext& context);

}  // namespace procgraph
