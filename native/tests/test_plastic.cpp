// Synapses that learn: the same bits for any number of threads.
#include "check.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"
#include "same.hpp"

using namespace procgraph;

namespace {

/// States after `steps`, after some more, and after these again from a checkpoint in between.
void check_same(const std::shared_ptr<const Program>& program, std::int32_t batch,
                std::int64_t steps) {
  Engine one(program, 5, batch);
  const State begin = one.export_state();
  one.run(steps);
  const State middle = one.export_state();
  one.run(20);
  const State end = one.export_state();
  CHECK(!same(begin.at("p/state/w"), middle.at("p/state/w")));
  CHECK(one.stats().nodes["l"].events > steps / 10);
  for (const int threads : {2, 3, 7}) {
    Engine many(program, 5, batch, KernelRegistry::process(), EngineOptions{.threads = threads});
    many.run(steps);
    CHECK(same(middle, many.export_state()));
    many.run(20);
    CHECK(same(end, many.export_state()));
    many.import_state(steps, 5, view_of(middle));
    many.run(20);
    CHECK(same(end, many.export_state()));
  }
}

}  // namespace

TEST(threads_share_synapses_that_learn) {
  check_same(plastic_network(2'000, 40, 0.03).load(), 1, 150);
  check_same(plastic_network(600, 20, 0.05).load(), 3, 50);
}

TEST(threads_share_synapses_that_see_the_events_of_their_step) {
  const auto joined = plastic_network(600, 20, 0.05, {.joined = true}).load();
  check_same(joined, 2, 50);
  const auto learnt = [](const std::shared_ptr<const Program>& program) {
    Engine engine(program, 5, 1);
    engine.run(50);
    State state = engine.export_state();
    return std::move(state.at("p/state/w"));
  };
  CHECK(!same(learnt(joined), learnt(plastic_network(600, 20, 0.05).load())));
}

TEST(threads_go_on_with_what_they_have_emitted_and_delivered) {
  check_same(plastic_network(2'000, 40, 0.03, {}, true).load(), 1, 150);
  check_same(plastic_network(600, 20, 0.05, {.dendritic = true}, true).load(), 3, 50);
}

TEST(threads_share_rows_that_are_not_visited_for_long) {
  check_same(plastic_network(60, 6, 0.005).load(), 1, 9'000);
}

TEST(threads_share_synapses_that_see_their_targets_late) {
  check_same(plastic_network(600, 20, 0.05, {.dendritic = true}).load(), 3, 50);
  check_same(plastic_network(60, 6, 0.015, {.dendritic = true}).load(), 1, 9'000);
  check_same(plastic_network(600, 20, 0.05, {.dendritic = true, .joined = true}).load(), 2, 50);
}

TEST(sums_have_numbers_of_31_bits) {
  constexpr std::int64_t kTargets = 1 << 19;
  for (const bool dendritic : {false, true}) {
    Builder b;
    b.node(plastic(b, "p", 1, kTargets, {{0}, {0}, {0.5f}, {1 << 12}}, {.dendritic = dendritic}));
    b.schedule(0);
    const auto program = b.load();
    CHECK_THROWS(argument, Engine{program});
  }
}

TEST(what_is_on_its_way_outlasts_a_look) {
  const auto program = plastic_network(300, 20, 0.05, {.dendritic = true}).load();
  Engine left_alone(program, 5, 1);
  left_alone.run(100);
  Engine looked_at(program, 5, 1);
  for (int step = 0; step < 100; ++step) {
    looked_at.run(1);
    looked_at.read("p", "weights", "");
  }
  CHECK(same(left_alone.export_state(), looked_at.export_state()));
}
