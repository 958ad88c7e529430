#include <cstring>
#include <string>
#include <vector>

#include "check.hpp"
#include "graphs.hpp"
#include "kernels/isa.hpp"
#include "os/memory.hpp"
#include "procgraph/engine.hpp"
#include "same.hpp"

using namespace procgraph;

namespace {

constexpr std::int64_t kSteps = 40;
constexpr int kScale = 10;

/// Three dense projections of one source onto two populations: two have the same weight and delay,
/// and pairs occur again and again.
struct Dense {
  std::int64_t n_pre = 60;
  std::int64_t n_post = 700;
  std::int64_t in_degree = 30;
  std::int64_t per_step = 20;
  bool ones = false;

  NodeSpec projection(Builder& b, const std::string& name, float weight, std::int64_t delay) const {
    NodeSpec node = synapse(name, "sparse", n_pre, n_post, kScale);
    const int w = b.tensor<float>({weight});
    node.attrs = [=, *this](Packer& p) {
      p.field("n_pre", n_pre).field("n_post", n_post).text("rule", "fixed_in_degree").str("key");
      p.uint64(static_cast<std::uint64_t>(name[0]));
      p.field("count", in_degree).str("multapses").boolean(true).str("autapses").boolean(true);
      p.field("synapses", in_degree * n_post).field("weights", w).field("delay", delay);
    };
    node.attr_count = 10;
    return node;
  }

  std::shared_ptr<const Program> program() const {
    Builder b;
    Sequence random(5);
    std::vector<Event> events = random_events(random, kSteps, n_pre, per_step);
    if (ones) {
      for (Event& event : events) event.payload = 1;
    }
    const int a = b.node(event_source(b, "a", n_pre, events, 6));
    const int p = b.node(projection(b, "p", 0.25f, 1));
    const int q = b.node(projection(b, "q", 0.25f, 1));
    const int r = b.node(projection(b, "r", -0.5f, 3));
    const int t = b.node(lif(b, "t", n_post, 0.8f, 30.0f, 1, kScale));
    const int u = b.node(lif(b, "u", n_post, 0.7f, 20.0f, 0, kScale));
    b.join({.src = a, .dst = p, .delay = 1});
    b.join({.src = a, .dst = q, .delay = 1});
    b.join({.src = a, .dst = r, .delay = 2});
    b.join({.src = p, .dst = t});
    b.join({.src = q, .dst = u});
    b.join({.src = r, .dst = u});
    for (const int node : {a, p, q, r, t, u}) b.schedule(node);
    return b.load();
  }
};

Engine make(const std::shared_ptr<const Program>& program, std::int32_t threads,
            std::int32_t batch = 1) {
  return Engine(program, {}, batch, KernelRegistry::process(),
                {.threads = threads, .build_threads = threads});
}

Engine make_apart(const std::shared_ptr<const Program>& program, std::int32_t batch = 1) {
  Engine engine = make(program, 1, batch);
  for (const char* node : {"p", "q", "r"}) engine.record_output(node, "a_out");
  return engine;
}

void check_same(Engine& a, Engine& b) {
  const State x = a.export_state();
  const State y = b.export_state();
  CHECK_EQUAL(x.size(), y.size());
  for (const auto& [key, array] : x) {
    const auto found = y.find(key);
    const bool same = found != y.end() && found->second.shape == array.shape &&
                      std::memcmp(found->second.data.get(), array.data.get(), array.nbytes()) == 0;
    check::report(same, key.c_str(), __FILE__, __LINE__);
  }
}

/// Where counting bits is slow, few networks have them; `masks_are_counted` tests the loop.
bool chooses_bitmask() {
  return select_isa().loops->mask_block_ns < 50;
}

bool has_bitmask(const Engine& engine) {
  for (const TableStorage& table : engine.storage()) {
    if (table.format == "bitmask") return true;
  }
  return false;
}

}  // namespace

