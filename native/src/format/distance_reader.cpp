#include <numeric>

#include "format/program_parts.hpp"
#include "format/text.hpp"
#include "kernels/isa.hpp"
#include "random/distance.hpp"

namespace procgraph {
namespace {

// Pairs that are drawn for a synapse that is found, at most and on average.
constexpr std::int64_t kPairsPerSynapse = 64;

std::vector<std::int32_t> read_grid(const Field& field, std::int32_t n) {
  std::vector<std::int32_t> out;
  if (field.size() < 1 || field.size() > 3) field.fail("has not one to three sides");
  std::int64_t elements = 1;
  for (std::size_t d = 0; d < field.size(); ++d) {
    out.push_back(field.at(d).int32(1, n));
    elements *= out.back();
    if (elements > n) break;
  }
  if (elements != n) field.fail(text("does not have ", n, " elements"));
  return out;
}

/// Entries of every phase; returns the most that one has.
std::int64_t check_phases(const Field& attrs, const DistanceRule& rule, std::int64_t limit) {
  std::int64_t phases = 1;
  for (std::size_t d = 0; d < rule.pre_grid.size(); ++d) {
    phases *= rule.pre_grid[d] / std::gcd(rule.pre_grid[d], rule.post_grid[d]);
    if (phases > limit) attrs.at("begin").fail("stands for too many phases");
  }
  const auto begin = rule.begin->as<std::int64_t>();
  if (rule.begin->count != phases * kDistanceBands + 1 || begin[0] != 0 ||
      begin.back() != rule.thresholds->count) {
    attrs.at("begin").fail(text("does not divide ", rule.thresholds->count, " entries among ",
                                phases, " phases of ", kDistanceBands, " bands"));
  }
  std::int64_t most = 0;
  for (std::size_t i = 0; i + 1 < begin.size(); ++i) {
    if (begin[i + 1] < begin[i]) attrs.at("begin").fail("is not ascending");
    if ((i + 1) % kDistanceBands == 0) {
      most = std::max(most, begin[i + 1] - begin[i + 1 - kDistanceBands]);
    }
  }
  return most;
}

void check_thresholds(const Field& attrs, const DistanceRule& rule) {
  const auto begin = rule.begin->as<std::int64_t>();
  const auto thresholds = rule.thresholds->as<std::uint32_t>();
  for (std::size_t i = 0; i + 1 < begin.size(); ++i) {
    const auto band = static_cast<std::uint32_t>(i % kDistanceBands);
    for (std::int64_t e = begin[i]; e < begin[i + 1]; ++e) {
      const std::uint32_t found = distance_band(thresholds[static_cast<std::size_t>(e)]);
      if (found == band) continue;
      attrs.at("thresholds").fail(text("has one of band ", found, " in band ", band));
    }
  }
}

void check_offsets(const Field& attrs, const DistanceRule& rule) {
  const auto offsets = rule.offsets->as<std::int32_t>();
  const std::size_t dimensions = rule.post_grid.size();
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::int64_t side = rule.post_grid[i % dimensions];
    const std::int64_t least = rule.periodic ? 0 : 1 - side;
    if (offsets[i] >= least && offsets[i] < side) continue;
    attrs.at("offsets").fail(text("has ", offsets[i], "; allowed: ", least, " ... ", side - 1));
  }
}

}  // namespace

void read_distance_rule(const Field& attrs, const ReadContext& context, SparseAttrs& out) {
  DistanceRule& rule = out.rule.distance;
  out.rule.key = attrs.at("key").uint64();
  rule.pre_grid = read_grid(attrs.at("pre_grid"), out.n_pre);
  rule.post_grid = read_grid(attrs.at("post_grid"), out.n_post);
  if (rule.pre_grid.size() != rule.post_grid.size()) {
    attrs.at("post_grid").fail("has another number of sides than pre_grid");
  }
  rule.periodic = attrs.at("periodic").boolean();
  rule.begin = tensor_ref(attrs.at("begin"), context, DType::int64);
  rule.thresholds = tensor_ref(attrs.at("thresholds"), context, DType::uint32);
  const std::int64_t entries = rule.thresholds->count;
  const auto dimensions = static_cast<std::int64_t>(rule.pre_grid.size());
  rule.offsets = tensor_ref(attrs.at("offsets"), context, DType::int32, {entries * dimensions});
  const std::int64_t most = check_phases(attrs, rule, context.limits.elements);
  check_thresholds(attrs, rule);
  check_offsets(attrs, rule);
  const std::uint64_t coded = attrs.at("coded").uint64();
  if (coded != 0 && coded != 0xFFFF && coded != 0xFFFF0000 && coded != 0xFFFFFFFF) {
    attrs.at("coded").fail("is no half of a word");
  }
  rule.coded = static_cast<std::uint32_t>(coded);
  if (coded != 0) rule.codes = tensor_ref(attrs.at("codes"), context, DType::uint32, {entries});
  if (most > kPairsPerSynapse * context.limits.synapses / out.n_pre) {
    attrs.fail(text("has ", most, " possible targets of each of ", out.n_pre, " sources"));
  }
}

/// After the tables are read, which say what is drawn.
void count_distance_rule(const Field& attrs, const ReadContext& context, SparseAttrs& out) {
  out.synapses = count_distance_synapses(out, *select_isa().loops);
  if (out.synapses > context.limits.synapses) {
    attrs.fail(text("makes ", out.synapses, " synapses; allowed: ", context.limits.synapses));
  }
}

}  // namespace procgraph
