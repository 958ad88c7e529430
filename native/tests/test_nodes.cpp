#include <cmath>

#include "check.hpp"
#include "draws.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"
#include "random/philox.hpp"

using namespace procgraph;

namespace {

template <class T>
std::vector<T> values(Array&& array) {
  return {array.as<T>(), array.as<T>() + array.count()};
}

}  // namespace

TEST(bernoulli_draws_by_element_step_and_lane) {
  constexpr std::int64_t kN = 1300;
  Builder b;
  b.node(bernoulli(b, "source", kN, 0.1));
  b.schedule(0);
  Engine engine(b.load(), 99, 3);
  const int id = engine.record_output("source", "s_out");
  engine.run(4);
  Recording got = engine.recorded(id);
  const auto threshold = static_cast<std::int32_t>(std::rint(0.1 * 2147483648.0) - 1);
  const Key key = node_key(99, "source");
  std::int64_t e = 0;
  bool equal = true;
  for (std::uint32_t k = 0; k < 4; ++k) {
    for (std::uint32_t lane = 0; lane < 3; ++lane) {
      for (std::uint32_t i = 0; i < kN; ++i) {
        if (draw_of(i, {key.low, key.high, k, lane * 256}) > threshold) continue;
        equal &= e < got.index.count() && got.steps.as<std::int64_t>()[e] == k &&
                 got.lane.as<std::int32_t>()[e] == static_cast<std::int32_t>(lane) &&
                 got.index.as<std::int32_t>()[e] == static_cast<std::int32_t>(i);
        ++e;
      }
    }
  }
  CHECK(equal);
  CHECK_EQUAL(e, got.index.count());
  CHECK_EQUAL(engine.stats().nodes["source"].events, e);
}

TEST(lif_with_columns_per_element) {
  constexpr std::int64_t kN = 700;
  Builder b;
  NodeSpec node = lif(b, "l", kN);
  std::vector<float> th;
  for (std::int64_t i = 0; i < kN; ++i) th.push_back(1.0f + static_cast<float>(i) / 100.0f);
  node.columns[1].tensor = b.tensor(th);
  node.inputs[0].scale = 10;
  b.node(node);
  std::vector<float> drive(2 * kN);
  for (std::size_t i = 0; i < drive.size(); ++i) drive[i] = 0.25f * static_cast<float>(i % 9);
  NodeSpec source{.name = "m", .op = "dense_source"};
  source.outputs = {{.name = "out", .kind = "current", .n = kN, .scale = 10, .bound = 1.5}};
  source.attr_count = 2;
  source.attrs = [v = b.tensor(drive, {2, kN})](Packer& out) {
    out.field("values", v).str("cycle").boolean(true);
  };
  b.node(source);
  b.join({.src = 1, .dst = 0});
  b.schedule("tick", 1);
  b.schedule("tick", 0);
  Engine engine(b.load());
  const int id = engine.record_output("l", "s_out");
  engine.run(10);
  std::vector<float> v(kN);
  std::vector<std::int32_t> refractory(kN);
  std::vector<std::int32_t> wanted;
  for (std::size_t k = 0; k < 10; ++k) {
    for (std::size_t i = 0; i < kN; ++i) {
      const float current = std::min(drive[k % 2 * kN + i], 1.5f);
      const float next = v[i] * 0.9f + current;
      const bool rests = refractory[i] > 0;
      const bool spikes = !rests && next >= th[i];
      v[i] = rests || spikes ? 0.0f : next;
      refractory[i] = spikes ? 2 : rests ? refractory[i] - 1 : 0;
      if (spikes) wanted.push_back(static_cast<std::int32_t>(i));
    }
  }
  CHECK(values<std::int32_t>(engine.recorded(id).index) == wanted);
  CHECK(values<float>(engine.read("l", "state", "v")) == v);
}

