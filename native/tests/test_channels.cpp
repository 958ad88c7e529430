#include "check.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"

using namespace procgraph;

namespace {

/// A source into a slow sink over a channel of three events; returns what the sink took.
struct Outcome {
  std::vector<std::int32_t> taken;
  ChannelStats stats;
};

Outcome run_policy(const char* policy) {
  Builder b;
  const int s = b.node(event_source(
      b, "a", 4, {{0, 0, 1}, {0, 1, 1}, {1, 2, 1}, {1, 3, 5}, {2, 0, 1}, {2, 1, 1}}, 2));
  const int h = b.node(host("h", 4, 4));
  b.join({.src = s, .dst = h, .delay = 1, .capacity = 3, .policy = policy});
  b.schedule(s);
  Engine engine(b.load());
  engine.begin_tick("h");
  engine.run(4);
  Outcome out;
  out.stats = engine.stats().channels[0];
  engine.begin_tick("h");
  Array taken = engine.take_input("h", "s_in");
  out.taken.assign(taken.as<std::int32_t>(), taken.as<std::int32_t>() + 4);
  CHECK_EQUAL(engine.stats().channels[0].depth, 0);
  return out;
}

}  // namespace

TEST(bounded_channels_drop_and_count) {
  const Outcome newest = run_policy("drop_newest");
  CHECK(newest.taken == std::vector<std::int32_t>{1, 1, 1, 0});
  CHECK_EQUAL(newest.stats.dropped, 3);
  CHECK_EQUAL(newest.stats.depth, 3);
  CHECK_EQUAL(newest.stats.high_water, 3);
  const Outcome oldest = run_policy("drop_oldest");
  CHECK(oldest.taken == std::vector<std::int32_t>{1, 1, 0, 5});
  CHECK_EQUAL(oldest.stats.dropped, 3);
  const Outcome latest = run_policy("latest");
  CHECK(latest.taken == std::vector<std::int32_t>{1, 1, 0, 0});
  CHECK_EQUAL(latest.stats.dropped, 4);
  CHECK_EQUAL(latest.stats.high_water, 2);
}

TEST(full_channels_stop_the_run) {
  CHECK_THROWS(overflow, run_policy("error"));
  CHECK_THROWS(blocked, run_policy("block"));
}

TEST(stopped_engines_run_again_after_reset) {
  Builder b;
  const int s = b.node(event_source(b, "a", 2, {{2, 0, 1}, {2, 1, 1}}, 1));
  NodeSpec node = copier(b, "c", 2);
  node.period = 9;
  const int c = b.node(node);
  b.join({.src = s, .dst = c, .capacity = 1});
  b.schedule(s);
  b.schedule(c);
  Engine engine(b.load());
  CHECK_THROWS(overflow, engine.run(5));
  CHECK_EQUAL(engine.step(), 2);
  CHECK_THROWS(state, engine.run(1));
  CHECK_THROWS(state, engine.export_state());
  engine.read("c", "state", "sum");
  engine.reset();
  CHECK_EQUAL(engine.run(2), 2);
}

TEST(index_maps_route_events_and_currents) {
  Builder b;
  const auto map = [&] {
    return std::pair{b.tensor<std::int32_t>({0, 1, 1, 2}), b.tensor<std::int32_t>({3, 3, 0, 1})};
  };
  const int s = b.node(event_source(b, "a", 3, {{0, 0, 1}, {0, 1, 2}, {0, 2, 4}}, 2));
  const int h = b.node(host("h", 4, 1));
  b.join({.src = s, .dst = h, .delay = 1, .map = map()});
  b.join({.src = s, .dst = h, .delay = 1, .map = map(), .capacity = 10});
  b.schedule(s);
  Engine engine(b.load());
  engine.begin_tick("h");
  engine.run(1);
  engine.begin_tick("h");
  Array taken = engine.take_input("h", "s_in");
  const std::int32_t* x = taken.as<std::int32_t>();
  CHECK(x[0] == 4 && x[1] == 8 && x[2] == 0 && x[3] == 6);
  // Two sources meet in element 3: they arrive as one event.
  CHECK_EQUAL(engine.stats().channels[0].high_water, 3);
}
