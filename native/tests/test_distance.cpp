#include <algorithm>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "kernels/isa.hpp"
#include "random/distance.hpp"
#include "random/philox.hpp"

using namespace procgraph;

namespace {

constexpr Key kKey{11, 22};
constexpr std::int32_t kSources = 40;

/// A line of sources, and one of as many targets as a source has entries, on which offset m is
/// entry m; a multiple of kSources, so that all sources have one phase.
struct Line {
  explicit Line(std::vector<std::uint32_t> given) : thresholds(std::move(given)) {
    std::stable_sort(thresholds.begin(), thresholds.end(), [](std::uint32_t a, std::uint32_t b) {
      return distance_band(a) < distance_band(b);
    });
    begin.assign(kDistanceBands + 1, 0);
    for (const std::uint32_t t : thresholds) ++begin[distance_band(t) + 1];
    for (std::size_t b = 0; b < kDistanceBands; ++b) begin[b + 1] += begin[b];
    for (std::size_t m = 0; m < thresholds.size(); ++m) {
      offsets.push_back(static_cast<std::int32_t>(m));
    }
    const auto tensor = [](auto& values, DType dtype) {
      const auto count = static_cast<std::int64_t>(values.size());
      return Tensor{dtype, {count}, reinterpret_cast<const std::byte*>(values.data()), count};
    };
    tensors = {tensor(begin, DType::int64), tensor(offsets, DType::int32),
               tensor(thresholds, DType::uint32)};
    attrs.n_pre = kSources;
    attrs.n_post = static_cast<std::int32_t>(thresholds.size());
    attrs.rule.kind = RuleKind::distance;
    attrs.rule.key = std::uint64_t{kKey.high} << 32 | kKey.low;
    DistanceRule& rule = attrs.rule.distance;
    rule.pre_grid = {kSources};
    rule.post_grid = {attrs.n_post};
    rule.begin = &tensors[0];
    rule.offsets = &tensors[1];
    rule.thresholds = &tensors[2];
  }

  std::uint32_t word(std::size_t m, std::uint32_t source, std::uint32_t stream) const {
    return philox({static_cast<std::uint32_t>(m >> 2), source, 0, stream}, kKey)[m & 3];
  }

  /// docs/explanation/time-and-numbers.md, section 7, a pair at a time.
  std::vector<std::size_t> accepted(std::uint32_t source) const {
    std::vector<std::size_t> out;
    for (std::size_t m = 0; m < static_cast<std::size_t>(begin[1]); ++m) {
      const std::uint32_t t = thresholds[m];
      const Block block = philox({static_cast<std::uint32_t>(m >> 4), source, 0, 7}, kKey);
      const std::uint32_t byte = block[m % 16 / 4] >> (8 * (m % 4)) & 0xFF;
      if (byte < t >> 24 || (byte == t >> 24 && word(m, source, 8) >> 8 <= (t & 0xFFFFFF))) {
        out.push_back(m);
      }
    }
    for (std::uint32_t b = 1; b < kDistanceBands; ++b) {
      const std::uint32_t s = b + 3;
      auto m = static_cast<std::size_t>(begin[b]);
      for (std::uint32_t j = 0;; ++j) {
        const std::uint32_t u = philox({16 * (j >> 2) + b, source, 0, 10}, kKey)[j & 3];
        std::uint32_t r = 0;
        std::uint64_t g = std::uint64_t{1} << 60;
        for (g -= g >> s; r < 2u << s && g >> 28 > u; g -= g >> s) ++r;
        m += r;
        if (m >= static_cast<std::size_t>(begin[b + 1])) break;
        if (r == 2u << s) continue;
        if (word(m, source, 8) >> s <= thresholds[m]) out.push_back(m);
        ++m;
      }
    }
    return out;
  }

  std::vector<std::uint32_t> thresholds;
  std::vector<std::int64_t> begin;
  std::vector<std::int32_t> offsets;
  std::vector<Tensor> tensors;
  SparseAttrs attrs;
};

/// Every synapse that the engine makes is one of the contract, and the other way round.
std::int64_t same(const Line& line) {
  const HotLoops& loops = *select_isa().loops;
  std::vector<std::vector<std::size_t>> found(kSources);
  std::int64_t number = 0;
  bool numbered = true;
  for_each_distance_synapse(line.attrs, loops, {}, [&](const SynapseRun& run) {
    numbered &= run.first == number;
    number += static_cast<std::int64_t>(run.pre.size());
    for (std::size_t i = 0; i < run.pre.size(); ++i) {
      found[static_cast<std::size_t>(run.pre[i])].push_back(static_cast<std::size_t>(run.post[i]));
    }
  });
  CHECK(numbered);
  CHECK_EQUAL(count_distance_synapses(line.attrs, loops), number);
  const std::int64_t n = line.attrs.n_post;
  bool equal = true;
  for (std::uint32_t source = 0; source < kSources; ++source) {
    const auto anchor = static_cast<std::size_t>((2 * source + 1) * n / (2 * kSources));
    std::vector<std::size_t> expected = line.accepted(source);
    for (std::size_t& m : expected) m = (m + anchor) % static_cast<std::size_t>(n);
    equal &= expected == found[source];
  }
  CHECK(equal);
  return number;
}

}  // namespace

TEST(distance_bands) {
  CHECK_EQUAL(distance_band(0xFFFFFFFFu), 0u);
  CHECK_EQUAL(distance_band(1u << 28), 0u);
  CHECK_EQUAL(distance_band((1u << 28) - 1), 1u);
  CHECK_EQUAL(distance_band((1u << 27) - 1), 2u);
  CHECK_EQUAL(distance_band(1u << 20), 8u);
  CHECK_EQUAL(distance_band((1u << 20) - 1), 9u);
  CHECK_EQUAL(distance_band(0), 9u);
}

TEST(distance_pairs_of_all_bands) {
  std::vector<std::uint32_t> thresholds;
  Block random{1, 2, 3, 4};
  for (std::uint32_t m = 0; m < 5000; ++m) {
    random = philox({m, 0, 0, 0}, kKey);
    thresholds.push_back(random[0] >> (random[1] % 20));
  }
  CHECK(same(Line(thresholds)) > 5000);
}

TEST(distance_walks_over_rare_pairs) {
  // Walks that are cut off, and more candidates than fit into one run.
  for (const std::uint32_t threshold : {0u, 1u, 1u << 17, (1u << 20) - 1, 3u << 20, 5u << 22}) {
    same(Line(std::vector<std::uint32_t>(30000, threshold)));
  }
  CHECK(same(Line(std::vector<std::uint32_t>(30000, (1u << 28) - 1))) > 40 * 1024);
  CHECK(same(Line(std::vector<std::uint32_t>(kSources, 1u << 20))) < kSources);
}
