#include "random/rules.hpp"

#include <algorithm>
#include <vector>

#include "format/text.hpp"
#include "procgraph/error.hpp"
#include "random/distance.hpp"
#include "random/permutation.hpp"
#include "random/philox.hpp"

namespace procgraph {
namespace {

/// Draws partners of the elements of one side; hides the element itself where autapses are out.
struct Partners {
  std::uint32_t n;
  bool skip_self;

  std::uint32_t shift(std::uint32_t partner, std::uint32_t self) const {
    return partner + static_cast<std::uint32_t>(skip_self && partner >= self);
  }
  std::uint32_t pick(std::uint32_t u) const {
    return static_cast<std::uint32_t>((std::uint64_t{u} * n) >> 32);
  }
};

Partners partners_of(std::int32_t n, const Rule& rule) {
  return {static_cast<std::uint32_t>(n - (rule.autapses ? 0 : 1)), !rule.autapses};
}

std::uint32_t row_count(const Rule& rule, std::uint32_t row) {
  const auto table = rule.table->as<std::uint32_t>();
  const std::uint32_t w0 = philox({row, 0, 0, 4}, split(rule.key))[0];
  const auto reached = std::upper_bound(table.begin(), table.end(), w0) - table.begin();
  return static_cast<std::uint32_t>(rule.lo + reached);
}

/// Expands one rule with vectors of counters and hands the synapses over in runs.
class Expansion {
 public:
  Expansion(const SparseAttrs& attrs, const HotLoops& loops, SourceRange range,
            const RunVisitor& visit)
      : attrs_(attrs),
        rule_(attrs.rule),
        loops_(loops),
        key_(split(attrs.rule.key)),
        begin_(static_cast<std::uint32_t>(std::max(range.begin, 0))),
        end_(static_cast<std::uint32_t>(std::min(range.end, attrs.n_pre))),
        first_(range.first),
        visit_(visit),
        drawn_(attrs.weight_table != nullptr || attrs.delay_table != nullptr),
        pre_(memory().pre),
        post_(memory().post),
        partner_(memory().partner),
        words_(memory().words),
        drawn_words_(memory().drawn_words) {}

  void run() {
    switch (rule_.kind) {
      case RuleKind::fixed_in_degree:
        fixed_degree(true);
        break;
      case RuleKind::fixed_out_degree:
        fixed_degree(false);
        break;
      case RuleKind::fixed_total:
        fixed_total();
        break;
      case RuleKind::fixed_probability:
        fixed_probability();
        break;
      case RuleKind::distance:
        break;
    }
  }

 private:
  /// Kept from one expansion to the next, for those that make the synapses of one source only.
  struct Memory {
    std::vector<std::int32_t> pre = std::vector<std::int32_t>(kSynapseRun);
    std::vector<std::int32_t> post = std::vector<std::int32_t>(kSynapseRun);
    std::vector<std::uint32_t> partner = std::vector<std::uint32_t>(kSynapseRun);
    std::vector<std::uint32_t> words = std::vector<std::uint32_t>(4 * kSynapseRun + 64);
    std::vector<std::uint32_t> drawn_words = std::vector<std::uint32_t>(kSynapseRun + 64);
  };
  static Memory& memory() {
    thread_local Memory memory;
    return memory;
  }

  /// Words of `count` counters from `first` on, of which the low half must not wrap in a call.
  void counters(std::uint64_t first, std::size_t count, std::uint32_t stream, std::uint32_t* out) {
    while (count > 0) {
      const std::uint64_t room = (std::uint64_t{1} << 32) - (first & 0xFFFFFFFFu);
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, room));
      loops_.philox_words(key_.low, key_.high, static_cast<std::uint32_t>(first),
                          static_cast<std::uint32_t>(first >> 32), stream, size, out);
      first += size;
      count -= size;
      out += 4 * size;
    }
  }

  /// u(e, stream) for `count` numbers from `first` on.
  const std::uint32_t* uniform(std::uint64_t first, std::size_t count, std::uint32_t stream,
                               std::vector<std::uint32_t>& out) {
    const std::uint64_t block = first >> 2;
    const std::uint64_t last = (first + count - 1) >> 2;
    counters(block, static_cast<std::size_t>(last - block + 1), stream, out.data());
    return out.data() + (first & 3);
  }

  void hand_over(std::uint64_t first, std::size_t count) {
    SynapseRun run{
        static_cast<std::int64_t>(first), {pre_.data(), count}, {post_.data(), count}, {}};
    if (drawn_) run.words = {uniform(first, count, 6, drawn_words_), count};
    visit_(run);
  }

  /// Partners of synapses m ... m + count - 1 of one row, into place `at` of the run.
  void permuted(const Permutation& permutation, std::uint32_t m, std::size_t count,
                std::size_t at) {
    loops_.permute(permutation.round_keys(), permutation.half(), permutation.n(), m, count,
                   partner_.data() + at);
  }