TEST(event_source_cycles_and_sums) {
  Builder b;
  b.node(event_source(b, "a", 4,
                      {{0, 2, 1}, {0, 1, 5}, {0, 2, 3}, {2, 0, 2}, {2, 0, -2}, {3, 3, 9}}, 1, 3));
  b.schedule(0);
  Engine engine(b.load());
  const int id = engine.record_output("a", "s_out");
  engine.run(5);
  Recording got = engine.recorded(id);
  CHECK(values<std::int64_t>(std::move(got.steps)) == std::vector<std::int64_t>{0, 0, 3, 3});
  CHECK(values<std::int32_t>(std::move(got.index)) == std::vector<std::int32_t>{1, 2, 1, 2});
  CHECK(values<std::int32_t>(std::move(got.payload)) == std::vector<std::int32_t>{5, 4, 5, 4});
}

TEST(components_currents_and_periods) {
  Builder b;
  const int s = b.node(event_source(b, "a", 3, {{0, 0, 1}, {1, 2, -7}, {2, 0, 1}, {3, 1, 1}}, 2));
  NodeSpec node = copier(b, "c", 3);
  node.period = 2;
  node.phase = 1;
  const int c = b.node(node);
  b.join({.src = s, .dst = c, .delay = 1});
  b.schedule(s);
  b.schedule(c);
  Engine engine(b.load());
  const int events = engine.record_output("c", "polarity");
  const int total = engine.record_output("c", "total");
  engine.run(6);
  Recording got = engine.recorded(events);
  // Ticks at 1, 3, 5 see the arrivals of steps {1}, {2, 3}, {4}; payloads are clamped to 2.
  CHECK(values<std::int64_t>(std::move(got.steps)) == std::vector<std::int64_t>{1, 3, 3, 5});
  CHECK(values<std::int32_t>(std::move(got.index)) == std::vector<std::int32_t>{0, 0, 5, 1});
  CHECK(values<std::int32_t>(std::move(got.payload)) == std::vector<std::int32_t>{1, 1, -2, 1});
  const auto sums = values<float>(engine.recorded(total).samples);
  const float third = std::rint(256.0f / 3.0f) / 256.0f;
  CHECK_EQUAL(sums[3], third);
  CHECK_EQUAL(sums[6], 0.0f);
  CHECK_EQUAL(sums[9 + 2], -std::rint(7.0f / 3.0f * 256.0f) / 256.0f);
}

TEST(argmax_decides_at_the_end_of_windows) {
  Builder b;
  const int s = b.node(event_source(b, "a", 3, {{0, 2, 1}, {1, 1, 1}, {2, 2, 4}, {5, 0, -1}}));
  NodeSpec node{.name = "d", .op = "argmax"};
  node.inputs = {{.name = "s_in", .n = 3, .limit = 1000}};
  node.outputs = {{.name = "out", .kind = "array"}};
  node.states = {{"counts", "int32", b.tensor<std::int32_t>({0, 0, 0})},
                 {"decision", "int32", b.tensor<std::int32_t>({7})}};
  node.attr_count = 4;
  node.attrs = [](Packer& out) {
    out.field("classes", 3).field("window", 2).field("idle", -1).field("initial", 7);
  };
  const int d = b.node(node);
  b.join({.src = s, .dst = d});
  b.schedule(s);
  b.schedule(d);
  Engine engine(b.load());
  const int id = engine.record_output("d", "out");
  engine.run(6);
  CHECK(values<std::int32_t>(engine.recorded(id).samples) ==
        std::vector<std::int32_t>{0, 1, 1, 2, 2, 2});
}

