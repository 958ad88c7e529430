#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "check.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"
#include "same.hpp"

using namespace procgraph;

namespace {

constexpr std::int64_t kSteps = 40;
constexpr int kScale = 10;

enum class Weights { common, grid, fine };

/// Two sources with payloads, three projections from the one and one from the other, of which some
/// meet at one input; delays from `least` on.
struct Network {
  Weights weights = Weights::grid;
  bool drawn = false;
  std::int64_t n_post = 300;
  std::int32_t least = 0;

  int weight_tensor(Builder& b, std::int64_t count, float value) const {
    Sequence random(static_cast<std::uint64_t>(count));
    std::vector<float> out;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto x = static_cast<float>(random.below(1 << 24) - (1 << 23)) / 200000;
      out.push_back(weights == Weights::grid ? std::rint(x * 16) / 16 : x * 100.0f / 3.0f);
    }
    return weights == Weights::common ? b.tensor<float>({value}) : b.tensor(out);
  }

  NodeSpec projection(Builder& b, const std::string& name, std::int64_t m, float value) const {
    Sequence random(name[0] + static_cast<std::uint64_t>(m));
    NodeSpec node = synapse(name, "sparse", 20, n_post, kScale);
    std::vector<std::int32_t> delays;
    const std::int64_t count = drawn ? 1 << 16 : m;
    for (std::int64_t i = 0; i < count; ++i) {
      delays.push_back(least + static_cast<std::int32_t>(random.below(9)));
    }
    const int d = b.tensor(delays);
    const int w = weight_tensor(b, count, value);
    if (drawn) {
      const bool table = weights != Weights::common;
      node.attr_count = table ? 11 : 10;
      const int none = b.tensor(std::vector<float>());
      node.attrs = [=, n = n_post](Packer& p) {
        p.field("n_pre", 20)
            .field("n_post", n)
            .text("rule", "fixed_total")
            .str("key")
            .uint64(static_cast<std::uint64_t>(m));
        p.field("count", m).str("multapses").boolean(true).str("autapses").boolean(true);
        p.field("synapses", m).field("weights", table ? none : w).field("delay_table", d);
        if (table) p.field("weight_table", w);
      };
      return node;
    }
    std::vector<std::int32_t> pre;
    std::vector<std::int32_t> post;
    for (std::int64_t i = 0; i < m; ++i) {
      pre.push_back(static_cast<std::int32_t>(random.below(20)));
      post.push_back(static_cast<std::int32_t>(random.below(n_post)));
    }
    node.attr_count = 6;
    node.attrs = [=, p = b.tensor(pre), q = b.tensor(post), n = n_post](Packer& out) {
      out.field("n_pre", 20).field("n_post", n).field("pre", p).field("post", q);
      out.field("weights", w).field("delays", d);
    };
    return node;
  }

  std::shared_ptr<const Program> program() const {
    Builder b;
    Sequence random(5);
    const int a = b.node(event_source(b, "a", 20, random_events(random, kSteps, 20, 4), 4));
    const int c = b.node(event_source(b, "b", 20, random_events(random, kSteps, 20, 2), 4));
    const int p = b.node(projection(b, "p", 700, 0.5f));
    const int q = b.node(projection(b, "q", 300, -0.75f));
    const int r = b.node(projection(b, "r", 500, 0.5f));
    const int s = b.node(projection(b, "s", 400, 1.5f));
    const int t = b.node(lif(b, "t", n_post, 0.8f, 30.0f, 1, kScale));
    const int u = b.node(lif(b, "u", n_post, 0.7f, 20.0f, 0, kScale));
    b.join({.src = a, .dst = p, .delay = 1});
    b.join({.src = a, .dst = q, .delay = 3});
    b.join({.src = a, .dst = r, .delay = 1});
    b.join({.src = c, .dst = s, .delay = 1});
    b.join({.src = p, .dst = t});
    b.join({.src = q, .dst = t});
    b.join({.src = r, .dst = u});
    b.join({.src = s, .dst = u});
    for (const int node : {a, c, p, q, r, s, t, u}) b.schedule(node);
    return b.load();
  }
};

