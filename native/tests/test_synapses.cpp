#include <cmath>
#include <map>
#include <set>

#include "check.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"
#include "random/permutation.hpp"
#include "random/philox.hpp"

using namespace procgraph;

namespace {

constexpr int kScale = 10;
constexpr std::int64_t kSteps = 24;

struct Synapse {
  std::int64_t pre;
  std::int64_t post;
  float weight;
  std::int64_t delay;
};

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

/// Runs source -> synapse node and compares every current; then again without a recorder on the
/// current, where it is added straight to the target.
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

std::vector<std::int32_t> random_delays(Sequence& random, std::int64_t count, std::int64_t below) {
  std::vector<std::int32_t> delays;
  for (std::int64_t i = 0; i < count; ++i) {
    delays.push_back(static_cast<std::int32_t>(random.below(below)));
  }
  return delays;
}

}  // namespace

TEST(dense_with_common_delay) {
  for (const std::int64_t delay : {0, 1, 5}) {
    Sequence random(1);
    Builder b;
    const auto weights = random_weights(random, 37 * 21);
    std::vector<Synapse> synapses;
    for (std::int64_t j = 0; j < 37; ++j) {
      for (std::int64_t i = 0; i < 21; ++i) {
        synapses.push_back({i, j, weights[static_cast<std::size_t>(j * 21 + i)], delay});
      }
    }
    check_node(b, dense(b, "s", 21, 37, weights, delay), synapses, 21, 37);
  }
}

TEST(dense_with_delays) {
  Sequence random(2);
  Builder b;
  const auto weights = random_weights(random, 9 * 7);
  const auto delays = random_delays(random, 9 * 7, 6);
  std::vector<Synapse> synapses;
  for (std::size_t e = 0; e < weights.size(); ++e) {
    const auto i = static_cast<std::int64_t>(e);
    synapses.push_back({i % 7, i / 7, weights[e], delays[e]});
  }
  NodeSpec node = synapse("s", "dense", 7, 9);
  node.attr_count = 4;
  node.attrs = [w = b.tensor(weights, {9, 7}), d = b.tensor(delays, {9, 7})](Packer& out) {
    out.field("n_pre", 7).field("n_post", 9).field("weights", w).field("delays", d);
  };
  check_node(b, node, synapses, 7, 9);
}

TEST(sparse_listed) {
  for (const std::int64_t below : {1, 4, 40}) {
    Sequence random(static_cast<std::uint64_t>(below));
    Builder b;
    std::vector<std::int32_t> pre;
    std::vector<std::int32_t> post;
    const auto weights = random_weights(random, 60);
    const auto delays = random_delays(random, 60, below);
    std::vector<Synapse> synapses;
    for (std::size_t e = 0; e < 60; ++e) {
      pre.push_back(static_cast<std::int32_t>(random.below(11)));
      post.push_back(static_cast<std::int32_t>(random.below(5)));
      synapses.push_back({pre[e], post[e], weights[e], delays[e]});
    }
    NodeSpec node = synapse("s", "sparse", 11, 5);
    node.attr_count = 6;
    node.attrs = [p = b.tensor(pre), q = b.tensor(post), w = b.tensor(weights),
                  d = b.tensor(delays)](Packer& out) {
      out.field("n_pre", 11).field("n_post", 5).field("pre", p).field("post", q);
      out.field("weights", w).field("delays", d);
    };
    check_node(b, node, synapses, 11, 5);
  }
}

TEST(one_to_one) {
  Sequence random(4);
  Builder b;
  const auto weights = random_weights(random, 8);
  const auto delays = random_delays(random, 8, 3);
  std::vector<Synapse> synapses;
  for (std::size_t i = 0; i < 8; ++i) {
    const auto e = static_cast<std::int64_t>(i);
    synapses.push_back({e, e, weights[i], delays[i]});
  }
  NodeSpec node = synapse("s", "one_to_one", 8, 8);
  node.attr_count = 3;
  node.attrs = [w = b.tensor(weights), d = b.tensor(delays)](Packer& out) {
    out.field("n", 8).field("weights", w).field("delays", d);
  };
  check_node(b, node, synapses, 8, 8);
}

TEST(all_to_all) {
  Builder b;
  std::vector<Synapse> synapses;
  for (std::int64_t i = 0; i < 5; ++i) {
    for (std::int64_t j = 0; j < 6; ++j) synapses.push_back({i, j, -0.75f, 2});
  }
  NodeSpec node = synapse("s", "all_to_all", 5, 6);
  node.attr_count = 4;
  node.attrs = [w = b.tensor<float>({-0.75f})](Packer& out) {
    out.field("n_pre", 5).field("n_post", 6).field("weights", w).field("delay", 2);
  };
  check_node(b, node, synapses, 5, 6);
}

