// Any allocation may fail: the engine says so, and goes on after a reset.
#include <functional>
#include <memory>
#include <new>

#include "check.hpp"
#include "graphs.hpp"
#include "little_memory.hpp"
#include "procgraph/engine.hpp"
#include "same.hpp"

using namespace procgraph;

namespace {

constexpr int kThreads[] = {1, 3};
#if defined(__SANITIZE_THREAD__)
constexpr std::int64_t kMore = 23;  // each try starts threads, which takes long there
#else
constexpr std::int64_t kMore = 1;
#endif

/// Runs `work` with one allocation more each time until it needs no more; `again` after each time
/// that it did not get enough.
void with_little_memory(const std::function<void()>& work, const std::function<void()>& again) {
  for (std::int64_t given = 0;; given += kMore) {
    little_memory::give(given);
    try {
      work();
      little_memory::give_all();
      return;
    } catch (const std::bad_alloc&) {
      little_memory::give_all();
    }
    again();
  }
}

/// Noise into sparse projections that share a table, and synapses that learn.
std::shared_ptr<const Program> network() {
  constexpr std::int64_t n = 60;
  Builder b;
  Sequence random(2);
  const auto drawn = [&](const char* name) {
    Pairs pairs;
    for (int i = 0; i < 400; ++i) {
      pairs.pre.push_back(static_cast<std::int32_t>(random.below(n)));
      pairs.post.push_back(static_cast<std::int32_t>(random.below(n)));
      pairs.delays.push_back(1 + static_cast<std::int32_t>(random.below(4)));
      pairs.weights.push_back(random.real());
    }
    return sparse(b, name, n, n, pairs);
  };
  const int a = b.node(bernoulli(b, "a", n, 0.2));
  const int l = b.node(lif(b, "l", n, 0.8f, 0.3f));
  const int p = b.node(drawn("p"));
  const int q = b.node(drawn("q"));
  const int r = b.node(drawn("r"));
  const int z = b.node(copier(b, "z", n));
  b.join({.src = a, .dst = p});
  b.join({.src = a, .dst = q});
  b.join({.src = l, .dst = r});
  for (const int from : {p, q, r}) b.join({.src = from, .dst = l});
  b.join({.src = l, .dst = z, .capacity = 20, .policy = "drop_oldest"});
  for (const int synapses : {p, q, r}) b.schedule("emit", synapses);
  for (const int node : {a, l, z}) b.schedule(node);
  for (const int synapses : {p, q, r}) b.schedule("absorb", synapses);
  return b.load();
}

/// Graded events that pass through one-to-one synapses.
std::shared_ptr<const Program> dense_events() {
  constexpr std::int64_t n = 40;
  Builder b;
  const int a = b.node(bernoulli(b, "a", n, 0.4));
  const int c = b.node(copier(b, "c", n));
  const auto one = [&](const char* name, std::int64_t delay) {
    NodeSpec node = synapse(name, "one_to_one", 2 * n, 2 * n);
    node.attr_count = 3;
    node.attrs = [=, w = b.tensor<float>({0.5f})](Packer& out) {
      out.field("n", 2 * n).field("weights", w).field("delay", delay);
    };
    return b.node(node);
  };
  const int d = one("d", 1);
  const int e = one("e", 2);
  const int l = b.node(lif(b, "l", 2 * n, 0.8f, 0.3f));
  const int z = b.node(lif(b, "z", 2 * n, 0.8f, 0.3f));
  b.join({.src = a, .dst = c});
  b.join({.src = c, .dst = d});
  b.join({.src = c, .dst = e});
  b.join({.src = d, .dst = l});
  b.join({.src = e, .dst = z});
  for (const int node : {a, c, d, e, l, z}) b.schedule(node);
  return b.load();
}

std::vector<std::shared_ptr<const Program>> networks() {
  return {network(), dense_events(), plastic_network(40, 5, 0.1).load()};
}

/// Does `act` with little memory, after `prepare`. Where it fails all is as before, or the engine
/// asks for a reset; after that it does what it would have done.
void check_action(
    const std::shared_ptr<const Program>& program, const std::function<void(Engine&)>& act,
    const std::function<void(Engine&)>& prepare = [](Engine&) {}) {
  for (const int threads : kThreads) {
    const auto make = [&] {
      auto engine = std::make_unique<Engine>(program, 5, 2, KernelRegistry::process(),
                                             EngineOptions{.threads = threads, .build_threads = 1});
      engine->run(7);
      prepare(*engine);
      return engine;
    };
    const auto run_on = [](Engine& engine) {
      engine.reset();
      engine.run(12);
      return engine.export_state();
    };
    const auto engine = make();
    const State before = engine->export_state();
    act(*engine);
    const State wanted = run_on(*engine);
    auto tried = make();
    with_little_memory([&] { act(*tried); },
                       [&] {
                         try {
                           CHECK(same(before, tried->export_state()));
                         } catch (const Error& error) {
                           CHECK(error.kind() == ErrorKind::state);
                         }
                         tried->reset();
                         tried->run(3);
                         act(*tried);
                         CHECK(same(wanted, run_on(*tried)));
                         tried = make();
                       });
    CHECK(same(wanted, run_on(*tried)));
  }
}

}  // namespace

TEST(building_may_run_out_of_memory) {
  for (const auto& program : networks()) {
    for (const int threads : kThreads) {
      with_little_memory(
          [&] {
            Engine(program, 5, 2, KernelRegistry::process(),
                   EngineOptions{.threads = threads, .build_threads = 1});
          },
          [] {});
    }
  }
}

TEST(loading_may_run_out_of_memory) {
  const std::string file = small_network().bytes();
  with_little_memory([&] { load(file); }, [] {});
}

TEST(a_run_may_run_out_of_memory) {
  for (const auto& program : networks()) {
    check_action(program, [](Engine& engine) { engine.run(20); });
    check_action(program, [](Engine& engine) { engine.reset(); });
  }
}

TEST(setting_weights_may_run_out_of_memory) {
  std::vector<float> weights(400, 0.25f);
  const auto set = [&](Engine& engine) {
    engine.write("p", "weights", "", {DType::float32, {400}, weights.data()});
  };
  check_action(network(), set);
  check_action(network(), [](Engine& engine) { engine.run(5); }, set);
}

TEST(recording_may_run_out_of_memory) {
  const auto record = [](const char* node, const char* port) {
    return [=](Engine& engine) { engine.record_output(node, port); };
  };
  check_action(network(), record("q", "a_out"));
  check_action(network(), record("l", "s_out"));
  check_action(dense_events(), record("d", "a_out"));
  check_action(dense_events(), record("c", "polarity"));
  check_action(network(), [](Engine& engine) { engine.run(5); }, record("l", "s_out"));
}

TEST(checkpoints_may_run_out_of_memory) {
  for (const auto& program : networks()) {
    Engine other(program, 5, 2);
    other.run(9);
    const State state = other.export_state();
    check_action(program, [](Engine& engine) { engine.export_state(); });
    const StateView view = view_of(state);
    check_action(program, [&](Engine& engine) { engine.import_state(9, 5, view); });
  }
}
