#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "synapses/arrivals.hpp"
#include "synapses/past_traces.hpp"
#include "synapses/pending_events.hpp"
#include "synapses/plastic_lane.hpp"
#include "synapses/rule_function.hpp"
#include "synapses/target_traces.hpp"

namespace procgraph {

/// What one thread does with the plastic synapses of a lane.
///
/// A row is visited when its source has an event: only then do its synapses learn from the events
/// of their targets since the last visit, each in the order and with the values of the contract.
/// So weights are read and written in the order in which they lie in memory.
///
/// Parts of a lane share its sources: in a step each visits rows of its own, and adds to sums of
/// its own. What belongs to the targets is small and looked at all the time: each part keeps all of
/// it, the same as others do, so that it never has to be fetched from another's cache.
class PlasticPart {
 public:
  /// Part `number` of `parts`.
  PlasticPart(const Node& node, PlasticLane& lane, std::size_t number, std::size_t parts,
              KernelRegistry& kernels, const HotLoops& loops);

  /// Traces of the targets and pending output are 0.
  void reset();
  /// The next step is `now`, and so it is for all rows of the lane; no event is on its way.
  void seek(std::int64_t now);
  /// As that for rows that were brought there: events stay on their way.
  void rested(std::int64_t now);

  /// The events of one step that all parts know.
  struct Events {
    Arrivals pre;
    Arrivals post;
    const float* modulator;  // one value, or one for each target
  };
  /// One step, as docs/explanation/time-and-numbers.md section 4 orders it, for the rows that this
  /// part gets to; then, after all parts, what the rule does at the end of an epoch, for a range of
  /// rows.
  void absorb(std::int64_t step, const Events& events);
  void end_epoch(std::int64_t step, std::size_t first_row, std::size_t last_row);
  /// Brings rows to the end of `step`.
  void rest(std::size_t first_row, std::size_t last_row, std::int64_t step);
  /// True when it is time to bring all rows to the same step, so that memory stays bounded.
  bool full() const { return pending_.full(); }

  /// A trace of the targets.
  std::vector<float>& trace(std::size_t t) { return targets_.values(t); }
  /// With dendritic delays, what traces of the targets were before the events of a step joined.
  PastTraces& unjoined() { return before_; }
  /// Takes up what `unjoined` was told of an earlier step and its events, which may be on their
  /// way.
  void recall(std::int64_t step, const Arrivals& post);
  /// Sums that are due in a step, one for each target.
  std::uint32_t* due(std::int64_t step);
  /// True if nothing is due in `step`. May be asked, and the sums of `step` be taken, while another
  /// thread visits rows in the same step, unless a delay is 0.
  bool silent(std::int64_t step) const { return filled_[slot(step)] == 0; }
  void forget_due();
  void mark_due(std::int64_t step) { filled_[slot(step)] = 1; }
  /// The sums that are due have become 0.
  void mark_silent(std::int64_t step) { filled_[slot(step)] = 0; }

 private:
  static constexpr std::size_t kPrefetch = 1024;  // synapses of the next row
  /// Synapses of one row.
  struct Chunk {
    std::size_t first;
    std::size_t n;
    std::size_t place;  // of the row in the followed group
  };

  void see_targets_late();
  std::size_t slot(std::int64_t step) const { return static_cast<std::size_t>(step % slots_); }
  template <class Each>
  void for_chunks(std::size_t source, std::size_t place, Each&& each);
  void visit(const Arrivals& pre, std::int64_t step);
  void visit_group(const Arrivals& group, std::int64_t step);
  void prefetch(std::size_t source) const;
  void sweep(const Arrivals& pre, std::int64_t step);
  void rest_group(std::span<const std::int32_t> sources, std::int64_t step);
  const std::int32_t* lags(std::size_t first) const;
  void catch_up(const Chunk& chunk, std::size_t source, std::int64_t last);
  void learn_from(const Chunk& chunk, std::size_t age, std::int64_t from,
                  std::span<const std::uint32_t> synapses);
  void recall_modulator(const Chunk& chunk, std::int64_t from,
                        std::span<const std::uint32_t> synapses, float* to) const;
  void transmit(const Chunk& chunk, std::int64_t step, std::int32_t payload);
  void run_on_pre(const Chunk& chunk, std::int64_t step, std::int32_t payload);
  void run_on_epoch(std::int64_t step, std::size_t first_row, std::size_t last_row);
  bool of_source(std::int32_t input) const;
  void keep(PastTraces& past, std::int64_t step);
  /// Past traces as `on_pre` and `on_post` read them.
  PastTraces& seen() { return attrs_.joined ? after_ : before_; }
  const float* seen_of_targets(std::int32_t input, std::int64_t step);
  void note_posts(std::int64_t step, const Arrivals& post);
  void fill_target_inputs(RuleFunction& function, const PastTraces& past, std::int64_t step,
                          std::size_t first, std::size_t n);
  void run(RuleFunction& function, std::size_t first, std::size_t n);

  PlasticLane& lane_;
  const PlasticAttrs& attrs_;
  const PlasticRows& rows_;
  const HotLoops& loops_;
  std::size_t number_;
  std::size_t parts_;
  std::int64_t slots_;
  double factor_;
  bool modulator_each_;
  FollowedTraces sources_;
  TargetTraces targets_;
  PastTraces before_;  // of steps in which events may be on their way: before these joined,
  PastTraces after_;  // and after, as `on_epoch` reads them, and all functions if traces join first
  std::vector<std::int32_t> common_lags_;
  std::optional<RuleFunction> on_pre_;
  std::optional<RuleFunction> on_post_;
  std::optional<RuleFunction> on_epoch_;
  std::vector<std::int32_t> kept_;       // inputs of on_post of the target's side
  std::vector<std::size_t> kept_place_;  // by input of on_post
  std::vector<float> kept_values_;
  PendingEvents pending_;
  std::int64_t pass_begin_ = 0;
  const float* modulator_ = nullptr;
  std::vector<std::uint32_t> sums_;   // slots x targets
  std::vector<std::uint8_t> filled_;  // by slot: whether there may be sums other than 0
  std::vector<std::uint32_t> lists_;
  std::vector<std::size_t> list_begins_;
  std::int32_t quantised_[kChunk];
  std::int32_t places_[kChunk];
};

}  // namespace procgraph
