#include "synapses/plastic_synapses.hpp"

#include <algorithm>

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

/// Begins of ranges of targets with about as many synapses each, and the end.
std::vector<std::size_t> cut(const Pairs& pairs, std::size_t n_post, std::size_t ranges) {
  std::vector<std::size_t> synapses(n_post);
  for (const std::int32_t j : pairs.post) ++synapses[static_cast<std::size_t>(j)];
  std::vector<std::size_t> cuts{0};
  std::size_t sum = 0;
  for (std::size_t j = 0; j < n_post && cuts.size() < ranges; ++j) {
    sum += synapses[j];
    const bool filled = sum * ranges >= cuts.size() * pairs.post.size();
    if (filled && j + 1 < n_post) cuts.push_back(j + 1);
  }
  cuts.push_back(n_post);
  return cuts;
}

/// Sorts the synapses of a range by source; stable, so that targets keep their order.
std::unique_ptr<PlasticRows> sort_rows(const Pairs& pairs, std::size_t n_pre, std::size_t begin,
                                       std::size_t end) {
  auto rows = std::make_unique<PlasticRows>();
  rows->first_target = begin;
  rows->targets = end - begin;
  const auto inside = [&](std::size_t e) {
    const auto j = static_cast<std::size_t>(pairs.post[e]);
    return j >= begin && j < end;
  };
  std::vector<std::size_t>& begins = rows->row_begin;
  begins.resize(n_pre + 1);
  for (std::size_t e = 0; e < pairs.pre.size(); ++e) {
    if (inside(e)) ++begins[static_cast<std::size_t>(pairs.pre[e]) + 1];
  }
  for (std::size_t i = 0; i < n_pre; ++i) begins[i + 1] += begins[i];
  const std::size_t size = begins.back();
  rows->post = PagedArray<std::int32_t>(size);
  rows->number = PagedArray<std::uint32_t>(size);
  if (!pairs.delay.empty()) rows->delay = PagedArray<std::int32_t>(size);
  std::vector<std::size_t> next(begins.begin(), begins.end() - 1);
  for (std::size_t e = 0; e < pairs.pre.size(); ++e) {
    if (!inside(e)) continue;
    const std::size_t place = next[static_cast<std::size_t>(pairs.pre[e])]++;
    rows->post.data()[place] = pairs.post[e] - static_cast<std::int32_t>(begin);
    rows->number.data()[place] = static_cast<std::uint32_t>(e);
    if (!pairs.delay.empty()) rows->delay.data()[place] = pairs.delay[e];
  }
  return rows;
}

}  // namespace

PlasticSynapses list_synapses(const PlasticAttrs& attrs, std::size_t ranges,
                              const HotLoops& loops) {
  Pairs pairs;
  pairs.pre.reserve(static_cast<std::size_t>(attrs.synapses));
  pairs.post.reserve(static_cast<std::size_t>(attrs.synapses));
  std::visit([&](const auto& pattern) { list(pattern, loops, pairs); }, attrs.pattern);
  const auto cuts = cut(pairs, static_cast<std::size_t>(attrs.n_post), ranges);
  PlasticSynapses out;
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r) {
    out.ranges.push_back(
        sort_rows(pairs, static_cast<std::size_t>(attrs.n_pre), cuts[r], cuts[r + 1]));
  }
  out.drawn = std::move(pairs.drawn);
  return out;
}

}  // namespace procgraph
