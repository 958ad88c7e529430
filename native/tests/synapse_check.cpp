#include "synapse_check.hpp"

#include <cmath>
#include <map>

#include "check.hpp"
#include "procgraph/engine.hpp"

namespace procgraph {
namespace {

constexpr int kScale = 10;  // of the weights
constexpr std::int64_t kSteps = 24;

std::int32_t quantised(float w) {
  return static_cast<std::int32_t>(std::rint(std::ldexp(static_cast<double>(w), kScale)));
}

/// The definition: a_out_k[target] = sum of q * h_(k - delay)[source].
std::vector<float> expected_currents(const std::vector<Synapse>& synapses,
                                     const std::vector<Event>& events, std::int64_t n_post) {
  std::map<std::int64_t, std::map<std::int64_t, std::int64_t>> history;
  for (const auto& e : events) history[e.tick][e.index] += e.payload;
  std::vector<float> out;
  for (std::int64_t k = 0; k < kSteps; ++k) {
    std::vector<std::int64_t> sums(static_cast<std::size_t>(n_post));
    for (const auto& s : synapses) {
      const auto tick = history.find(k - s.delay);
      if (tick == history.end()) continue;
      const auto payload = tick->second.find(s.pre);
      if (payload == tick->second.end()) continue;
      sums[static_cast<std::size_t>(s.post)] += quantised(s.weight) * payload->second;
    }
    for (const auto sum : sums) out.push_back(static_cast<float>(std::ldexp(sum, -kScale)));
  }
  return out;
}

/// The same spikes where nothing may be stored that can be made anew.
void check_without_memory(const std::shared_ptr<const Program>& program, Recording& wanted) {
  EngineOptions options;
  options.synapse_memory = 1;
  Engine engine(program, {}, 1, KernelRegistry::process(), options);
  const auto* attrs = std::get_if<SparseAttrs>(&program->nodes[1].attrs);
  const bool anew = attrs != nullptr && attrs->can_be_procedural();
  CHECK_EQUAL(engine.storage()[0].format == "procedural", anew);
  const int spikes = engine.record_output("t", "s_out");
  engine.run(kSteps);
  Recording found = engine.recorded(spikes);
  CHECK_EQUAL(found.index.count(), wanted.index.count());
  CHECK(std::equal(found.index.as<std::int32_t>(),
                   found.index.as<std::int32_t>() + found.index.count(),
                   wanted.index.as<std::int32_t>()));
}

}  // namespace

void check_node(Builder& b, NodeSpec node, const std::vector<Synapse>& synapses, std::int64_t n_pre,
                std::int64_t n_post) {
  Sequence random(static_cast<std::uint64_t>(synapses.size()));
  const auto events = random_events(random, kSteps, n_pre, 3);
  node.outputs[0].scale = kScale;
  const int source = b.node(event_source(b, "a", n_pre, events));
  const int synapse_node = b.node(std::move(node));
  const int target = b.node(lif(b, "t", n_post, 0.5f, 2.0f, 1, kScale));
  b.join({.src = source, .dst = synapse_node});
  b.join({.src = synapse_node, .dst = target});
  for (const int n : {source, synapse_node, target}) b.schedule(n);
  const auto program = b.load();
  Engine recorded(program);
  Engine fused(program);
  const int currents = recorded.record_output("s", "a_out");
  const int spikes = recorded.record_output("t", "s_out");
  const int fused_spikes = fused.record_output("t", "s_out");
  CHECK_EQUAL(recorded.run(kSteps), kSteps);
  CHECK_EQUAL(fused.run(kSteps), kSteps);
  Recording samples = recorded.recorded(currents);
  const std::vector<float> got(samples.samples.as<float>(),
                               samples.samples.as<float>() + samples.samples.count());
  CHECK(got == expected_currents(synapses, events, n_post));
  Recording x = recorded.recorded(spikes);
  Recording y = fused.recorded(fused_spikes);
  CHECK_EQUAL(x.index.count(), y.index.count());
  CHECK(std::equal(x.index.as<std::int32_t>(), x.index.as<std::int32_t>() + x.index.count(),
                   y.index.as<std::int32_t>()));
  check_without_memory(program, x);
  // The current that fusion has skipped is made up for in a checkpoint.
  State a = recorded.export_state();
  State c = fused.export_state();
  CHECK(std::equal(a["s/out/a_out"].as<std::int32_t>(),
                   a["s/out/a_out"].as<std::int32_t>() + n_post,
                   c["s/out/a_out"].as<std::int32_t>()));
}

std::vector<float> random_weights(Sequence& random, std::int64_t count) {
  std::vector<float> weights;
  for (std::int64_t i = 0; i < count; ++i) weights.push_back(random.real());
  return weights;
}

}  // namespace procgraph
