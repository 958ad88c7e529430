// The same bits for any number of threads, and threads that come and go as they should.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "check.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"
#include "same.hpp"

using namespace procgraph;

namespace {

constexpr int kThreads[] = {2, 3, 4, 7};

std::vector<std::int32_t> shuffled(std::int64_t n, std::uint64_t seed) {
  Sequence random(seed);
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(static_cast<std::int32_t>(random.below(n)));
  return out;
}

NodeSpec sparse(Builder& b, const std::string& name, std::int64_t n, std::int64_t synapses,
                std::int32_t least = 0) {
  Sequence random(11);
  Pairs pairs;
  pairs.pre = shuffled(synapses, 1);
  pairs.post = shuffled(synapses, 2);
  for (std::int64_t i = 0; i < synapses; ++i) {
    pairs.delays.push_back(least + static_cast<std::int32_t>(random.below(4)));
    pairs.weights.push_back(random.real());
  }
  return sparse(b, name, n, n, pairs);
}

/// Populations large enough to be divided, with all sorts of channels between them.
Builder large_network(std::int64_t n) {
  Builder b;
  NodeSpec spikes = bernoulli(b, "a", n, 0.2);
  spikes.outputs[0].depth = 3;
  const int a = b.node(spikes);
  NodeSpec slow = lif(b, "c", n, 0.9f, 0.7f);
  slow.period = 3;
  slow.phase = 1;
  slow.outputs[0].depth = 2;
  const int c = b.node(slow);
  const int l = b.node(lif(b, "l", n, 0.8f, 0.5f));
  const int s = b.node(sparse(b, "s", n, n));
  const int t = b.node(sparse(b, "t", n, n));
  const int u = b.node(sparse(b, "u", n, n));
  const int y = b.node(copier(b, "y", n));
  const int z = b.node(copier(b, "z", n));
  for (const int into : {s, t}) b.join({.src = a, .dst = into});
  b.join({.src = a, .dst = y, .delay = 2});
  b.join({.src = a, .dst = y, .delay = 1, .capacity = 500, .policy = "drop_oldest"});
  std::vector<std::int32_t> from(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::int32_t>(i);
  b.join({.src = a, .dst = z, .map = std::pair{b.tensor(from), b.tensor(shuffled(n, 5))}});
  for (const int from_synapse : {s, t}) b.join({.src = from_synapse, .dst = l});
  b.join({.src = l, .dst = u});
  b.join({.src = u, .dst = c});
  b.join({.src = s, .dst = c});
  b.join({.src = c, .dst = z, .delay = 1});
  for (const int node : {a, s, t, l, u, c, y, z}) b.schedule(node);
  return b;
}

/// Graded events of a copier through one-to-one synapses of different delays into two populations.
Builder dense_network(std::int64_t n) {
  Builder b;
  const int a = b.node(bernoulli(b, "a", n, 0.4));
  NodeSpec graded = copier(b, "b", n);
  graded.outputs[0].depth = 3;
  const int c = b.node(graded);
  const auto one = [&](const char* name, const std::vector<float>& weights, std::int64_t delay) {
    NodeSpec node = synapse(name, "one_to_one", 2 * n, 2 * n);
    node.attr_count = 3;
    node.attrs = [=, w = b.tensor(weights)](Packer& out) {
      out.field("n", 2 * n).field("weights", w).field("delay", delay);
    };
    return b.node(node);
  };
  Sequence random(4);
  std::vector<float> each;
  for (std::int64_t i = 0; i < 2 * n; ++i) each.push_back(random.real());
  const int d = one("d", {0.4f}, 0);
  const int e = one("e", each, 3);
  const int l = b.node(lif(b, "l", 2 * n, 0.8f, 0.5f));
  const int s = b.node(sparse(b, "s", 2 * n, n, 1));
  const int z = b.node(lif(b, "z", 2 * n, 0.8f, 0.5f));
  b.join({.src = a, .dst = c});
  b.join({.src = c, .dst = d, .delay = 2});
  b.join({.src = c, .dst = e});
  b.join({.src = d, .dst = l});
  b.join({.src = s, .dst = l});
  b.join({.src = e, .dst = z});
  b.join({.src = l, .dst = s, .delay = 0});
  b.schedule("emit", s);
  for (const int node : {a, c, d, e, l}) b.schedule(node);
  b.schedule("absorb", s);
  b.schedule(z);
  return b;
}

/// Two populations that drive each other, with delays of `least` steps and more; one takes what
/// comes at two ports.
Builder recurrent_network(std::int64_t n, std::int32_t least) {
  Builder b;
  const int a = b.node(bernoulli(b, "a", n, 0.2));
  NodeSpec two = lif(b, "c", n, 0.9f, 0.4f);
  two.inputs.push_back({.name = "b_in", .kind = "current", .n = n, .scale = two.inputs[0].scale});
  two.attrs = elementwise("c", "test_lif_two", n, 0).attrs;
  const int c = b.node(two);
  const int d = b.node(lif(b, "d", n, 0.8f, 0.3f));
  const int i = b.node(sparse(b, "i", n, n, least));
  const int u = b.node(sparse(b, "u", n, n, least));
  const int v = b.node(sparse(b, "v", n, n, least + 3));
  const int w = b.node(sparse(b, "w", n, n, least));
  b.join({.src = a, .dst = i});
  b.join({.src = i, .dst = c, .in = 1});
  b.join({.src = c, .dst = u});
  b.join({.src = c, .dst = v});
  b.join({.src = u, .dst = d});
  b.join({.src = v, .dst = c});
  b.join({.src = d, .dst = w});
  b.join({.src = w, .dst = c});
  for (const int synapses : {i, u, v, w}) b.schedule("emit", synapses);
  for (const int node : {a, c, d}) b.schedule(node);
  for (const int synapses : {i, u, v, w}) b.schedule("absorb", synapses);
  return b;
}

struct Result {
  State state;
  Recording events;
  Recording current;
  std::int64_t emitted;
};

Result result_of(const std::shared_ptr<const Program>& program, int threads, std::int32_t batch) {
  Engine engine(program, 5, batch, KernelRegistry::process(), EngineOptions{.threads = threads});
  const int events = engine.record_output("y", "polarity");
  const int current = engine.record_output("z", "total", 4);
  engine.run(9);
  engine.run(8);
  return {engine.export_state(), engine.recorded(events), engine.recorded(current),
          engine.stats().nodes["l"].events};
}

void check_same(std::int64_t n, std::int32_t batch) {
  const auto program = large_network(n).load();
  const Result one = result_of(program, 1, batch);
  CHECK(one.emitted > n / 10);
  CHECK(one.events.index.count() > n);
  for (const int threads : kThreads) {
    const Result many = result_of(program, threads, batch);
    CHECK(same(one.state, many.state));
    CHECK(same(one.events.index, many.events.index));
    CHECK(same(one.events.payload, many.events.payload));
    CHECK(same(one.current.samples, many.current.samples));
    CHECK_EQUAL(one.emitted, many.emitted);
  }
}

std::size_t threads_now() {
  const std::filesystem::path tasks = "/proc/self/task";
  if (!std::filesystem::exists(tasks)) return 0;
  const auto all = std::filesystem::directory_iterator(tasks);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST(threads_do_not_change_a_bit) {
  check_same(30'000, 1);
}

TEST(threads_do_not_change_a_bit_in_batches) {
  check_same(5'000, 3);
  check_same(300, 70);
}

TEST(threads_do_not_change_small_graphs) {
  const auto program = small_network().load();
  for (const std::int32_t batch : {1, 3}) {
    Engine one(program, 5, batch);
    one.run(100);
    for (const int threads : kThreads) {
      Engine many(program, 5, batch, KernelRegistry::process(), EngineOptions{.threads = threads});
      many.run(100);
      CHECK(same(one.export_state(), many.export_state()));
    }
  }
}

TEST(threads_run_many_steps_at_once) {
  for (const auto& [n, least] : {std::pair{200, 1}, {9'000, 1}, {200, 2}, {9'000, 9}, {200, 40}}) {
    const auto program = recurrent_network(n, least).load();
    for (const std::int32_t batch : {1, 3}) {
      Engine one(program, 5, batch);
      for (int i = 0; i < 130; ++i) one.run(1);
      CHECK(one.stats().nodes["d"].events > n / 4);
      for (const int threads : kThreads) {
        Engine many(program, 5, batch, KernelRegistry::process(),
                    EngineOptions{.threads = threads});
        many.run(100);
        const State middle = many.export_state();
        many.run(30);
        CHECK(same(one.export_state(), many.export_state()));
        CHECK_EQUAL(one.stats().nodes["d"].events, many.stats().nodes["d"].events);
        many.import_state(100, 5, view_of(middle));
        many.run(30);
        CHECK(same(one.export_state(), many.export_state()));
      }
    }
  }
}

TEST(short_runs_with_pauses_wake_nobody) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const bool always = true;  // kernels take so long that a single step is worth it
#else
  const bool always = std::getenv("PROCGRAPH_DIVIDE") != nullptr;
#endif
  using Clock = std::chrono::steady_clock;
  const std::size_t before = threads_now();
  for (const bool large : {true, false}) {
    const auto program = large ? large_network(9'000).load() : recurrent_network(9'000, 9).load();
    Engine one(program, 5, 1);
    const auto begin = Clock::now();
    one.run(130);
    const bool slow = Clock::now() - begin > 130 * std::chrono::microseconds(75);  // an emulator
    for (const int threads : kThreads) {
      Engine many(program, 5, 1, KernelRegistry::process(), EngineOptions{.threads = threads});
      for (int i = 0; i < 30; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        many.run(1);
      }
      if (!always && !slow) CHECK(threads_now() <= before);
      many.run(100);
      CHECK(same(one.export_state(), many.export_state()));
    }
  }
}

TEST(dense_events_are_the_listed_events) {
  const auto program = dense_network(9'000).load();
  for (const std::int32_t batch : {1, 2}) {
    Engine listed(program, 5, batch);
    const int all = listed.record_output("b", "polarity");
    listed.run(7);
    const State middle = listed.export_state();
    listed.run(6);
    CHECK(listed.recorded(all).index.count() > 9'000);
    for (const int threads : {1, 2, 3, 4, 7}) {
      Engine dense(program, 5, batch, KernelRegistry::process(), EngineOptions{.threads = threads});
      dense.run(7);
      CHECK(same(middle, dense.export_state()));
      dense.run(2);
      if (threads == 3) dense.record_output("b", "polarity");
      if (threads == 4) dense.record_output("d", "a_out");
      dense.run(4);
      CHECK(same(listed.export_state(), dense.export_state()));
      CHECK_EQUAL(listed.stats().nodes["b"].events, dense.stats().nodes["b"].events);
      dense.import_state(7, 5, view_of(middle));
      CHECK(same(middle, dense.export_state()));
      dense.run(6);
      CHECK(same(listed.export_state(), dense.export_state()));
    }
  }
}

TEST(threads_end_with_their_engine) {
  const auto program = large_network(30'000).load();
  const std::size_t before = threads_now();
  for (int i = 0; i < 20; ++i) {
    Engine engine(program, 5, 1, KernelRegistry::process(), EngineOptions{.threads = 4});
    if (i % 2 == 0) engine.run(100);
    Engine moved = std::move(engine);
    moved.run(1);
  }
  // One that was joined may be listed for a moment.
  for (int i = 0; i < 100 && threads_now() != before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK_EQUAL(threads_now(), before);
}

TEST(the_number_of_threads_is_checked) {
  const auto program = small_network().load();
  CHECK_THROWS(argument,
               Engine(program, 1, 1, KernelRegistry::process(), EngineOptions{.threads = 0}));
  CHECK_THROWS(argument,
               Engine(program, 1, 1, KernelRegistry::process(), EngineOptions{.threads = 256}));
  CHECK_EQUAL(
      Engine(program, 1, 1, KernelRegistry::process(), EngineOptions{.threads = 255}).threads(),
      255);
}

TEST(failures_on_threads_reach_the_caller) {
  constexpr std::int64_t kN = 30'000;
  Builder b;
  NodeSpec spikes = bernoulli(b, "a", kN, 0.2);
  const int a = b.node(spikes);
  const int y = b.node(copier(b, "y", kN));
  const int z = b.node(copier(b, "z", kN));
  b.join({.src = a, .dst = y, .capacity = 5, .policy = "error"});
  b.join({.src = a, .dst = z, .capacity = 5, .policy = "block"});
  for (const int node : {a, y, z}) b.schedule(node);
  for (const int threads : kThreads) {
    Engine engine(b.load(), 5, 1, KernelRegistry::process(), EngineOptions{.threads = threads});
    CHECK_THROWS(overflow, engine.run(3));
    CHECK_THROWS(state, engine.run(1));
    engine.reset();
    CHECK_THROWS(overflow, engine.run(3));
  }
}

TEST(failures_stop_at_the_same_step) {
  constexpr std::int64_t kN = 30'000;
  Builder b;
  const int a = b.node(bernoulli(b, "a", kN, 0.2));
  const int c = b.node(copier(b, "c", kN));
  const int y = b.node(copier(b, "y", kN));
  b.join({.src = a, .dst = y, .capacity = 6'180, .policy = "error"});
  b.join({.src = a, .dst = c});
  for (const int node : {a, c, y}) b.schedule(node);
  const auto program = b.load();
  std::int64_t first = 0;
  for (const int threads : {1, 2, 3, 4, 7}) {
    Engine engine(program, 5, 1, KernelRegistry::process(), EngineOptions{.threads = threads});
    const int events = engine.record_output("c", "polarity");
    CHECK_THROWS(overflow, engine.run(10'000));
    if (threads == 1) first = engine.step();
    CHECK(first > 10);
    CHECK_EQUAL(engine.step(), first);
    CHECK(engine.recorded(events).index.count() > first * kN / 6);
    CHECK(engine.recorded(events).index.count() < first * kN / 4);
  }
}

TEST(kernels_of_the_host_language_stay_on_its_thread) {
  constexpr std::int64_t kN = 30'000;
  static const std::thread::id caller = std::this_thread::get_id();
  static int elsewhere = 0;
  static int calls = 0;
  const auto call =
      std::make_shared<const KernelCallback>([](const pg_kernel_args& args, const KernelLayout&) {
        ++calls;
        elsewhere += std::this_thread::get_id() != caller;
        for (std::int64_t i = 0; i < args.n; ++i)
          static_cast<std::int32_t*>(args.outputs[0])[i] = 1;
      });
  KernelRegistry registry;
  registry.add("test_lif", "1", KernelRegistry::process().find("test_lif", "1"));
  registry.add("test_bernoulli", "1", {nullptr, call});
  Builder b;
  const int a = b.node(bernoulli(b, "a", kN, 0.5));
  const int c = b.node(lif(b, "c", kN));
  const int d = b.node(bernoulli(b, "d", kN, 0.5));
  for (const int node : {a, c, d}) b.schedule(node);
  Engine engine(b.load(), 5, 1, registry, EngineOptions{.threads = 3});
  engine.run(5);
  CHECK_EQUAL(elsewhere, 0);
  CHECK(calls > 0);
  CHECK_EQUAL(engine.stats().nodes["d"].events, 5 * kN);
}

TEST(threads_can_be_interrupted_and_keep_a_budget) {
  const auto program = large_network(30'000).load();
  Engine engine(program, 5, 1, KernelRegistry::process(), EngineOptions{.threads = 3});
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    engine.interrupt();
  });
  CHECK(engine.run(std::int64_t{1} << 50) >= 0);
  other.join();
  CHECK(engine.run(std::int64_t{1} << 50, 5'000'000) > 0);
}