/// One projection and weight.
std::shared_ptr<const Program> one_projection(std::int64_t n_post) {
  Builder b;
  const Network network{Weights::common, false, n_post};
  Sequence random(5);
  b.node(event_source(b, "a", 20, random_events(random, kSteps, 20, 4), 2));
  b.node(network.projection(b, "p", 7000, 0.5f));
  b.node(lif(b, "t", n_post, 0.8f, 30.0f, 1, kScale));
  b.join({.src = 0, .dst = 1, .delay = 1});
  b.join({.src = 1, .dst = 2});
  for (const int node : {0, 1, 2}) b.schedule(node);
  return b.load();
}

/// Whether tables whose sums it may hold deliver through a ring, until it goes.
class Ring {
 public:
  explicit Ring(const char* value) { set(value); }
  ~Ring() { set(""); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

 private:
  static void set(const char* value) {
#if defined(_WIN32)
    _putenv_s("PROCGRAPH_RING", value);
#else
    setenv("PROCGRAPH_RING", value, 1);
#endif
  }
};

void check_same(Engine& a, Engine& b) {
  const State x = a.export_state();
  const State y = b.export_state();
  CHECK_EQUAL(x.size(), y.size());
  for (const auto& [key, array] : x) {
    check::report(y.count(key) == 1 && same(array, y.at(key)), key.c_str(), __FILE__, __LINE__);
  }
}

Engine make(const std::shared_ptr<const Program>& program, std::int32_t threads,
            std::int32_t batch = 1) {
  return Engine(program, {}, batch, KernelRegistry::process(),
                {.threads = threads, .build_threads = threads});
}

/// An engine whose nodes all work for themselves: someone looks at each.
Engine make_apart(const std::shared_ptr<const Program>& program, std::int32_t batch = 1) {
  Engine engine = make(program, 1, batch);
  for (const char* node : {"p", "q", "r", "s"}) engine.record_output(node, "a_out");
  return engine;
}

}  // namespace

TEST(tables_give_the_same_bits) {
  for (const Weights weights : {Weights::common, Weights::grid, Weights::fine}) {
    for (const bool drawn : {false, true}) {
      for (const auto& [n_post, least] : {std::pair{300, 0}, {300, 5}, {70000, 0}}) {
        const auto program = Network{weights, drawn, n_post, least}.program();
        for (const std::int32_t threads : {1, 2, 3, 4, 7}) {
          const std::int32_t batch = threads == 3 ? 3 : 1;
          Engine apart = make_apart(program, batch);
          for (const char* ring : {"0", "1"}) {
            if (*ring == '1' && n_post > 300 && threads != 2) continue;  // slow: many sums to take
            const Ring forced(ring);
            Engine merged = make(program, threads, batch);
            CHECK_EQUAL(merged.storage()[0].delivery, *ring == '1' ? "ring" : "table");
            apart.reset();
            for (const std::int64_t steps : {7, 33}) {
              merged.run(steps);
              apart.run(steps);
              check_same(merged, apart);
            }
          }
        }
      }
    }
  }
}

TEST(tables_choose_a_format) {
  const Ring never("0");
  const auto format = [](const Network& network) {
    return make(network.program(), 1).storage()[0].format;
  };
  CHECK_EQUAL(format({Weights::grid, false, 300}), "packed32");
  CHECK_EQUAL(format({Weights::grid, true, 70000}), "packed32");
  CHECK_EQUAL(format({Weights::fine, false, 70000}), "book32");
  CHECK_EQUAL(format({Weights::fine, true, 70000}), "wide");
}

TEST(segments_of_one_weight_hold_nothing_but_targets) {
  const Ring never("0");
  for (const auto& [n_post, format] : {std::pair{300, "index16"}, {70000, "index32"}}) {
    const auto program = one_projection(n_post);
    Engine apart = make(program, 1);
    apart.record_output("p", "a_out");
    Engine merged = make(program, 1);
    CHECK_EQUAL(merged.storage()[0].format, format);
    for (const std::int64_t steps : {7, 33}) {
      merged.run(steps);
      apart.run(steps);
      check_same(merged, apart);
    }
    CHECK_EQUAL(apart.storage()[0].format, "segments");
  }
}

