#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// The traces of the sources of a plastic node. Each is known at its anchor, a step in the past,
/// and followed from there, step by step as the contract wants it, when the source is visited.
class SourceTraces {
 public:
  /// Sources that are followed at once.
  static constexpr std::size_t kGroup = 8;

  SourceTraces(const PlasticAttrs& attrs, const HotLoops& loops);

  /// All traces are 0 before step 0.
  void reset();
  /// All traces hold what they do, at the end of step `now` - 1.
  void seek(std::int64_t now);

  /// Computes the traces of up to kGroup sources from their anchors up to `step`.
  void follow(std::span<const std::int32_t> sources, std::int64_t step);
  /// Of a followed source: entry step - anchor is the trace before the events of that step join it.
  const float* history(std::size_t trace, std::size_t place) const {
    return traces_[trace].history.data() + place * stride_;
  }
  /// A followed trace in `step`, the last one followed to, before and after events have joined.
  float arriving(std::size_t trace, std::size_t place, std::int64_t step) const;
  float ended(std::size_t trace, std::size_t place, std::int64_t step) const;
  /// Moves the anchor of a followed source to `step`, the last one followed to: with an event then,
  /// or with none that has not joined already.
  void join(std::size_t place, std::int64_t step, std::int32_t payload);
  void rest(std::size_t place, std::int64_t step);
  /// Flags become 0 where `step`, which all anchors are at, ends an epoch.
  void end(std::int64_t step);

  std::int64_t anchor(std::size_t source) const { return anchors_[source]; }
  /// Values at the anchors.
  std::vector<float>& values(std::size_t trace) { return traces_[trace].after; }

 private:
  struct Values {
    const TraceSpec* spec;
    std::vector<float> before;  // at the anchor, before and after its events have joined
    std::vector<float> after;
    std::vector<float> history;
  };
  bool own(const Values& trace) const { return trace.spec->side == TraceSpec::Side::pre; }
  /// What a trace is after the end of an epoch, if `step` ends one.
  float past_epoch(float flag, std::int64_t step) const {
    return (step + 1) % attrs_.epoch == 0 ? 0.0f : flag;
  }
  void follow_flag(Values& trace, std::size_t count);

  const PlasticAttrs& attrs_;
  const HotLoops& loops_;
  std::vector<Values> traces_;  // as in the Program; those of the targets are empty
  std::vector<std::int64_t> anchors_;
  std::span<const std::int32_t> group_;
  std::size_t stride_ = 0;  // of the histories of a group
};

}  // namespace procgraph