  /// Rows are targets and draws from stream 1 are sources, or the other way round from stream 2.
  void fixed_degree(bool by_target) {
    const std::uint32_t stream = by_target ? 1 : 2;
    const Partners partners = partners_of(by_target ? attrs_.n_pre : attrs_.n_post, rule_);
    const auto count = static_cast<std::uint64_t>(rule_.count);
    if (count == 0) return;
    const std::uint64_t rows_end = by_target ? static_cast<std::uint64_t>(attrs_.n_post) : end_;
    const std::uint64_t end = rows_end * count;
    for (std::uint64_t e = by_target ? 0 : begin_ * count; e < end;) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kSynapseRun, end - e));
      const std::uint32_t* words = rule_.multapses ? uniform(e, size, stream, words_) : nullptr;
      for (std::size_t i = 0; i < size;) {
        const std::uint64_t row = (e + i) / count;
        const auto m = static_cast<std::uint32_t>((e + i) % count);
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size - i, count - m));
        draw_row(partners, static_cast<std::uint32_t>(row), m, words, i, part, stream);
        i += part;
      }
      if (by_target) pre_.swap(post_);
      hand_over(e, size);
      if (by_target) pre_.swap(post_);
      e += size;
    }
  }

  void draw_row(const Partners& partners, std::uint32_t row, std::uint32_t m,
                const std::uint32_t* words, std::size_t at, std::size_t count,
                std::uint32_t stream) {
    if (words == nullptr) permuted(Permutation(partners.n, key_, row, stream), m, count, at);
    for (std::size_t i = at; i < at + count; ++i) {
      const std::uint32_t drawn = words != nullptr ? partners.pick(words[i]) : partner_[i];
      pre_[i] = static_cast<std::int32_t>(row);
      post_[i] = static_cast<std::int32_t>(partners.shift(drawn, row));
    }
  }

  void fixed_total() {
    const Partners sources{static_cast<std::uint32_t>(attrs_.n_pre), false};
    const Partners targets = partners_of(attrs_.n_post, rule_);
    const auto end = static_cast<std::uint64_t>(rule_.count);
    for (std::uint64_t e = 0; e < end;) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kSynapseRun, end - e));
      counters(e, size, 3, words_.data());
      for (std::size_t i = 0; i < size; ++i) {
        const std::uint32_t source = sources.pick(words_[4 * i]);
        pre_[i] = static_cast<std::int32_t>(source);
        post_[i] =
            static_cast<std::int32_t>(targets.shift(targets.pick(words_[4 * i + 1]), source));
      }
      hand_over(e, size);
      e += size;
    }
  }

  void fixed_probability() {
    const Partners targets = partners_of(attrs_.n_post, rule_);
    auto e = static_cast<std::uint64_t>(std::max<std::int64_t>(first_, 0));
    for (std::uint32_t row = first_ < 0 ? 0 : begin_; row < end_; ++row) {
      const std::uint32_t count = row_count(rule_, row);
      if (row < begin_ || count == 0) {
        e += count;
        continue;
      }
      const Permutation permutation(targets.n, key_, row, 4);
      for (std::uint32_t m = 0; m < count;) {
        const std::size_t size = std::min<std::size_t>(kSynapseRun, count - m);
        permuted(permutation, m, size, 0);
        for (std::size_t i = 0; i < size; ++i) {
          pre_[i] = static_cast<std::int32_t>(row);
          post_[i] = static_cast<std::int32_t>(targets.shift(partner_[i], row));
        }
        hand_over(e, size);
        e += size;
        m += static_cast<std::uint32_t>(size);
      }
    }
  }

  const SparseAttrs& attrs_;
  const Rule& rule_;
  const HotLoops& loops_;
  Key key_;
  std::uint32_t begin_;
  std::uint32_t end_;
  std::int64_t first_;
  const RunVisitor& visit_;
  bool drawn_;
  std::vector<std::int32_t>& pre_;
  std::vector<std::int32_t>& post_;
  std::vector<std::uint32_t>& partner_;
  std::vector<std::uint32_t>& words_;
  std::vector<std::uint32_t>& drawn_words_;
};

void listed(const SparseAttrs& attrs, const RunVisitor& visit) {
  const auto pre = attrs.pre->as<std::int32_t>();
  const auto post = attrs.post->as<std::int32_t>();
  for (std::size_t e = 0; e < pre.size(); e += kSynapseRun) {
    const std::size_t size = std::min(kSynapseRun, pre.size() - e);
    visit({static_cast<std::int64_t>(e), pre.subspan(e, size), post.subspan(e, size), {}});
  }
}

}  // namespace

void for_each_synapse(const SparseAttrs& attrs, const HotLoops& loops, SourceRange range,
                      const RunVisitor& visit) {
  if (attrs.pre != nullptr) {
    listed(attrs, visit);
  } else if (attrs.rule.kind == RuleKind::distance) {
    for_each_distance_synapse(attrs, loops, range, visit);
  } else if (attrs.synapses > 0) {
    Expansion(attrs, loops, range, visit).run();
  }
}

std::vector<std::int64_t> first_synapses(const SparseAttrs& attrs) {
  const bool even = attrs.rule.kind == RuleKind::fixed_out_degree;
  std::vector<std::int64_t> first(static_cast<std::size_t>(attrs.n_pre) + 1);
  for (std::size_t i = 0; i + 1 < first.size(); ++i) {
    first[i + 1] =
        first[i] + (even ? attrs.rule.count : row_count(attrs.rule, static_cast<std::uint32_t>(i)));
  }
  return first;
}

void check_rule_size(const SparseAttrs& attrs) {
  // The loader has compared the other rules with their counts.
  if (attrs.pre != nullptr || attrs.rule.kind != RuleKind::fixed_probability) return;
  std::int64_t total = 0;
  for (std::int32_t i = 0; i < attrs.n_pre; ++i) {
    total += row_count(attrs.rule, static_cast<std::uint32_t>(i));
  }
  if (total == attrs.synapses) return;
  throw Error(ErrorKind::format, "synapses",
              text("the Program says ", attrs.synapses, "; its rule makes ", total));
}

}  // namespace procgraph
