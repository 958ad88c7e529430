#include "graphs.hpp"

#include <cmath>

NodeSpec event_source(Builder& b, const std::string& name, std::int64_t n,
                      const std::vector<Event>& events, std::int64_t depth, std::int64_t cycle) {
  std::vector<std::int64_t> ticks;
  std::vector<std::int32_t> index;
  std::vector<std::int32_t> payload;
  for (const auto& event : events) {
    ticks.push_back(event.tick);
    index.push_back(event.index);
    payload.push_back(event.payload);
  }
  NodeSpec node{.name = name, .op = "event_source"};
  node.outputs = {{.name = "s_out", .n = n, .depth = depth, .limit = 1000}};
  node.attr_count = 4;
  node.attrs = [t = b.tensor(ticks), i = b.tensor(index), p = b.tensor(payload),
                cycle](Packer& out) {
    out.field("ticks", t).field("index", i).field("payload", p).field("cycle", cycle);
  };
  return node;
}

NodeSpec elementwise(const std::string& name, const std::string& kernel, std::int64_t n,
                     std::int64_t draws) {
  NodeSpec node{.name = name, .op = "elementwise", .n = n};
  node.attr_count = 4;
  node.attrs = [kernel, draws](Packer& out) {
    out.text("kernel", kernel).text("hash", "1").field("draws", draws).text("execution", "clock");
  };
  return node;
}

NodeSpec lif(Builder& b, const std::string& name, std::int64_t n, float decay, float v_th,
             std::int32_t ref_steps, std::int64_t scale) {
  NodeSpec node = elementwise(name, "test_lif", n, 0);
  node.inputs = {{.name = "a_in", .kind = "current", .n = n, .scale = scale}};
  node.outputs = {{.name = "s_out", .n = n}};
  node.columns = {{"decay", "float32", b.tensor<float>({decay})},
                  {"v_th", "float32", b.tensor<float>({v_th})},
                  {"ref_steps", "int32", b.tensor<std::int32_t>({ref_steps})}};
  node.states = {{"v", "float32", b.tensor<float>({0.0f})},
                 {"refractory", "int32", b.tensor<std::int32_t>({0})}};
  return node;
}

NodeSpec bernoulli(Builder& b, const std::string& name, std::int64_t n, double probability) {
  NodeSpec node = elementwise(name, "test_bernoulli", n, 1);
  const auto threshold = static_cast<std::int32_t>(std::rint(probability * 2147483648.0) - 1);
  node.outputs = {{.name = "s_out", .n = n}};
  node.columns = {{"threshold", "int32", b.tensor<std::int32_t>({threshold})}};
  return node;
}

NodeSpec copier(Builder& b, const std::string& name, std::int64_t n) {
  NodeSpec node = elementwise(name, "test_copy", n, 0);
  node.inputs = {{.name = "s_in", .n = n, .limit = 1000}};
  node.outputs = {{.name = "polarity", .n = 2 * n, .components = 2, .limit = 2},
                  {.name = "total", .kind = "current", .n = n, .scale = 8, .bound = 100}};
  node.states = {{"sum", "int32", b.tensor<std::int32_t>({0})}};
  return node;
}

NodeSpec host(const std::string& name, std::int64_t n, std::int64_t period, std::int64_t phase) {
  NodeSpec node{.name = name, .op = "host", .period = period, .phase = phase};
  node.inputs = {{.name = "s_in", .n = n, .limit = 1000},
                 {.name = "frame_in", .kind = "array", .n = n, .dtype = "float32"}};
  node.outputs = {{.name = "s_out", .n = n, .depth = 2, .limit = 5},
                  {.name = "a_out", .kind = "current", .n = n, .scale = 16, .depth = 2},
                  {.name = "frame", .kind = "array", .n = n, .dtype = "float32", .depth = 3}};
  return node;
}

