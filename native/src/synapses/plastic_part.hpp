#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "synapses/pending_events.hpp"
#include "synapses/plastic_synapses.hpp"
#include "synapses/rule_function.hpp"
#include "synapses/source_traces.hpp"

namespace procgraph {

/// Elements with a payload in one step, ascending.
struct Arrivals {
  std::span<const std::int32_t> elements;
  std::span<const std::int32_t> payloads;
};

/// The plastic synapses of one range of targets in one lane: all that they change is their own.
///
/// A row is visited when its source has an event: only then do its synapses learn from the events
/// of their targets since the last visit, each in the order and with the values of the contract.
/// So weights are read and written in the order in which they lie in memory.
class PlasticPart {
 public:
  PlasticPart(const Node& node, const PlasticRows& rows, KernelRegistry& kernels,
              const HotLoops& loops);

  /// Traces and pending output are 0, the next step is 0.
  void reset();
  /// The next step is `now`; what is set is the state before it.
  void seek(std::int64_t now);
  /// One step, as docs/explanation/time-and-numbers.md section 4 orders it. `modulator` has one
  /// value, or one for each target of the node.
  void absorb(std::int64_t step, const Arrivals& pre, const Arrivals& post, const float* modulator);
  /// Makes all variables and traces what they are before step `now`, the next one.
  void settle(std::int64_t now);

  const PlasticRows& rows() const { return rows_; }
  /// Values by place, once settled.
  float* variable(std::size_t v) const { return variables_[v].data(); }
  /// Values by element of the side, once settled; of targets, by their place in the range.
  std::vector<float>& trace(std::size_t t);
  /// Sums that are due in a step, one for each target.
  std::uint32_t* due(std::int64_t step);
  /// True if nothing is due in `step`. May be asked, and the sums of `step` be taken, while another
  /// thread absorbs the same step, unless a delay is 0.
  bool silent(std::int64_t step) const { return filled_[slot(step)] == 0; }
  void mark_due(std::int64_t step) { filled_[slot(step)] = 1; }
  void forget_due(std::int64_t step);
  bool hosted() const;

 private:
  static constexpr std::size_t kChunk = PG_KERNEL_CHUNK;
  static constexpr std::size_t kPrefetch = 1024;  // synapses of the next row
  /// Synapses of one row.
  struct Chunk {
    std::size_t first;
    std::size_t n;
    std::size_t place;  // of the row in the followed group
  };

  std::size_t slot(std::int64_t step) const { return static_cast<std::size_t>(step % slots_); }
  template <class Each>
  void for_chunks(std::size_t source, std::size_t place, Each&& each);
  void visit(const Arrivals& pre, std::int64_t step);
  void prefetch(std::size_t source) const;
  void rest(std::span<const std::int32_t> sources, std::int64_t step);
  void rest_all(std::int64_t step);
  void sweep(std::int64_t step);
  void catch_up(const Chunk& chunk, std::size_t source);
  void learn_from(const Chunk& chunk, std::size_t age, std::span<const std::uint32_t> synapses);
  void transmit(const Chunk& chunk, std::int64_t step, std::int32_t payload);
  void run_on_pre(const Chunk& chunk, std::int64_t step);
  void run_on_epoch();
  void fill_target_inputs(RuleFunction& function, std::size_t first, std::size_t n);
  void run(RuleFunction& function, std::size_t first, std::size_t n);
  bool of_source(std::int32_t input) const;
  float seen_of_target(std::int32_t input, std::size_t target) const;
  void decay_targets();
  void take_posts(std::int64_t step, const Arrivals& post);
  void end_epoch(std::int64_t step);

  const PlasticAttrs& attrs_;
  const PlasticRows& rows_;
  const HotLoops& loops_;
  std::int64_t slots_;
  double factor_;
  bool modulator_each_;
  std::vector<PagedArray<float>> variables_;  // the weight and others, by place
  SourceTraces sources_;
  std::vector<std::vector<float>> target_traces_;  // as in the Program; those of sources empty
  std::optional<RuleFunction> on_pre_;
  std::optional<RuleFunction> on_post_;
  std::optional<RuleFunction> on_epoch_;
  std::vector<std::int32_t> kept_;       // inputs of on_post of the target's side
  std::vector<std::size_t> kept_place_;  // by input of on_post
  PendingEvents pending_;
  std::vector<std::int64_t> learnt_;  // by source: events before are learnt from
  std::int64_t pass_begin_ = 0;
  std::vector<std::uint32_t> sums_;   // slots x targets
  std::vector<std::uint8_t> filled_;  // by slot: whether there may be sums other than 0
  const float* modulator_ = nullptr;
  std::vector<std::uint32_t> lists_;
  std::vector<std::size_t> list_begins_;
  std::vector<float> kept_values_;
  std::int32_t quantised_[kChunk];
  std::int32_t places_[kChunk];
};

}  // namespace procgraph
