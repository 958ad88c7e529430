// What synapses see of their targets: now, or after dendritic delays.
#include <algorithm>

#include "synapses/plastic_part.hpp"

namespace procgraph {
namespace {

std::size_t index(std::int32_t number) {
  return static_cast<std::size_t>(number);
}

}  // namespace

/// Makes room for what synapses with dendritic delays look back to.
void PlasticPart::see_targets_late() {
  before_ = PastTraces(attrs_.traces.size(), rows_.targets, slots_);
  after_ = before_;
  for (std::size_t t = 0; t < attrs_.traces.size(); ++t) {
    if (lane_.sources.own(t)) continue;
    before_.add(t);
    if (attrs_.joined) after_.add(t);
  }
  for (const std::int32_t input : on_epoch_ ? on_epoch_->inputs() : std::vector<std::int32_t>{}) {
    if (input >= 0 && !of_source(input)) after_.add(index(input));
  }
  common_lags_.assign(kChunk, attrs_.delays.common);
}

/// How long the events of targets take to the synapses from a place on; null if no time.
const std::int32_t* PlasticPart::lags(std::size_t first) const {
  if (!attrs_.dendritic) return nullptr;
  return rows_.delay.size() == 0 ? common_lags_.data() : rows_.delay.data() + first;
}

/// What a function reads of the targets of synapses in consecutive places: now, or from `past` as
/// far back as their lags.
void PlasticPart::fill_target_inputs(RuleFunction& function, const PastTraces& past,
                                     std::int64_t step, std::size_t first, std::size_t n) {
  const std::int32_t* post = rows_.post.data() + first;
  const std::int32_t* late = lags(first);
  if (late != nullptr) {
    const auto slots = static_cast<std::int32_t>(slots_);
    const auto targets = static_cast<std::int32_t>(rows_.targets);
    const auto now = static_cast<std::int32_t>(step % slots_);
    for (std::size_t k = 0; k < n; ++k) {
      const std::int32_t slot = now - late[k];
      places_[k] = (slot < 0 ? slot + slots : slot) * targets + post[k];
    }
  }
  for (std::size_t i = 0; i < function.inputs().size(); ++i) {
    const std::int32_t input = function.inputs()[i];
    if (of_source(input)) continue;
    float* to = function.input(i);
    if (input < 0 && !modulator_each_) {
      std::fill_n(to, n, modulator_[0]);
      continue;
    }
    const bool from_past = input >= 0 && late != nullptr;
    const float* from = input < 0   ? modulator_
                        : from_past ? past.data(index(input))
                                    : targets_.values(index(input)).data();
    const std::int32_t* places = from_past ? places_ : post;
    for (std::size_t k = 0; k < n; ++k) to[k] = from[places[k]];
  }
}

/// What the modulator was when the events of a list reached the synapses.
void PlasticPart::recall_modulator(const Chunk& chunk, std::int64_t from,
                                   std::span<const std::uint32_t> synapses, float* to) const {
  const std::int32_t* post = rows_.post.data() + chunk.first;
  for (std::size_t k = 0; k < synapses.size(); ++k) {
    const auto age = static_cast<std::int64_t>(PendingEvents::distance(synapses[k]));
    const std::size_t target = index(post[PendingEvents::place(synapses[k])]);
    to[k] = lane_.modulators->at(from + age, target);
  }
}

/// Traces of the targets as they are in `step`.
void PlasticPart::keep(PastTraces& past, std::int64_t step) {
  for (std::size_t t = 0; t < past.count(); ++t) {
    if (!past.keeps(t)) continue;
    std::copy_n(targets_.values(t).begin(), rows_.targets, past.row(t, step));
  }
}

/// What an input of `on_post` reads of the targets for the events of `step`.
const float* PlasticPart::seen_of_targets(std::int32_t input, std::int64_t step) {
  if (input < 0) return modulator_;
  const std::size_t trace = index(input);
  return seen().keeps(trace) ? seen().row(trace, step) : targets_.values(trace).data();
}

/// The events of the targets wait for their synapses to be visited.
void PlasticPart::note_posts(std::int64_t step, const Arrivals& post) {
  if (!on_post_) return;
  for (const std::int32_t element : post.elements) {
    const std::size_t target = index(element);
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const bool common = kept_[i] < 0 && !modulator_each_;
      kept_values_[i] = seen_of_targets(kept_[i], step)[common ? 0 : target];
    }
    pending_.push(target, step, kept_values_);
  }
}

void PlasticPart::recall(std::int64_t step, const Arrivals& post) {
  for (std::size_t t = 0; t < after_.count(); ++t) {
    if (!after_.keeps(t)) continue;
    std::copy_n(before_.row(t, step), rows_.targets, after_.row(t, step));
    targets_.join(t, post, after_.row(t, step));
  }
  note_posts(step, post);
}

}  // namespace procgraph