TEST(conv2d) {
  struct Case {
    std::int64_t c, h, w, o, kh, kw, stride, padding, dilation, groups;
    bool delays;
  };
  for (const Case& t :
       {Case{2, 5, 6, 4, 3, 3, 1, 1, 1, 1, false}, Case{4, 7, 5, 4, 3, 2, 2, 0, 2, 2, false},
        Case{3, 6, 6, 3, 2, 2, 2, 0, 1, 3, true}, Case{2, 4, 4, 2, 3, 3, 1, 2, 1, 1, true}}) {
    const std::int64_t ho = (t.h + 2 * t.padding - t.dilation * (t.kh - 1) - 1) / t.stride + 1;
    const std::int64_t wo = (t.w + 2 * t.padding - t.dilation * (t.kw - 1) - 1) / t.stride + 1;
    const std::int64_t cg = t.c / t.groups;
    Sequence random(9);
    Builder b;
    const auto weights = random_weights(random, t.o * cg * t.kh * t.kw);
    const auto delays = random_delays(random, t.o * cg * t.kh * t.kw, 3);
    std::vector<Synapse> synapses;
    for (std::int64_t o = 0; o < t.o; ++o) {
      const std::int64_t group = o / (t.o / t.groups);
      for (std::int64_t y = 0; y < ho * wo; ++y) {
        for (std::int64_t tap = 0; tap < cg * t.kh * t.kw; ++tap) {
          const std::int64_t u = tap / t.kw % t.kh;
          const std::int64_t v = tap % t.kw;
          const std::int64_t row = y / wo * t.stride + u * t.dilation - t.padding;
          const std::int64_t column = y % wo * t.stride + v * t.dilation - t.padding;
          if (row < 0 || row >= t.h || column < 0 || column >= t.w) continue;
          const std::int64_t channel = group * cg + tap / (t.kh * t.kw);
          const auto e = static_cast<std::size_t>(o * cg * t.kh * t.kw + tap);
          synapses.push_back({(channel * t.h + row) * t.w + column, o * ho * wo + y, weights[e],
                              t.delays ? delays[e] : 1});
        }
      }
    }
    NodeSpec node = synapse("s", "conv2d", t.c * t.h * t.w, t.o * ho * wo);
    node.attr_count = 8;
    const std::vector<std::int64_t> shape = {t.o, cg, t.kh, t.kw};
    node.attrs = [=, w = b.tensor(weights, shape), d = b.tensor(delays, shape)](Packer& out) {
      out.ints("in_shape", {t.c, t.h, t.w}).ints("out_shape", {t.o, ho, wo});
      out.field("weights", w).ints("stride", {t.stride, t.stride});
      out.ints("padding", {t.padding, t.padding}).ints("dilation", {t.dilation, t.dilation});
      out.field("groups", t.groups).field(t.delays ? "delays" : "delay", t.delays ? d : 1);
    };
    check_node(b, node, synapses, t.c * t.h * t.w, t.o * ho * wo);
  }
}

namespace {

constexpr std::uint64_t kKey = 0x1234567890ABCDEFu;

std::uint32_t u(std::uint64_t e, std::uint32_t t) {
  return philox({static_cast<std::uint32_t>(e >> 2), static_cast<std::uint32_t>(e >> 34), 0, t},
                split(kKey))[e & 3];
}

std::int64_t pick(std::uint32_t x, std::int64_t n) {
  return static_cast<std::int64_t>((std::uint64_t{x} * static_cast<std::uint64_t>(n)) >> 32);
}

NodeSpec rule_node(Builder& b, const char* rule, std::int64_t n_pre, std::int64_t n_post,
                   std::int64_t count, bool multapses, bool autapses, std::int64_t synapses,
                   const std::vector<float>& weights) {
  NodeSpec node = synapse("s", "sparse", n_pre, n_post);
  node.attr_count = 10 + 1;
  node.attrs = [=, w = b.tensor(weights),
                t = b.tensor<std::uint32_t>({1u << 30, 3u << 30})](Packer& out) {
    out.field("n_pre", n_pre).field("n_post", n_post).text("rule", rule).str("key").uint64(kKey);
    out.field("count", count).field("lo", 1).field("table", t);
    out.str("multapses").boolean(multapses).str("autapses").boolean(autapses);
    out.field("synapses", synapses).field("weights", w).field("delay", 1);
  };
  ++node.attr_count;
  return node;
}

}  // namespace

