#include <chrono>
#include <thread>

#include "check.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"

using namespace procgraph;

namespace {

StateView view(State& state) {
  StateView out;
  for (auto& [key, array] : state) out[key] = {array.dtype, array.shape, array.data.get()};
  return out;
}

bool equal(const State& a, const State& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, array] : a) {
    const auto other = b.find(key);
    if (other == b.end() || other->second.shape != array.shape) return false;
    if (!std::equal(array.data.get(), array.data.get() + array.nbytes(),
                    other->second.data.get())) {
      std::cerr << "differs: " << key << "\n";
      return false;
    }
  }
  return true;
}

}  // namespace

TEST(checkpoint_round_trip) {
  for (const std::int32_t batch : {1, 3}) {
    Builder b = small_network();
    const auto program = b.load();
    for (std::int64_t at = 0; at < 12; ++at) {
      Engine first(program, 5, batch);
      first.run(at);
      const float v[1] = {0.25f};
      first.write("l", "column", "v_th", {DType::float32, {1}, v});
      const float w[5] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
      first.write("s", "weights", "", {DType::float32, {5}, w});
      State saved = first.export_state();
      Engine second(program, 1, batch);
      second.run(3);
      second.import_state(at, 5, view(saved));
      CHECK_EQUAL(second.step(), at);
      CHECK(equal(saved, second.export_state()));
      first.run(9);
      second.run(9);
      CHECK(equal(first.export_state(), second.export_state()));
    }
  }
}

TEST(checkpoints_are_checked) {
  Builder b = small_network();
  Engine engine(b.load());
  engine.run(7);
  State saved = engine.export_state();
  const auto refuses = [&](const char* key, auto&& change) {
    State copy = engine.export_state();
    StateView broken = view(copy);
    change(copy[key], broken[key]);
    CHECK_THROWS(checkpoint, engine.import_state(7, 7, broken));
    CHECK(equal(saved, engine.export_state()));
  };
  refuses("l/state/v", [](Array&, ArrayView& v) { v.shape = {1, 3}; });
  refuses("l/state/v", [](Array&, ArrayView& v) { v.dtype = DType::int32; });
  refuses("a/out/s_out", [](Array& a, ArrayView&) { a.as<std::int32_t>()[2] = 6; });
  refuses("e/out/s_out", [](Array& a, ArrayView&) { a.as<std::int32_t>()[0] = 2; });
  refuses("s/history/s_in", [](Array& a, ArrayView&) { a.as<std::int32_t>()[1] = -1; });
  refuses("channel/2/queue", [](Array&, ArrayView& v) { v.shape = {0, 4}; });
  StateView missing = view(saved);
  missing.erase("z/state/sum");
  CHECK_THROWS(checkpoint, engine.import_state(7, 7, missing));
  StateView unknown = view(saved);
  unknown["nobody"] = unknown["z/state/sum"];
  CHECK_THROWS(checkpoint, engine.import_state(7, 7, unknown));
  CHECK_THROWS(checkpoint, engine.import_state(-1, 7, view(saved)));
}

TEST(lane_zero_is_the_unbatched_run) {
  Builder b = small_network();
  const auto program = b.load();
  Engine one(program, 3);
  Engine four(program, 3, 4);
  one.run(50);
  four.run(50);
  Array a = one.read("l", "state", "v");
  Array c = four.read("l", "state", "v");
  CHECK(std::equal(a.as<float>(), a.as<float>() + 4, c.as<float>()));
  CHECK(!std::equal(a.as<float>(), a.as<float>() + 4, c.as<float>() + 4));
}

TEST(reset_repeats_the_run) {
  Builder b = small_network();
  Engine engine(b.load());
  engine.run(40);
  State first = engine.export_state();
  engine.reset();
  CHECK_EQUAL(engine.step(), 0);
  engine.run(40);
  CHECK(equal(first, engine.export_state()));
  engine.reset(1234);
  engine.run(40);
  CHECK(!equal(first, engine.export_state()));
}

