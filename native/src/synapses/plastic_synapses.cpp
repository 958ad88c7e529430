#include "synapses/plastic_synapses.hpp"

#include "random/rules.hpp"
#include "synapses/values.hpp"

namespace procgraph {
namespace {

struct Pairs {
  std::vector<std::int32_t> pre;
  std::vector<std::int32_t> post;
  std::vector<std::int32_t> delay;
  std::vector<float> drawn;
};

void list_delays(const SynapseAttrs& attrs, Pairs& out) {
  if (attrs.delays.each == nullptr) return;
  const auto delays = attrs.delays.each->as<std::int32_t>();
  out.delay.assign(delays.begin(), delays.end());
}

void list(const DenseAttrs& attrs, const HotLoops&, Pairs& out) {
  for (std::int32_t j = 0; j < attrs.n_post; ++j) {
    for (std::int32_t i = 0; i < attrs.n_pre; ++i) {
      out.pre.push_back(i);
      out.post.push_back(j);
    }
  }
  list_delays(attrs, out);
}

void list(const OneToOneAttrs& attrs, const HotLoops&, Pairs& out) {
  for (std::int32_t i = 0; i < attrs.n_pre; ++i) {
    out.pre.push_back(i);
    out.post.push_back(i);
  }
  list_delays(attrs, out);
}

void list(const SparseAttrs& attrs, const HotLoops& loops, Pairs& out) {
  const SynapseValues values(attrs);
  const bool delays = attrs.delays.each != nullptr || attrs.delay_table != nullptr;
  for_each_synapse(attrs, loops, {}, [&](const SynapseRun& run) {
    out.pre.insert(out.pre.end(), run.pre.begin(), run.pre.end());
    out.post.insert(out.post.end(), run.post.begin(), run.post.end());
    for (std::size_t i = 0; i < run.pre.size(); ++i) {
      if (delays) out.delay.push_back(values.delay(run, i));
      if (attrs.weight_table != nullptr) out.drawn.push_back(values.weight(run, i));
    }
  });
}

/// Sorts the synapses by source; stable, so that targets keep their order.
PlasticRows sort_rows(const Pairs& pairs, std::size_t n_pre, std::size_t n_post) {
  PlasticRows rows;
  rows.targets = n_post;
  const std::size_t size = pairs.pre.size();
  std::vector<std::size_t>& begins = rows.row_begin;
  begins.resize(n_pre + 1);
  for (const std::int32_t i : pairs.pre) ++begins[static_cast<std::size_t>(i) + 1];
  for (std::size_t i = 0; i < n_pre; ++i) begins[i + 1] += begins[i];
  rows.post = PagedArray<std::int32_t>(size);
  rows.number = PagedArray<std::uint32_t>(size);
  if (!pairs.delay.empty()) rows.delay = PagedArray<std::int32_t>(size);
  std::vector<std::size_t> next(begins.begin(), begins.end() - 1);
  for (std::size_t e = 0; e < size; ++e) {
    const std::size_t place = next[static_cast<std::size_t>(pairs.pre[e])]++;
    rows.post.data()[place] = pairs.post[e];
    rows.number.data()[place] = static_cast<std::uint32_t>(e);
    if (!pairs.delay.empty()) rows.delay.data()[place] = pairs.delay[e];
  }
  return rows;
}

}  // namespace

PlasticSynapses list_synapses(const PlasticAttrs& attrs, const HotLoops& loops) {
  if (const auto* sparse = std::get_if<SparseAttrs>(&attrs.pattern)) check_rule_size(*sparse);
  Pairs pairs;
  pairs.pre.reserve(static_cast<std::size_t>(attrs.synapses));
  pairs.post.reserve(static_cast<std::size_t>(attrs.synapses));
  std::visit([&](const auto& pattern) { list(pattern, loops, pairs); }, attrs.pattern);
  const auto n_pre = static_cast<std::size_t>(attrs.n_pre);
  const auto n_post = static_cast<std::size_t>(attrs.n_post);
  return {sort_rows(pairs, n_pre, n_post), std::move(pairs.drawn)};
}

}  // namespace procgraph