TEST(rule_fixed_in_degree) {
  for (const int variant : {0, 1, 2, 3}) {
    const bool multapses = (variant & 1) != 0;
    const bool autapses = (variant & 2) != 0;
    Sequence random(5);
    Builder b;
    const auto weights = random_weights(random, 9 * 4);
    std::vector<Synapse> synapses;
    const std::int64_t n = autapses ? 9 : 8;
    for (std::int64_t j = 0; j < 9; ++j) {
      const Permutation permutation(static_cast<std::uint32_t>(n), split(kKey),
                                    static_cast<std::uint32_t>(j), 1);
      std::set<std::int64_t> seen;
      for (std::int64_t m = 0; m < 4; ++m) {
        const auto e = static_cast<std::uint64_t>(j * 4 + m);
        std::int64_t source =
            multapses ? pick(u(e, 1), n) : permutation(static_cast<std::uint32_t>(m));
        if (!autapses && source >= j) ++source;
        CHECK(autapses || source != j);
        CHECK(seen.insert(source).second || multapses);
        synapses.push_back({source, j, weights[e], 1});
      }
    }
    check_node(b, rule_node(b, "fixed_in_degree", 9, 9, 4, multapses, autapses, 36, weights),
               synapses, 9, 9);
  }
}

TEST(rule_fixed_out_degree) {
  Builder b;
  std::vector<Synapse> synapses;
  for (std::int64_t i = 0; i < 6; ++i) {
    for (std::int64_t m = 0; m < 5; ++m) {
      synapses.push_back({i, pick(u(static_cast<std::uint64_t>(i * 5 + m), 2), 13), 0.5f, 1});
    }
  }
  check_node(b, rule_node(b, "fixed_out_degree", 6, 13, 5, true, true, 30, {0.5f}), synapses, 6,
             13);
}

TEST(rule_fixed_total) {
  Sequence random(6);
  Builder b;
  const auto weights = random_weights(random, 50);
  std::vector<Synapse> synapses;
  for (std::uint32_t e = 0; e < 50; ++e) {
    const Block words = philox({e, 0, 0, 3}, split(kKey));
    synapses.push_back({pick(words[0], 6), pick(words[1], 13), weights[e], 1});
  }
  check_node(b, rule_node(b, "fixed_total", 6, 13, 50, true, true, 50, weights), synapses, 6, 13);
}

TEST(rule_fixed_probability) {
  Builder b;
  std::vector<Synapse> synapses;
  for (std::uint32_t i = 0; i < 10; ++i) {
    const std::uint32_t w0 = philox({i, 0, 0, 4}, split(kKey))[0];
    const std::uint32_t count = 1u + (w0 >= 1u << 30) + (w0 >= 3u << 30);
    const Permutation permutation(7, split(kKey), i, 4);
    for (std::uint32_t m = 0; m < count; ++m) synapses.push_back({i, permutation(m), -0.25f, 1});
  }
  const auto total = static_cast<std::int64_t>(synapses.size());
  check_node(b, rule_node(b, "fixed_probability", 10, 7, 0, false, true, total, {-0.25f}), synapses,
             10, 7);
  Builder wrong;
  wrong.node(rule_node(wrong, "fixed_probability", 10, 7, 0, false, true, total + 1, {-0.25f}));
  wrong.schedule(0);
  const auto program = wrong.load();
  CHECK_THROWS(format, Engine{program});
}

TEST(only_rules_by_sources_can_go_unstored) {
  Builder b;
  NodeSpec node = rule_node(b, "fixed_in_degree", 6, 13, 2, true, true, 26, {0.5f});
  ++node.attr_count;
  node.attrs = [before = node.attrs](Packer& out) {
    before(out);
    out.text("storage", "procedural");
  };
  b.node(std::move(node));
  b.schedule(0);
  CHECK_THROWS(format, b.load());
}

TEST(weights_at_run_time) {
  Builder b;
  const int s = b.node(event_source(b, "a", 2, {{0, 0, 1}, {1, 1, 1}}, 1, 2));
  NodeSpec node = dense(b, "d", 2, 1, {1.0f, 2.0f}, 0, 20);
  node.inputs[0].limit = 1;
  const int d = b.node(node);
  const int t = b.node(lif(b, "t", 1, 0.0f, 1e9f, 0, 20));
  b.join({.src = s, .dst = d});
  b.join({.src = d, .dst = t});
  for (const int n : {s, d, t}) b.schedule(n);
  Engine engine(b.load());
  const int v = engine.record_state("t", "v");
  engine.run(2);
  const std::vector<float> larger = {4.0f, 8.0f};
  engine.write("d", "weights", "", {DType::float32, {1, 2}, larger.data()});
  engine.run(2);
  Recording samples = engine.recorded(v);
  const float* x = samples.samples.as<float>();
  CHECK(x[0] == 1.0f && x[1] == 2.0f && x[2] == 4.0f && x[3] == 8.0f);
  const std::vector<float> too_large = {2000.0f, 100.0f};
  CHECK_THROWS(argument,
               engine.write("d", "weights", "", {DType::float32, {1, 2}, too_large.data()}));
  CHECK_THROWS(shape, engine.write("d", "weights", "", {DType::float32, {2, 2}, too_large.data()}));
  Array now = engine.read("d", "weights", "");
  CHECK(now.as<float>()[1] == 8.0f);
}
