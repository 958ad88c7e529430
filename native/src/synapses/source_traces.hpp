#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// The traces of the sources of a plastic node. Each is known at its anchor, a step in the past.
class SourceTraces {
 public:
  explicit SourceTraces(const PlasticAttrs& attrs);

  /// All traces are 0 before step 0.
  void reset();
  /// All traces hold what they do, at the end of step `now` - 1.
  void seek(std::int64_t now);
  /// Flags become 0 where `step`, which all anchors are at, ends an epoch.
  void end(std::int64_t step);

  std::size_t count() const { return traces_.size(); }  ///< with those of the targets
  const TraceSpec& spec(std::size_t trace) const { return *traces_[trace].spec; }
  bool own(std::size_t trace) const { return spec(trace).side == TraceSpec::Side::pre; }
  bool ends_epoch(std::int64_t step) const { return (step + 1) % attrs_.epoch == 0; }
  /// What a flag is after `step`.
  float past_epoch(float flag, std::int64_t step) const { return ends_epoch(step) ? 0.0f : flag; }

  /// True if functions see the events of their own step in the traces.
  bool joins_first() const { return attrs_.joined; }
  /// What a trace is when an event has joined it.
  float joined(std::size_t trace, float value, std::int32_t payload) const {
    return spec(trace).mode == TraceSpec::Mode::add ? value + static_cast<float>(payload) : 1.0f;
  }
  /// A trace at its anchor, as functions see it.
  const std::vector<float>& seen(std::size_t trace) const {
    return attrs_.joined ? traces_[trace].after : traces_[trace].before;
  }

  // By source: the step of the anchor, and the trace there before and after its events have joined.
  std::vector<std::int64_t>& anchors() { return anchors_; }
  std::vector<float>& before(std::size_t trace) { return traces_[trace].before; }
  std::vector<float>& after(std::size_t trace) { return traces_[trace].after; }

 private:
  struct Values {
    const TraceSpec* spec;
    std::vector<float> before;
    std::vector<float> after;
  };

  const PlasticAttrs& attrs_;
  std::vector<Values> traces_;  // as in the Program; those of the targets are empty
  std::vector<std::int64_t> anchors_;
};

/// A few sources whose traces are followed from their anchors, step by step as the contract wants
/// it. Several threads may each follow some, of one SourceTraces, as long as no two have the same.
class FollowedTraces {
 public:
  /// Sources that are followed at once.
  static constexpr std::size_t kGroup = 8;

  FollowedTraces(SourceTraces& traces, const HotLoops& loops);

  /// Computes the traces of up to kGroup sources from their anchors up to `step`.
  void follow(std::span<const std::int32_t> sources, std::int64_t step);
  /// Of a followed source: entry step - anchor is the trace in that step, at the anchor as
  /// functions see it and later before an event joins.
  const float* history(std::size_t trace, std::size_t place) const {
    return histories_[trace].data() + place * stride_;
  }
  /// A followed trace in `step`, the last one followed to, before events have joined.
  float arriving(std::size_t trace, std::size_t place, std::int64_t step) const;
  /// The same as functions see it where an event happens.
  float seen(std::size_t trace, std::size_t place, std::int64_t step, std::int32_t payload) const;
  /// Moves the anchor of a followed source to `step`, the last one followed to: with an event then,
  /// or with none that has not joined already.
  void join(std::size_t place, std::int64_t step, std::int32_t payload);
  void rest(std::size_t place, std::int64_t step);

 private:
  std::size_t source(std::size_t place) const { return static_cast<std::size_t>(group_[place]); }
  void follow_flag(std::size_t trace, std::size_t count);
  float ended(std::size_t trace, std::size_t place, std::int64_t step) const;

  SourceTraces& traces_;
  const HotLoops& loops_;
  std::vector<std::vector<float>> histories_;  // by trace
  std::span<const std::int32_t> group_;
  std::size_t stride_ = 0;  // of the histories of a group
};

}  // namespace procgraph