NodeSpec synapse(const std::string& name, const std::string& op, std::int64_t n_pre,
                 std::int64_t n_post, std::int64_t scale) {
  NodeSpec node{.name = name, .op = op};
  node.inputs = {{.name = "s_in", .n = n_pre, .limit = 3}};
  node.outputs = {{.name = "a_out", .kind = "current", .n = n_post, .scale = scale}};
  return node;
}

NodeSpec dense(Builder& b, const std::string& name, std::int64_t n_pre, std::int64_t n_post,
               const std::vector<float>& weights, std::int64_t delay, std::int64_t scale) {
  NodeSpec node = synapse(name, "dense", n_pre, n_post, scale);
  node.attr_count = 4;
  node.attrs = [=, w = b.tensor(weights, {n_post, n_pre})](Packer& out) {
    out.field("n_pre", n_pre).field("n_post", n_post).field("weights", w).field("delay", delay);
  };
  return node;
}

NodeSpec sparse(Builder& b, const std::string& name, std::int64_t n_pre, std::int64_t n_post,
                const Pairs& pairs) {
  NodeSpec node = synapse(name, "sparse", n_pre, n_post);
  node.attr_count = 6;
  node.attrs = [=, pre = b.tensor(pairs.pre), post = b.tensor(pairs.post),
                w = b.tensor(pairs.weights), d = b.tensor(pairs.delays)](Packer& out) {
    out.field("n_pre", n_pre).field("n_post", n_post).field("pre", pre).field("post", post);
    out.field("weights", w).field("delays", d);
  };
  return node;
}

NodeSpec plastic(Builder& b, const std::string& name, std::int64_t n_pre, std::int64_t n_post,
                 const Pairs& pairs, Learning learning) {
  NodeSpec node{.name = name, .op = "plastic"};
  node.inputs = {{.name = "s_in", .n = n_pre, .limit = 3},
                 {.name = "post_in", .n = n_post, .limit = 3},
                 {.name = "m_in", .kind = "array", .n = 1, .dtype = "float32"}};
  node.outputs = {{.name = "a_out", .kind = "current", .n = n_post, .scale = 16}};
  node.attr_count = learning.dendritic ? 13 : 12;
  node.attrs = [=, pre = b.tensor(pairs.pre), post = b.tensor(pairs.post),
                w = b.tensor(pairs.weights), d = b.tensor(pairs.delays)](Packer& out) {
    const auto trace = [&](const char* of, const char* side, const char* mode, double decay) {
      out.map(4).text("name", of).text("side", side).text("mode", mode).str("decay").real(decay);
    };
    const auto function = [&](const std::string& event, const std::vector<const char*>& inputs,
                              const std::string& kernel = "") {
      out.map(6).text("event", event).text("kernel", "test_on_" + event + kernel).text("hash", "1");
      out.str("columns").list(0).str("states").list(1).str("w");
      out.str("inputs").list(inputs.size());
      for (const char* input : inputs) out.str(input);
    };
    out.text("pattern", "sparse").field("n_pre", n_pre).field("n_post", n_post);
    out.field("pre", pre).field("post", post).field("weights", w).field("delays", d);
    out.str("joined").boolean(learning.joined);
    if (learning.dendritic) out.str("dendritic").boolean(true);
    out.field("sign", 1).field("epoch", 7).str("traces").list(3);
    trace("x", "pre", "add", 0.9);
    trace("y", "post", "set", 0.8);
    trace("f", "pre", "flag", 1.0);
    out.str("functions").list(3);
    function("pre", {"y"});
    if (learning.dendritic) function("post", {"x", "y", "m"}, "_seen_late");
    if (!learning.dendritic) function("post", {"x"});
    function("epoch", {"f", "y", "m"});
  };
  return node;
}

std::vector<Event> random_events(Sequence& random, std::int64_t ticks, std::int64_t n,
                                 std::int64_t per_tick) {
  std::vector<Event> events;
  for (std::int64_t t = 0; t < ticks; ++t) {
    for (std::int64_t i = random.below(2 * per_tick + 1); i > 0; --i) {
      events.push_back({t, static_cast<std::int32_t>(random.below(n)),
                        static_cast<std::int32_t>(random.below(7) - 3)});
    }
  }
  return events;
}