void leave_tables_while_running() {
  const auto program = Network{Weights::grid, true, 300}.program();
  Engine merged = make(program, 2);
  Engine apart = make_apart(program);
  merged.run(11);
  apart.run(11);
  merged.record_output("q", "a_out");
  CHECK_EQUAL(merged.storage().size(), 3u);
  merged.run(6);
  apart.run(6);
  check_same(merged, apart);
  Array w = merged.read("p", "weights", "");
  CHECK_EQUAL(w.count(), 700);
  for (std::int64_t i = 0; i < 700; ++i) w.as<float>()[i] *= 0.5f;
  for (Engine* engine : {&merged, &apart}) {
    engine->write("p", "weights", "", {w.dtype, w.shape, w.data.get()});
  }
  merged.run(8);
  apart.run(8);
  check_same(merged, apart);
  merged.reset();
  apart.reset();
  merged.run(20);
  apart.run(20);
  check_same(merged, apart);
}

TEST(tables_are_left_while_running) {
  for (const char* ring : {"0", "1"}) {
    const Ring forced(ring);
    leave_tables_while_running();
  }
}

void take_over_a_checkpoint(std::int32_t least) {
  const auto program = Network{.least = least}.program();
  for (const std::int64_t when : {0, 1, 5, 17}) {
    Engine first = make_apart(program, 2);
    first.run(when);
    const State state = first.export_state();
    Engine second = make(program, 3, 2);
    second.run(3);
    second.import_state(when, 7, view_of(state));
    CHECK_EQUAL(second.storage().size(), 2u);
    first.run(12);
    second.run(12);
    check_same(first, second);
  }
}

TEST(lanes_do_not_multiply_a_ring_beyond_its_bound) {
  const Ring wanted("1");
  const auto program = Network{Weights::grid, false, 300}.program();
  CHECK_EQUAL(make(program, 1, 2).storage()[0].delivery, "ring");
  CHECK_EQUAL(make(program, 1, 400).storage()[0].delivery, "table");
}

/// Only a made-up checkpoint has spikes of steps before the first.
TEST(tables_take_over_spikes_from_before_the_first_step) {
  const auto program = Network{.least = 5}.program();
  Engine later = make_apart(program);
  later.run(17);
  const State state = later.export_state();
  later.import_state(1, 7, view_of(state));
  later.run(20);
  for (const char* ring : {"0", "1"}) {
    const Ring forced(ring);
    Engine merged = make(program, 2);
    merged.import_state(1, 7, view_of(state));
    merged.run(20);
    check_same(merged, later);
  }
}

TEST(tables_take_over_a_checkpoint) {
  for (const char* ring : {"0", "1"}) {
    const Ring forced(ring);
    for (const std::int32_t least : {0, 5}) take_over_a_checkpoint(least);
  }
}

TEST(histories_that_differ_part_a_table) {
  const auto program = Network{Weights::grid, false, 300}.program();
  Engine first = make_apart(program);
  first.run(12);
  State state = first.export_state();
  Array& rows = state.at("r/history/s_in");
  CHECK(rows.count() > 4);
  rows.as<std::int32_t>()[3] += 1;
  Engine second = make(program, 1);
  second.import_state(12, 7, view_of(state));
  first.import_state(12, 7, view_of(state));
  CHECK_EQUAL(second.storage().size(), 3u);
  first.run(12);
  second.run(12);
  check_same(first, second);
}

TEST(building_reports_its_progress) {
  std::vector<double> seen;
  const auto program = Network{Weights::grid, true, 300}.program();
  const auto progress = [&](double fraction) { seen.push_back(fraction); };
  Engine engine(program, {}, 1, KernelRegistry::process(), {.threads = 1, .progress = progress});
  CHECK(!seen.empty() && seen.back() == 1.0 && std::is_sorted(seen.begin(), seen.end()));
  CHECK_THROWS(argument, Engine(program, {}, 1, KernelRegistry::process(), {.threads = 0}));
}