TEST(host_nodes_take_and_publish) {
  Builder b;
  const int s = b.node(event_source(b, "a", 2, {{0, 0, 1}, {1, 1, 2}, {2, 0, 4}}, 2, 4));
  const int h = b.node(host("h", 2, 3));
  const int t = b.node(lif(b, "t", 2, 0.5f, 100.0f));
  b.join({.src = s, .dst = h, .delay = 1});
  b.join({.src = h, .out = 1, .dst = t, .delay = 1});
  b.join({.src = h, .out = 2, .dst = h, .in = 1, .delay = 2});
  b.schedule(s);
  b.schedule(t);
  Engine engine(b.load());
  const int state = engine.record_state("t", "v");
  const int frames = engine.record_output("h", "frame");
  CHECK_THROWS(state, engine.run(1));
  CHECK_THROWS(state, engine.take_input("h", "s_in"));
  CHECK_THROWS(name, engine.begin_tick("nobody"));
  const std::vector<float> current = {1.5f, -2.0f};
  const ArrayView view{DType::float32, {1, 2}, current.data()};
  engine.begin_tick("h");
  CHECK(values<std::int32_t>(engine.take_input("h", "s_in")) == std::vector<std::int32_t>{0, 0});
  engine.publish("h", "a_out", view);
  engine.publish("h", "frame", view);
  CHECK_THROWS(shape, engine.publish("h", "a_out", {DType::float32, {2}, current.data()}));
  CHECK_EQUAL(engine.run(100), 3);
  CHECK_THROWS(state, engine.run(1));
  engine.begin_tick("h");
  CHECK(values<std::int32_t>(engine.take_input("h", "s_in")) == std::vector<std::int32_t>{5, 2});
  CHECK(values<std::int32_t>(engine.take_input("h", "s_in")) == std::vector<std::int32_t>{0, 0});
  CHECK(values<float>(engine.take_input("h", "frame_in")) == current);
  CHECK_EQUAL(engine.run(1), 1);
  CHECK(values<float>(engine.recorded(state).samples) ==
        std::vector<float>{0, 0, 1.5f, -2.0f, 0.75f, -1.0f, 0.375f, -0.5f});
  CHECK(values<float>(engine.recorded(frames).samples) ==
        std::vector<float>{1.5f, -2, 1.5f, -2, 1.5f, -2, 1.5f, -2});
}

void join_frames(Builder& b, const std::vector<std::int32_t>& from,
                 const std::vector<std::int32_t>& to) {
  const int h = b.node(host("h", 3, 1));
  const int k = b.node(host("k", 3, 1));
  b.join({.src = h,
          .out = 2,
          .dst = k,
          .in = 1,
          .delay = 1,
          .map = std::pair{b.tensor<std::int32_t>(from), b.tensor<std::int32_t>(to)}});
}

TEST(array_elements_take_one_value) {
  Builder b;
  join_frames(b, {2, 0}, {1, 1});
  CHECK_THROWS(format, b.load());
}

TEST(array_maps_gather) {
  Builder b;
  join_frames(b, {2, 0}, {0, 1});
  Engine engine(b.load());
  const std::vector<float> frame = {1, 2, 3};
  engine.begin_tick("h");
  engine.begin_tick("k");
  engine.publish("h", "frame", {DType::float32, {1, 3}, frame.data()});
  engine.run(1);
  engine.begin_tick("h");
  engine.begin_tick("k");
  CHECK(values<float>(engine.take_input("k", "frame_in")) == std::vector<float>{3, 1, 0});
}

TEST(kernels_are_found_by_name_and_hash) {
  Builder b;
  NodeSpec node = lif(b, "l", 2);
  node.attrs = [](Packer& out) {
    out.text("kernel", "test_lif").text("hash", "2").field("draws", 0).text("execution", "clock");
  };
  b.node(node);
  b.schedule(0);
  const auto program = b.load();
  CHECK_THROWS(device, Engine{program});
  auto& registry = KernelRegistry::process();
  int calls = 0;
  registry.add("test_lif", "2",
               {nullptr, std::make_shared<const KernelCallback>(
                             [&](const pg_kernel_args& args, const KernelLayout& layout) {
                               calls += static_cast<int>(args.n);
                               CHECK_EQUAL(layout.states.size(), 2u);
                               auto* out = static_cast<std::int32_t*>(args.outputs[0]);
                               for (std::int64_t i = 0; i < args.n; ++i) out[i] = 1;
                             })});
  Engine engine(program);
  engine.run(3);
  CHECK_EQUAL(calls, 6);
  CHECK_EQUAL(engine.stats().nodes["l"].events, 6);
  CHECK_EQUAL(engine.stats().nodes["l"].ticks, 3);
  CHECK_THROWS(io, registry.load("/nonexistent/library"));
}