TEST(masks_are_counted) {
  const HotLoops& loops = *select_isa().loops;
  for (const std::size_t lines : {1u, 3u, 32u, 37u, 100u}) {
    const std::size_t words = (lines + 31) / 32 * 8;
    const os::Pages bits(256 * words * sizeof(std::uint64_t));
    Sequence random(lines);
    for (std::size_t i = 0; i < 256 * words; ++i) {
      bits.as<std::uint64_t>()[i] = static_cast<std::uint64_t>(random.below(INT64_MAX)) << 1;
    }
    for (const std::size_t count :
         {1u, 2u, 3u, 4u, 8u, 11u, 16u, 24u, 25u, 32u, 56u, 64u, 120u, 248u}) {
      std::vector<const std::uint64_t*> rows;
      for (std::size_t r = 0; r < count; ++r) {
        // All rows alike: the counters are full.
        rows.push_back(bits.as<std::uint64_t>() + (lines == 37 ? 0 : r % 250) * words);
      }
      const os::Pages zeros(words * sizeof(std::uint64_t));
      while (rows.size() % 8 != 0) rows.push_back(zeros.as<std::uint64_t>());
      std::vector<std::uint32_t> sums(lines * 16 + 1, 5);
      loops.add_masks(sums.data(), rows.data(), count, lines, 0xFFFFFFF0u);
      bool equal = sums.back() == 5;
      for (std::size_t i = 0; i < lines * 16; ++i) {
        std::uint32_t wanted = 5;
        for (const std::uint64_t* row : rows) {
          wanted += (row[i / 64] >> (i % 64) & 1) != 0 ? 0xFFFFFFF0u : 0;
        }
        equal &= sums[i] == wanted;
      }
      CHECK(equal);
    }
  }
}

TEST(bitmasks_give_the_same_bits) {
  for (const Dense& network :
       {Dense{}, Dense{.ones = true}, Dense{.n_post = 1111, .in_degree = 50},
        Dense{.n_pre = 400, .in_degree = 350, .per_step = 390, .ones = true}}) {
    const auto program = network.program();
    for (const std::int32_t threads : {1, 2, 3, 4, 7}) {
      const std::int32_t batch = threads == 3 ? 3 : 1;
      Engine merged = make(program, threads, batch);
      Engine apart = make_apart(program, batch);
      CHECK(has_bitmask(merged) || !chooses_bitmask());
      for (const std::int64_t steps : {7, 33}) {
        merged.run(steps);
        apart.run(steps);
        check_same(merged, apart);
      }
      CHECK(!has_bitmask(apart));
    }
  }
}

TEST(bitmasks_take_over_a_checkpoint) {
  const auto program = Dense{}.program();
  for (const std::int64_t when : {0, 1, 5, 17}) {
    Engine first = make_apart(program, 2);
    first.run(when);
    const State state = first.export_state();
    Engine second = make(program, 3, 2);
    second.run(3);
    second.import_state(when, 7, view_of(state));
    CHECK(has_bitmask(second) || !chooses_bitmask());
    first.run(12);
    second.run(12);
    check_same(first, second);
  }
}

TEST(bitmasks_are_left_while_running) {
  const auto program = Dense{}.program();
  Engine merged = make(program, 2);
  Engine apart = make_apart(program);
  merged.run(11);
  apart.run(11);
  merged.record_output("q", "a_out");
  merged.run(6);
  apart.run(6);
  check_same(merged, apart);
  CHECK(has_bitmask(merged) || !chooses_bitmask());
  const float weight = 0.125f;
  for (Engine* engine : {&merged, &apart}) {
    engine->write("p", "weights", "", {DType::float32, {1}, &weight});
    engine->run(5);
  }
  check_same(merged, apart);
  for (Engine* engine : {&merged, &apart}) {
    engine->reset();
    engine->run(20);
  }
  check_same(merged, apart);
}

TEST(bitmasks_are_for_dense_projections) {
  CHECK(!has_bitmask(make(Dense{.n_pre = 2000, .in_degree = 30}.program(), 1)));
}
