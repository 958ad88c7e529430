#include <set>

#include "check.hpp"
#include "procgraph/engine.hpp"
#include "random/permutation.hpp"
#include "random/philox.hpp"
#include "synapse_check.hpp"

using namespace procgraph;

namespace {

constexpr std::uint64_t kKey = 0x1234567890ABCDEFu;

std::uint32_t u(std::uint64_t e, std::uint32_t t) {
  return philox({static_cast<std::uint32_t>(e >> 2), static_cast<std::uint32_t>(e >> 34), 0, t},
                split(kKey))[e & 3];
}

std::int64_t pick(std::uint32_t x, std::int64_t n) {
  return static_cast<std::int64_t>((std::uint64_t{x} * static_cast<std::uint64_t>(n)) >> 32);
}

NodeSpec rule_node(Builder& b, const char* rule, std::int64_t n_pre, std::int64_t n_post,
                   std::int64_t count, bool multapses, bool autapses, std::int64_t synapses,
                   const std::vector<float>& weights) {
  NodeSpec node = synapse("s", "sparse", n_pre, n_post);
  node.attr_count = 10 + 1;
  node.attrs = [=, w = b.tensor(weights),
                t = b.tensor<std::uint32_t>({1u << 30, 3u << 30})](Packer& out) {
    out.field("n_pre", n_pre).field("n_post", n_post).text("rule", rule).str("key").uint64(kKey);
    out.field("count", count).field("lo", 1).field("table", t);
    out.str("multapses").boolean(multapses).str("autapses").boolean(autapses);
    out.field("synapses", synapses).field("weights", w).field("delay", 1);
  };
  ++node.attr_count;
  return node;
}

}  // namespace

TEST(rule_fixed_in_degree) {
  for (const int variant : {0, 1, 2, 3}) {
    const bool multapses = (variant & 1) != 0;
    const bool autapses = (variant & 2) != 0;
    Sequence random(5);
    Builder b;
    const auto weights = random_weights(random, 9 * 4);
    std::vector<Synapse> synapses;
    const std::int64_t n = autapses ? 9 : 8;
    for (std::int64_t j = 0; j < 9; ++j) {
      const Permutation permutation(static_cast<std::uint32_t>(n), split(kKey),
                                    static_cast<std::uint32_t>(j), 1);
      std::set<std::int64_t> seen;
      for (std::int64_t m = 0; m < 4; ++m) {
        const auto e = static_cast<std::uint64_t>(j * 4 + m);
        std::int64_t source =
            multapses ? pick(u(e, 1), n) : permutation(static_cast<std::uint32_t>(m));
        if (!autapses && source >= j) ++source;
        CHECK(autapses || source != j);
        CHECK(seen.insert(source).second || multapses);
        synapses.push_back({source, j, weights[e], 1});
      }
    }
    check_node(b, rule_node(b, "fixed_in_degree", 9, 9, 4, multapses, autapses, 36, weights),
               synapses, 9, 9);
  }
}

TEST(rule_fixed_out_degree) {
  Builder b;
  std::vector<Synapse> synapses;
  for (std::int64_t i = 0; i < 6; ++i) {
    for (std::int64_t m = 0; m < 5; ++m) {
      synapses.push_back({i, pick(u(static_cast<std::uint64_t>(i * 5 + m), 2), 13), 0.5f, 1});
    }
  }
  check_node(b, rule_node(b, "fixed_out_degree", 6, 13, 5, true, true, 30, {0.5f}), synapses, 6,
             13);
}

TEST(rule_fixed_total) {
  Sequence random(6);
  Builder b;
  const auto weights = random_weights(random, 50);
  std::vector<Synapse> synapses;
  for (std::uint32_t e = 0; e < 50; ++e) {
    const Block words = philox({e, 0, 0, 3}, split(kKey));
    synapses.push_back({pick(words[0], 6), pick(words[1], 13), weights[e], 1});
  }
  check_node(b, rule_node(b, "fixed_total", 6, 13, 50, true, true, 50, weights), synapses, 6, 13);
}

TEST(rule_fixed_probability) {
  Builder b;
  std::vector<Synapse> synapses;
  for (std::uint32_t i = 0; i < 10; ++i) {
    const std::uint32_t w0 = philox({i, 0, 0, 4}, split(kKey))[0];
    const std::uint32_t count = 1u + (w0 >= 1u << 30) + (w0 >= 3u << 30);
    const Permutation permutation(7, split(kKey), i, 4);
    for (std::uint32_t m = 0; m < count; ++m) synapses.push_back({i, permutation(m), -0.25f, 1});
  }
  const auto total = static_cast<std::int64_t>(synapses.size());
  check_node(b, rule_node(b, "fixed_probability", 10, 7, 0, false, true, total, {-0.25f}), synapses,
             10, 7);
  Builder wrong;
  wrong.node(rule_node(wrong, "fixed_probability", 10, 7, 0, false, true, total + 1, {-0.25f}));
  wrong.schedule(0);
  const auto program = wrong.load();
  CHECK_THROWS(format, Engine{program});
}

TEST(only_rules_by_sources_can_go_unstored) {
  Builder b;
  NodeSpec node = rule_node(b, "fixed_in_degree", 6, 13, 2, true, true, 26, {0.5f});
  ++node.attr_count;
  node.attrs = [before = node.attrs](Packer& out) {
    before(out);
    out.text("storage", "procedural");
  };
  b.node(std::move(node));
  b.schedule(0);
  CHECK_THROWS(format, b.load());
}
