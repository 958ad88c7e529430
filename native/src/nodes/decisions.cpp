#include <algorithm>

#include "engine/runtime_node.hpp"

namespace procgraph {
namespace {

/// Counts payloads per class and decides for the largest count at the end of each window.
class Argmax final : public RuntimeNode {
 public:
  Argmax(const Node& spec, const BuildContext& context)
      : RuntimeNode(spec, context), attrs_(std::get<ArgmaxAttrs>(spec.attrs)) {}

 protected:
  void compute(std::int64_t step) override {
    const bool decides = (tick_number(step) + 1) % attrs_.window == 0;
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      std::uint32_t* counts = values(0) + lane * inputs[0].n();
      if (!inputs[0].clean()) {
        const std::uint32_t* sums = inputs[0].sums(lane);
        for (std::size_t i = 0; i < inputs[0].n(); ++i) counts[i] += sums[i];
      }
      if (decides) decide(step, lane, reinterpret_cast<std::int32_t*>(counts));
    }
    inputs[0].clear();
  }

 private:
  std::uint32_t* values(std::size_t state) {
    return reinterpret_cast<std::uint32_t*>(states[state].at(0));
  }

  void decide(std::int64_t step, std::size_t lane, std::int32_t* counts) {
    auto& decision = reinterpret_cast<std::int32_t*>(states[1].at(0))[lane];
    const std::int32_t* best = std::max_element(counts, counts + inputs[0].n());
    if (*best > 0) {
      decision = static_cast<std::int32_t>(best - counts);
    } else if (attrs_.idle >= 0) {
      decision = attrs_.idle;
    }
    std::fill_n(counts, inputs[0].n(), 0);
    std::memcpy(outputs[0].array(step, lane), &decision, sizeof decision);
  }

  const ArgmaxAttrs& attrs_;
};

/// A node whose behaviour lives outside: the engine only keeps its ports.
class Host final : public RuntimeNode {
 public:
  using RuntimeNode::RuntimeNode;

 protected:
  void compute(std::int64_t) override {}
};

}  // namespace

std::unique_ptr<RuntimeNode> make_argmax(const Node& spec, const BuildContext& context) {
  return std::make_unique<Argmax>(spec, context);
}

std::unique_ptr<RuntimeNode> make_host(const Node& spec, const BuildContext& context) {
  return std::make_unique<Host>(spec, context);
}

}  // namespace procgraph