TEST(records_are_sampled_every_so_often) {
  Builder b = small_network();
  Engine engine(b.load());
  const int every = engine.record_state("l", "v", 5);
  engine.run(17);
  Recording got = engine.recorded(every, true);
  CHECK_EQUAL(got.steps.count(), 3);
  CHECK_EQUAL(got.steps.as<std::int64_t>()[2], 14);
  CHECK(got.samples.shape == std::vector<std::int64_t>{3, 1, 4});
  CHECK_EQUAL(engine.recorded(every).steps.count(), 0);
  CHECK_THROWS(argument, engine.recorded(9));
  CHECK_THROWS(argument, engine.record_state("l", "v", 0));
  CHECK_THROWS(name, engine.record_state("l", "w"));
  CHECK_THROWS(name, engine.record_output("l", "w"));
}

TEST(some_elements_are_recorded_in_the_order_that_is_asked_for) {
  Builder b = small_network();
  Engine engine(b.load());
  const int all = engine.record_state("l", "v");
  const int some = engine.record_state("l", "v", 1, {2, 0});
  engine.run(30);
  Recording whole = engine.recorded(all);
  Recording got = engine.recorded(some);
  CHECK(got.samples.shape == std::vector<std::int64_t>{30, 1, 2});
  for (std::size_t k = 0; k < 30; ++k) {
    CHECK_EQUAL(got.samples.as<float>()[2 * k], whole.samples.as<float>()[4 * k + 2]);
    CHECK_EQUAL(got.samples.as<float>()[2 * k + 1], whole.samples.as<float>()[4 * k]);
  }
  CHECK_THROWS(argument, engine.record_state("l", "v", 1, {0, 4}));
  CHECK_THROWS(argument, engine.record_state("l", "v", 1, {-1}));
  CHECK_THROWS(argument, engine.record_output("l", "s_out", 1, {0}));
}

TEST(runs_can_be_interrupted) {
  Builder b = small_network();
  Engine engine(b.load());
  engine.interrupt();
  CHECK_EQUAL(engine.run(10), 0);
  CHECK_EQUAL(engine.run(10), 10);
  std::int64_t done = 0;
  // On a busy machine the interruption may come before the run.
  for (int tries = 0; done == 0 && tries < 20; ++tries) {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      engine.interrupt();
    });
    done = engine.run(std::int64_t{1} << 50);
    other.join();
  }
  CHECK(done > 0);
  CHECK_EQUAL(engine.step(), done + 10);
}

TEST(a_budget_may_be_endless) {
  const auto program = small_network().load();
  for (const std::int64_t budget : {INT64_MAX, INT64_MAX / 2, INT64_MAX / 64, INT64_MAX / 65}) {
    Engine engine(program);
    CHECK_EQUAL(engine.run(200, budget), 200);
  }
}

TEST(runs_keep_a_budget) {
  Builder b = small_network();
  Engine engine(b.load());
  const auto begin = std::chrono::steady_clock::now();
  const std::int64_t done = engine.run(std::int64_t{1} << 50, 5'000'000);
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(done > 0);
  CHECK(took < std::chrono::seconds(2));
}

TEST(arguments_are_checked) {
  Builder b = small_network();
  const auto program = b.load();
  CHECK_THROWS(argument, Engine(program, 1, 0));
  Engine engine(program);
  const float x[3] = {1, 2, 3};
  CHECK_THROWS(shape, engine.write("l", "column", "v_th", {DType::float32, {3}, x}));
  CHECK_THROWS(shape, engine.write("l", "state", "v", {DType::float32, {4}, x}));
  CHECK_THROWS(name, engine.read("l", "column", "nothing"));
  CHECK_THROWS(name, engine.read("l", "weights", ""));
  CHECK_THROWS(name, engine.read("nobody", "state", "v"));
  CHECK_EQUAL(engine.run(0), 0);
  CHECK_EQUAL(engine.run(-5), 0);
}
