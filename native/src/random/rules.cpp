#include "random/rules.hpp"

#include <algorithm>
#include <vector>

#include "format/text.hpp"
#include "procgraph/error.hpp"
#include "random/permutation.hpp"
#include "random/philox.hpp"

namespace procgraph {
namespace {

constexpr std::size_t kRun = 4096;

/// Collects synapses and hands them over in runs.
class Writer {
 public:
  Writer(std::int64_t expected, const std::function<void(const SynapseRun&)>& visit)
      : expected_(expected), visit_(visit) {
    pre_.reserve(kRun);
    post_.reserve(kRun);
  }

  void add(std::uint32_t pre, std::uint32_t post) {
    pre_.push_back(static_cast<std::int32_t>(pre));
    post_.push_back(static_cast<std::int32_t>(post));
    if (pre_.size() == kRun) flush();
  }

  void finish() {
    flush();
    if (first_ != expected_) mismatch();
  }

 private:
  void flush() {
    const auto size = static_cast<std::int64_t>(pre_.size());
    if (first_ + size > expected_) mismatch();
    visit_({first_, pre_, post_});
    first_ += size;
    pre_.clear();
    post_.clear();
  }

  [[noreturn]] void mismatch() const {
    throw Error(ErrorKind::format, "synapses",
                text("the Program says ", expected_, "; its rule makes another number"));
  }

  std::int64_t expected_;
  const std::function<void(const SynapseRun&)>& visit_;
  std::int64_t first_ = 0;
  std::vector<std::int32_t> pre_;
  std::vector<std::int32_t> post_;
};

std::uint32_t pick(std::uint32_t u, std::uint32_t n) {
  return static_cast<std::uint32_t>((std::uint64_t{u} * n) >> 32);
}

/// u(e, t): consecutive numbers share a block.
class Uniform {
 public:
  Uniform(Key key, std::uint32_t stream) : key_(key), stream_(stream) {}

  std::uint32_t operator()(std::uint64_t e) {
    if (e >> 2 != block_number_) {
      block_number_ = e >> 2;
      block_ = philox({static_cast<std::uint32_t>(block_number_),
                       static_cast<std::uint32_t>(e >> 34), 0, stream_},
                      key_);
    }
    return block_[e & 3];
  }

 private:
  Key key_;
  std::uint32_t stream_;
  std::uint64_t block_number_ = UINT64_MAX;
  Block block_{};
};

/// Draws partners of the elements of one side; hides the element itself where autapses are out.
struct Partners {
  std::uint32_t n;
  bool skip_self;

  std::uint32_t shift(std::uint32_t partner, std::uint32_t self) const {
    return skip_self && partner >= self ? partner + 1 : partner;
  }
};

Partners partners_of(std::int32_t n, const Rule& rule) {
  return {static_cast<std::uint32_t>(n - (rule.autapses ? 0 : 1)), !rule.autapses};
}

/// fixed_in_degree (rows are targets, stream 1) and fixed_out_degree (rows are sources, stream 2).
void fixed_degree(const SparseAttrs& attrs, Writer& out) {
  const Rule& rule = attrs.rule;
  const bool by_target = rule.kind == RuleKind::fixed_in_degree;
  const std::uint32_t stream = by_target ? 1 : 2;
  const Partners partners = partners_of(by_target ? attrs.n_pre : attrs.n_post, rule);
  const auto rows = static_cast<std::uint32_t>(by_target ? attrs.n_post : attrs.n_pre);
  const auto count = static_cast<std::uint32_t>(rule.count);
  Uniform uniform(split(rule.key), stream);
  if (count == 0) return;
  for (std::uint32_t row = 0; row < rows; ++row) {
    const Permutation permutation(partners.n, split(rule.key), row, stream);
    for (std::uint32_t m = 0; m < count; ++m) {
      const std::uint32_t drawn = rule.multapses
                                      ? pick(uniform(std::uint64_t{row} * count + m), partners.n)
                                      : permutation(m);
      const std::uint32_t partner = partners.shift(drawn, row);
      if (by_target) {
        out.add(partner, row);
      } else {
        out.add(row, partner);
      }
    }
  }
}

void fixed_total(const SparseAttrs& attrs, Writer& out) {
  const Rule& rule = attrs.rule;
  const Partners targets = partners_of(attrs.n_post, rule);
  for (std::int64_t i = 0; i < rule.count; ++i) {
    const auto e = static_cast<std::uint64_t>(i);
    const Block words =
        philox({static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(e >> 32), 0, 3},
               split(rule.key));
    const std::uint32_t source = pick(words[0], static_cast<std::uint32_t>(attrs.n_pre));
    out.add(source, targets.shift(pick(words[1], targets.n), source));
  }
}

void fixed_probability(const SparseAttrs& attrs, Writer& out) {
  const Rule& rule = attrs.rule;
  const Partners targets = partners_of(attrs.n_post, rule);
  const auto table = rule.table->as<std::uint32_t>();
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(attrs.n_pre); ++i) {
    const std::uint32_t w0 = philox({i, 0, 0, 4}, split(rule.key))[0];
    const auto reached = std::upper_bound(table.begin(), table.end(), w0) - table.begin();
    const auto count = static_cast<std::uint32_t>(rule.lo + reached);
    if (count == 0) continue;
    const Permutation permutation(targets.n, split(rule.key), i, 4);
    for (std::uint32_t m = 0; m < count; ++m) out.add(i, targets.shift(permutation(m), i));
  }
}

}  // namespace

void for_each_synapse(const SparseAttrs& attrs,
                      const std::function<void(const SynapseRun&)>& visit) {
  if (attrs.pre != nullptr) {
    if (attrs.synapses > 0) {
      visit({0, attrs.pre->as<std::int32_t>(), attrs.post->as<std::int32_t>()});
    }
    return;
  }
  Writer out(attrs.synapses, visit);
  switch (attrs.rule.kind) {
    case RuleKind::fixed_in_degree:
    case RuleKind::fixed_out_degree:
      fixed_degree(attrs, out);
      break;
    case RuleKind::fixed_total:
      fixed_total(attrs, out);
      break;
    case RuleKind::fixed_probability:
      fixed_probability(attrs, out);
      break;
  }
  out.finish();
}

}  // namespace procgraph
