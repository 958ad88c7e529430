#include "random/rules.hpp"
#include "synapses/projection.hpp"

namespace procgraph {
namespace {

/// Synapses that are not stored: each event makes those of its source anew.
class Procedural final : public Projection {
 public:
  Procedural(const SparseAttrs& attrs, const HotLoops& loops)
      : Projection(attrs.delays), attrs_(attrs), loops_(loops), first_(first_synapses(attrs)) {}

  void deliver(const EventList& due, std::size_t, std::uint32_t* sums) const override {
    for (std::size_t e = 0; e < due.size(); ++e) {
      const auto payload = static_cast<std::uint32_t>(due.payload()[e]);
      for_each(due.index()[e], [&](const SynapseRun& run) { add(run, payload, sums); });
    }
  }

  void mark(const EventList& due, std::size_t, std::span<LineMask> lines) const override {
    for (std::size_t e = 0; e < due.size(); ++e) {
      for_each(due.index()[e], [&](const SynapseRun& run) {
        for (const std::int32_t target : run.post) {
          set_mark(lines.data(), static_cast<std::size_t>(target));
        }
      });
    }
  }

  void set_weights(std::span<const std::int32_t> weights) override {
    weights_.assign(weights.begin(), weights.end());
    drawn_ = false;
  }
  bool set_weight_table(std::span<const std::int32_t> weights) override {
    set_weights(weights);
    return drawn_ = true;
  }

  Storage storage() const override {
    return {StorageFormat::procedural, attrs_.synapses,
            first_.size() * sizeof first_[0] + weights_.size() * sizeof weights_[0]};
  }
  Load load(std::span<const float> weights) const override {
    return sparse_load(attrs_, loops_, weights);
  }

 private:
  void for_each(std::int32_t source, const RunVisitor& visit) const {
    const std::int64_t first = first_[static_cast<std::size_t>(source)];
    for_each_synapse(attrs_, loops_, {source, source + 1, first}, visit);
  }

  void add(const SynapseRun& run, std::uint32_t payload, std::uint32_t* sums) const {
    if (weights_.size() == 1) {
      loops_.add_targets(sums, run.post.data(), run.post.size(),
                         payload * static_cast<std::uint32_t>(weights_[0]));
      return;
    }
    const std::int32_t* own = weights_.data() + (drawn_ ? 0 : run.first);
    for (std::size_t i = 0; i < run.post.size(); ++i) {
      const std::size_t number = drawn_ ? run.words[i] >> 16 : i;
      sums[run.post[i]] += payload * static_cast<std::uint32_t>(own[number]);
    }
  }

  const SparseAttrs& attrs_;
  const HotLoops& loops_;
  std::vector<std::int64_t> first_;    // synapse, by source
  std::vector<std::int32_t> weights_;  // one, those that are drawn from, or one a synapse
  bool drawn_ = false;
};

}  // namespace

std::unique_ptr<Projection> make_procedural(const SparseAttrs& attrs, const HotLoops& loops) {
  return std::make_unique<Procedural>(attrs, loops);
}

}  // namespace procgraph