NodeSpec frames(Builder& b, const std::string& name, const std::vector<float>& values) {
  NodeSpec node{.name = name, .op = "dense_source"};
  node.outputs = {{.name = "frame", .kind = "array", .n = 1, .dtype = "float32"}};
  node.attr_count = 2;
  const auto count = static_cast<std::int64_t>(values.size());
  node.attrs = [v = b.tensor(values, {count, 1})](Packer& out) {
    out.field("values", v).str("cycle").boolean(true);
  };
  return node;
}

Builder plastic_network(std::int64_t n, std::int64_t synapses, double probability,
                        Learning learning, bool recurrent) {
  Builder b;
  Sequence random(9);
  Pairs pairs;
  for (std::int64_t i = 0; i < n * synapses; ++i) {
    pairs.pre.push_back(static_cast<std::int32_t>(random.below(n)));
    pairs.post.push_back(static_cast<std::int32_t>(random.below(n)));
    pairs.weights.push_back(0.3f * random.real() + 0.3f);
    pairs.delays.push_back(1 +
                           static_cast<std::int32_t>(random.below(learning.dendritic ? 30 : 3)));
  }
  const int a = b.node(bernoulli(b, "a", n, probability));
  const int l = b.node(lif(b, "l", n, 0.9f, 0.5f));
  const int m = b.node(frames(b, "m", {0.5f, -1.0f, 2.0f, 0.25f, -0.5f}));
  const int p = b.node(plastic(b, "p", n, n, pairs, learning));
  std::vector<int> synapse_nodes{p};
  if (recurrent) {
    for (float& weight : pairs.weights) weight -= 0.45f;
    const int r = synapse_nodes.emplace_back(b.node(sparse(b, "r", n, n, pairs)));
    b.join({.src = l, .dst = r});
    b.join({.src = r, .dst = l});
  }
  const int z = b.node(copier(b, "z", n));
  b.join({.src = a, .dst = p});
  b.join({.src = p, .dst = l});
  b.join({.src = l, .dst = p, .in = 1});
  b.join({.src = m, .dst = p, .in = 2});
  b.join({.src = l, .dst = z});
  for (const int node : synapse_nodes) b.schedule("emit", node);
  for (const int node : {a, l, m, z}) b.schedule(node);
  for (const int node : synapse_nodes) b.schedule("absorb", node);
  return b;
}

Builder small_network() {
  Builder b;
  Sequence random(3);
  const int a = b.node(bernoulli(b, "a", 6, 0.3));
  std::vector<float> weights;
  for (int i = 0; i < 24; ++i) weights.push_back(random.real());
  const int d = b.node(dense(b, "d", 6, 4, weights, 1));
  const int e = b.node(event_source(b, "e", 6, random_events(random, 8, 6, 2), 2, 8));
  const int l = b.node(lif(b, "l", 4, 0.9f, 0.5f));
  const int s = b.node(sparse(b, "s", 6, 4,
                              {.pre = {0, 1, 2, 5, 5},
                               .post = {3, 3, 0, 1, 1},
                               .weights = {0.5f, 0.25f, 1.0f, -0.5f, 0.125f},
                               .delays = {0, 2, 3, 1, 1}}));
  const int z = b.node(copier(b, "z", 4));
  b.join({.src = a, .dst = d});
  b.join({.src = d, .dst = l});
  b.join({.src = e, .dst = s, .delay = 1, .capacity = 3, .policy = "drop_oldest"});
  b.join({.src = s, .dst = l});
  b.join({.src = l, .dst = z});
  b.join({.src = e,
          .dst = z,
          .map = std::pair{b.tensor<std::int32_t>({0, 1, 1}), b.tensor<std::int32_t>({2, 0, 3})}});
  for (const int node : {a, d, e, s, l, z}) b.schedule(node);
  return b;
}
