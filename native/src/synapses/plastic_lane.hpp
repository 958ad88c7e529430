#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "synapses/modulator_history.hpp"
#include "synapses/plastic_synapses.hpp"
#include "synapses/source_traces.hpp"

namespace procgraph {

/// The plastic synapses of one lane: what is kept of each synapse and of each source. Threads may
/// work on it at the same time, as long as no two have the same row; see PlasticPart.
struct PlasticLane {
  PlasticLane(const Node& node, const PlasticRows& by_source)
      : attrs(std::get<PlasticAttrs>(node.attrs)),
        rows(by_source),
        sources(attrs),
        learnt(static_cast<std::size_t>(attrs.n_pre)),
        worth_(1 + kWorth * learnt.size() / (rows.size() + 1)) {
    for (std::size_t v = 0; v <= node.states.size(); ++v) variables.emplace_back(rows.size());
    for (const RuleFunctionSpec& function : attrs.functions) {
      const bool reads = std::count(function.inputs.begin(), function.inputs.end(), -1) > 0;
      const bool late = attrs.dendritic && function.event == "post";
      if (reads && late) modulators.emplace(static_cast<std::size_t>(node.inputs[2].n));
    }
  }

  /// All rows are at the end of step `now` - 1.
  void seek(std::int64_t now) {
    sources.seek(now);
    learnt.assign(learnt.size(), now);
    if (modulators) modulators->restart(now);
  }

  /// The next of `count` events of the sources for one of `parts` threads that take turns: few at a
  /// time towards the end, so that all are done at about the same time.
  std::pair<std::size_t, std::size_t> take(std::size_t count, std::size_t parts) {
    std::size_t first = next_.load(std::memory_order_relaxed);
    std::size_t last = 0;
    do {
      const std::size_t share = (count - first + 2 * parts - 1) / (2 * parts);
      const std::size_t few = std::clamp(share, worth_, std::max(worth_, FollowedTraces::kGroup));
      last = parts == 1 ? count : std::min(count, first + few);
    } while (!next_.compare_exchange_weak(first, last, std::memory_order_relaxed));
    return {first, last};
  }
  /// Before the events of a step are taken.
  void restart() { next_.store(0, std::memory_order_relaxed); }

  const PlasticAttrs& attrs;
  const PlasticRows& rows;
  std::vector<PagedArray<float>> variables;  // the weight and others, by place
  SourceTraces sources;
  std::vector<std::int64_t> learnt;  // by source: events before are learnt from
  /// Where `on_post` reads it, and looks back since its events reach synapses at different times.
  std::optional<ModulatorHistory> modulators;

 private:
  static constexpr std::size_t kWorth = 1000;  // synapses that are worth asking for
  std::size_t worth_;                          // events, of sources with rows of mean length
  alignas(64) std::atomic<std::size_t> next_{0};
};

}  // namespace procgraph
