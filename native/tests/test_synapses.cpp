#include "check.hpp"
#include "procgraph/engine.hpp"
#include "synapse_check.hpp"

using namespace procgraph;

namespace {

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
