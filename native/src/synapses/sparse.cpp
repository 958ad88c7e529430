#include <cmath>

#include "random/rules.hpp"
#include "synapses/projection.hpp"
#include "synapses/segments.hpp"

namespace procgraph {
namespace {

class Sparse final : public Projection {
 public:
  Sparse(const SparseAttrs& attrs, const HotLoops& loops)
      : Projection(attrs.delays), attrs_(attrs), segments_(attrs.n_pre, delays(), loops) {
    segments_.build(attrs.synapses, attrs.delays, [&](const SegmentVisitor& visit) {
      for_each_synapse(attrs, [&](const SynapseRun& run) {
        for (std::size_t i = 0; i < run.pre.size(); ++i) {
          visit(run.first + static_cast<std::int64_t>(i), run.pre[i], run.post[i]);
        }
      });
    });
  }

  void deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const override {
    segments_.deliver(due, delay, sums);
  }
  void set_weights(std::span<const std::int32_t> weights) override {
    if (!weights.empty()) segments_.set_weights(weights);
  }

  Load load(std::span<const float> weights) const override {
    const auto n_post = static_cast<std::size_t>(attrs_.n_post);
    Load load{std::vector<double>(n_post), std::vector<double>(n_post)};
    const auto targets = segments_.targets();
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const auto target = static_cast<std::size_t>(targets[i]);
      const float w = weights[weights.size() == 1 ? 0 : segments_.order()[i]];
      load.weight[target] += std::abs(static_cast<double>(w));
      load.synapses[target] += 1;
    }
    return load;
  }

 private:
  const SparseAttrs& attrs_;
  Segments segments_;
};

}  // namespace

std::unique_ptr<Projection> make_sparse(const SparseAttrs& attrs, const HotLoops& loops) {
  return std::make_unique<Sparse>(attrs, loops);
}

}  // namespace procgraph
