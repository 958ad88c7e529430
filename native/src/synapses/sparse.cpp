#include <cmath>

#include "random/rules.hpp"
#include "synapses/projection.hpp"
#include "synapses/segments.hpp"
#include "synapses/values.hpp"

namespace procgraph {
namespace {

/// Sparse synapses of a node that works for itself.
class Sparse final : public Projection {
 public:
  Sparse(const SparseAttrs& attrs, const HotLoops& loops)
      : Projection(attrs.delays, attrs.delay_table),
        attrs_(attrs),
        loops_(loops),
        segments_(attrs.n_pre, delays(), loops) {
    const SynapseValues values(attrs);
    segments_.build(attrs.synapses, [&](const SegmentVisitor& visit) {
      for_each_synapse(attrs, loops, {}, [&](const SynapseRun& run) {
        for (std::size_t i = 0; i < run.pre.size(); ++i) {
          visit({run.first + static_cast<std::int64_t>(i), run.pre[i], run.post[i],
                 values.delay(run, i)});
        }
      });
    });
  }

  void deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const override {
    segments_.deliver(due, delay, sums);
  }
  void mark(const EventList& due, std::size_t delay, std::span<LineMask> lines) const override {
    segments_.mark(due, delay, lines);
  }
  void set_weights(std::span<const std::int32_t> weights) override {
    if (!weights.empty()) segments_.set_weights(weights);
  }
  Storage storage() const override {
    return {StorageFormat::segments, attrs_.synapses, segments_.bytes()};
  }
  Load load(std::span<const float> weights) const override {
    return sparse_load(attrs_, loops_, weights);
  }

 private:
  const SparseAttrs& attrs_;
  const HotLoops& loops_;
  Segments segments_;
};

}  // namespace

Projection::Load sparse_load(const SparseAttrs& attrs, const HotLoops& loops,
                             std::span<const float> weights) {
  const auto n_post = static_cast<std::size_t>(attrs.n_post);
  Projection::Load load{std::vector<double>(n_post), std::vector<double>(n_post)};
  const SynapseValues values(attrs);
  for_each_synapse(attrs, loops, {}, [&](const SynapseRun& run) {
    for (std::size_t i = 0; i < run.pre.size(); ++i) {
      const auto target = static_cast<std::size_t>(run.post[i]);
      const std::size_t e = static_cast<std::size_t>(run.first) + i;
      const float w =
          weights.empty() ? values.weight(run, i) : weights[weights.size() == 1 ? 0 : e];
      load.weight[target] += std::abs(static_cast<double>(w));
      load.synapses[target] += 1;
    }
  });
  return load;
}

std::unique_ptr<Projection> make_sparse(const SparseAttrs& attrs, const HotLoops& loops) {
  return std::make_unique<Sparse>(attrs, loops);
}

}  // namespace procgraph