TEST(a_kernel_that_is_replaced_may_ask_for_others) {
  KernelRegistry registry;
  bool found = false;
  std::shared_ptr<int> held(new int, [&](int* p) {
    delete p;
    found = registry.has("own", "1");
  });
  KernelCallback call = [held = std::move(held)](const pg_kernel_args&, const auto&) {};
  registry.add("own", "1", {nullptr, std::make_shared<const KernelCallback>(std::move(call))});
  CHECK(!found);
  registry.add("own", "1", {nullptr, nullptr});
  CHECK(found);
}

namespace {

/// Adds input and ticks without input to its state; rests after each tick. `computed` counts.
NodeSpec counting(const std::string& execution, std::int64_t n, std::int64_t& computed) {
  KernelRegistry::process().add(
      "test_counting", "1",
      {nullptr, std::make_shared<const KernelCallback>(
                    [&computed](const pg_kernel_args& args, const KernelLayout& layout) {
                      CHECK_EQUAL(layout.states.size(), 2u);
                      auto* sum = static_cast<std::int32_t*>(args.states[0]);
                      auto* idle = static_cast<std::int32_t*>(args.states[1]);
                      const auto* s_in = static_cast<const std::int32_t*>(args.inputs[0]);
                      auto* s_out = static_cast<std::int32_t*>(args.outputs[0]);
                      for (std::int64_t i = 0; i < args.n; ++i) {
                        sum[i] += s_in[i] + 100 * (idle[i] + 1);
                        s_out[i] = s_in[i];
                        idle[i] = 0;
                      }
                      computed += args.n;
                    })});
  NodeSpec node{.name = "counting", .op = "elementwise", .n = n};
  node.attr_count = 4;
  node.attrs = [execution](Packer& out) {
    out.text("kernel", "test_counting").text("hash", "1").field("draws", 0);
    out.text("execution", execution);
  };
  node.inputs = {{.name = "s_in", .n = n, .limit = 1000}};
  node.outputs = {{.name = "s_out", .n = n, .limit = 1000}};
  return node;
}

}  // namespace

TEST(event_driven_nodes_compute_elements_with_input) {
  constexpr std::int64_t kN = 1000;
  std::int64_t computed = 0;
  Builder b;
  NodeSpec node = counting("event", kN, computed);
  node.states = {{"sum", "int32", b.tensor<std::int32_t>({0})}};
  const int c = b.node(node);
  const int e = b.node(event_source(b, "e", kN, {{2, 3, 5}, {2, 17, 6}, {2, 999, 4}, {5, 17, 7}}));
  b.join({.src = e, .dst = c});
  b.schedule(e);
  b.schedule(c);
  Engine engine(b.load());
  const int spikes = engine.record_output("counting", "s_out");
  engine.run(1);
  CHECK_EQUAL(computed, kN);  // nobody knows yet who rests
  engine.run(1);
  CHECK_EQUAL(computed, kN);
  engine.run(4);
  CHECK_EQUAL(computed, kN + 4);
  Recording got = engine.recorded(spikes);
  CHECK(values<std::int32_t>(std::move(got.index)) == std::vector<std::int32_t>{3, 17, 999, 17});
  State state = engine.export_state();
  for (int look = 0; look < 2; ++look) {
    const auto sum = values<std::int32_t>(engine.read("counting", "state", "sum"));
    CHECK_EQUAL(sum[3], 605);
    CHECK_EQUAL(sum[17], 613);
    CHECK_EQUAL(sum[0], 600);
  }
  CHECK_EQUAL(values<std::int32_t>(std::move(state.at("counting/state/sum")))[0], 100);
  const auto idle = values<std::int64_t>(std::move(state.at("counting/idle")));
  CHECK_EQUAL(idle[0], 5);
  CHECK_EQUAL(idle[17], 0);
}

TEST(executions_are_checked) {
  std::int64_t computed = 0;
  Builder b;
  b.schedule(b.node(counting("often", 3, computed)));
  CHECK_THROWS(format, b.load());
  Builder drawing;
  NodeSpec node = bernoulli(drawing, "b", 3, 0.5);
  node.attrs = [](Packer& out) {
    out.text("kernel", "test_bernoulli").text("hash", "1").field("draws", 1);
    out.text("execution", "event");
  };
  drawing.schedule(drawing.node(node));
  CHECK_THROWS(format, drawing.load());
}
