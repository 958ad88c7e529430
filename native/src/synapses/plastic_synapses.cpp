#include "synapses/plastic_synapses.hpp"

#include "random/rules.hpp"
#include "synapses/values.hpp"

namespace procgraph {
namespace {

struct Pairs {
  std::vector<std::int32_t> pre;
  std::vector<std::int32_t> post;
  std::vector<float> drawn;
};

void list(const DenseAttrs& attrs, const HotLoops&, Pairs& out) {
  for (std::int32_t j = 0; j < attrs.n_post; ++j) {
    for (std::int32_t i = 0; i < attrs.n_pre; ++i) {
      out.pre.push_back(i);
      out.post.push_back(j);
    }
  }
}

void list(const OneToOneAttrs& attrs, const HotLoops&, Pairs& out) {
  for (std::int32_t i = 0; i < attrs.n_pre; ++i) {
    out.pre.push_back(i);
    out.post.push_back(i);
  }
}

void list(const SparseAttrs& attrs, const HotLoops& loops, Pairs& out) {
  const SynapseValues values(attrs);
  for_each_synapse(attrs, loops, {}, [&](const SynapseRun& run) {
    out.pre.insert(out.pre.end(), run.pre.begin(), run.pre.end());
    out.post.insert(out.post.end(), run.post.begin(), run.post.end());
    if (attrs.weight_table == nullptr) return;
    for (std::size_t i = 0; i < run.pre.size(); ++i) out.drawn.push_back(values.weight(run, i));
  });
}

/// Positions at which each of `n` groups begins, with the end as last entry.
std::vector<std::size_t> begins(std::span<const std::int32_t> groups, std::size_t n) {
  std::vector<std::size_t> out(n + 1);
  for (const std::int32_t g : groups) ++out[static_cast<std::size_t>(g) + 1];
  for (std::size_t i = 0; i < n; ++i) out[i + 1] += out[i];
  return out;
}

}  // namespace

PlasticSynapses::PlasticSynapses(const PlasticAttrs& attrs, const HotLoops& loops) {
  Pairs pairs;
  pairs.pre.reserve(static_cast<std::size_t>(attrs.synapses));
  pairs.post.reserve(static_cast<std::size_t>(attrs.synapses));
  std::visit([&](const auto& pattern) { list(pattern, loops, pairs); }, attrs.pattern);
  drawn_ = std::move(pairs.drawn);
  sort_by_source(static_cast<std::size_t>(attrs.n_pre), pairs.pre, pairs.post);
  index_by_target(static_cast<std::size_t>(attrs.n_post));
}

void PlasticSynapses::sort_by_source(std::size_t n_pre, std::span<const std::int32_t> pre,
                                     std::span<const std::int32_t> post) {
  row_begin_ = begins(pre, n_pre);
  std::vector<std::size_t> next(row_begin_.begin(), row_begin_.end() - 1);
  pre_.resize(pre.size());
  post_.resize(pre.size());
  number_.resize(pre.size());
  for (std::size_t e = 0; e < pre.size(); ++e) {
    const std::size_t place = next[static_cast<std::size_t>(pre[e])]++;
    pre_[place] = pre[e];
    post_[place] = post[e];
    number_[place] = static_cast<std::uint32_t>(e);
  }
}

void PlasticSynapses::index_by_target(std::size_t n_post) {
  column_begin_ = begins(post_, n_post);
  std::vector<std::size_t> next(column_begin_.begin(), column_begin_.end() - 1);
  by_target_.resize(post_.size());
  sources_by_target_.resize(post_.size());
  for (std::size_t place = 0; place < post_.size(); ++place) {
    const std::size_t entry = next[static_cast<std::size_t>(post_[place])]++;
    by_target_[entry] = static_cast<std::uint32_t>(place);
    sources_by_target_[entry] = pre_[place];
  }
}

}  // namespace procgraph
