#include <algorithm>

#include "format/program_parts.hpp"
#include "format/text.hpp"

namespace procgraph {
namespace {

/// Values of drawn weights and delays; null where they are given.
const Tensor* read_drawn(const Field& attrs, const char* key, DType dtype,
                         const ReadContext& context) {
  const auto field = attrs.find(key);
  return field ? tensor_ref(*field, context, dtype, {1 << 16}) : nullptr;
}

void set_extremes(Delays& out, std::span<const std::int32_t> values) {
  if (values.empty()) {
    out.smallest = out.largest = out.common = 1;  // of no synapses, as the compiler has it
    return;
  }
  const Extremes found = extremes(values);
  out.smallest = found.low;
  out.largest = found.high;
}

Delays read_delays(const Field& attrs, const ReadContext& context,
                   std::initializer_list<std::int64_t> counts) {
  Delays out;
  const auto each = attrs.find("delays");
  const auto common = attrs.find("delay");
  if (each.has_value() == common.has_value()) {
    attrs.fail("needs either 'delay' or 'delays'");
  }
  if (common) {
    out.common = common->int32(0, context.limits.delay);
    out.smallest = out.largest = out.common;
    return out;
  }
  out.each = tensor_ref(*each, context, DType::int32, counts);
  check_range(*each, *out.each, 0, context.limits.delay);
  set_extremes(out, out.each->as<std::int32_t>());
  return out;
}

std::int32_t read_n(const Field& attrs, const char* key, const ReadContext& context) {
  return attrs.at(key).int32(1, context.limits.elements);
}

Attrs read_dense(const Field& attrs, const ReadContext& context) {
  DenseAttrs out;
  out.n_pre = read_n(attrs, "n_pre", context);
  out.n_post = read_n(attrs, "n_post", context);
  const std::int64_t count = std::int64_t{out.n_pre} * out.n_post;
  out.weights = tensor_ref(attrs.at("weights"), context, DType::float32, {count});
  out.delays = read_delays(attrs, context, {count});
  return out;
}

RuleKind rule_kind(const Field& field) {
  const auto name = field.str();
  if (name == "fixed_in_degree") return RuleKind::fixed_in_degree;
  if (name == "fixed_out_degree") return RuleKind::fixed_out_degree;
  if (name == "fixed_total") return RuleKind::fixed_total;
  if (name == "fixed_probability") return RuleKind::fixed_probability;
  if (name == "distance") return RuleKind::distance;
  field.fail("is no connectivity rule");
}

std::int64_t expected_synapses(const SparseAttrs& out) {
  if (out.rule.kind == RuleKind::fixed_in_degree) return out.rule.count * out.n_post;
  if (out.rule.kind == RuleKind::fixed_out_degree) return out.rule.count * out.n_pre;
  return out.rule.kind == RuleKind::fixed_total ? out.rule.count : -1;
}

/// Elements that a rule may draw a partner from.
std::int64_t partners(const SparseAttrs& out) {
  const bool by_target = out.rule.kind == RuleKind::fixed_in_degree;
  return (by_target ? out.n_pre : out.n_post) - (out.rule.autapses ? 0 : 1);
}

void check_rule(const Field& attrs, const SparseAttrs& out) {
  const Rule& rule = out.rule;
  if (!rule.autapses && out.n_pre != out.n_post) {
    attrs.fail("only a projection of a population onto itself can be without autapses");
  }
  const std::int64_t limit = partners(out);
  if (out.synapses > 0 && limit < 1) attrs.fail("there is no element to connect to");
  const bool degree =
      rule.kind == RuleKind::fixed_in_degree || rule.kind == RuleKind::fixed_out_degree;
  if (degree && !rule.multapses && rule.count > limit) {
    attrs.fail(text("count is ", rule.count, "; allowed without multapses: 0 ... ", limit));
  }
  if (rule.kind == RuleKind::fixed_total && !rule.multapses) {
    attrs.fail("fixed_total cannot exclude multapses");
  }
  const std::int64_t expected = expected_synapses(out);
  if (expected >= 0 && expected != out.synapses) {
    attrs.fail(text("synapses is ", out.synapses, "; the rule makes ", expected));
  }
  if (rule.kind != RuleKind::fixed_probability) return;
  if (rule.lo + rule.table->count > limit) {
    attrs.fail(text("the table allows ", rule.lo + rule.table->count, " partners of ", limit));
  }
  const auto table = rule.table->as<std::uint32_t>();
  if (!std::is_sorted(table.begin(), table.end())) attrs.at("table").fail("is not ascending");
}

void read_rule(const Field& attrs, const ReadContext& context, SparseAttrs& out) {
  Rule& rule = out.rule;
  rule.kind = rule_kind(attrs.at("rule"));
  if (rule.kind == RuleKind::distance) {
    read_distance_rule(attrs, context, out);
    return;
  }
  rule.key = attrs.at("key").uint64();
  rule.count = attrs.at("count").integer(0, context.limits.synapses);
  rule.multapses = attrs.at("multapses").boolean();
  rule.autapses = attrs.at("autapses").boolean();
  if (rule.kind == RuleKind::fixed_probability) {
    rule.lo = attrs.at("lo").integer(0, INT32_MAX);
    rule.table = tensor_ref(attrs.at("table"), context, DType::uint32);
  }
  out.synapses = attrs.at("synapses").integer(0, context.limits.synapses);
  check_rule(attrs, out);
}

void read_listed(const Field& attrs, const ReadContext& context, SparseAttrs& out) {
  out.pre = tensor_ref(attrs.at("pre"), context, DType::int32);
  out.synapses = out.pre->count;
  if (out.synapses > context.limits.synapses) {
    attrs.fail(text("has ", out.synapses, " synapses; allowed: ", context.limits.synapses));
  }
  out.post = tensor_ref(attrs.at("post"), context, DType::int32, {out.synapses});
  check_range(attrs.at("pre"), *out.pre, 0, out.n_pre - 1);
  check_range(attrs.at("post"), *out.post, 0, out.n_post - 1);
}

/// A rule of which the Program does not say how many synapses it makes.
bool uncounted(const SparseAttrs& out) {
  return out.pre == nullptr && out.rule.kind == RuleKind::distance;
}

/// Weights and delays of a sparse node: given, or drawn where a rule makes the synapses.
void read_values(const Field& attrs, const ReadContext& context, SparseAttrs& out) {
  if (out.pre == nullptr) {
    out.weight_table = read_drawn(attrs, "weight_table", DType::float32, context);
    out.delay_table = read_drawn(attrs, "delay_table", DType::int32, context);
  }
  if (out.weight_table != nullptr) {
    out.weights = tensor_ref(attrs.at("weights"), context, DType::float32, {0});
  } else {
    out.weights = tensor_ref(attrs.at("weights"), context, DType::float32,
                             {1, uncounted(out) ? 1 : out.synapses});
  }
  if (out.delay_table == nullptr) {
    if (uncounted(out) && attrs.find("delays"))
      attrs.fail("has a delay for each synapse of a rule");
    out.delays = read_delays(attrs, context, {out.synapses});
    return;
  }
  if (attrs.find("delay") || attrs.find("delays")) attrs.fail("has delays beside 'delay_table'");
  check_range(attrs.at("delay_table"), *out.delay_table, 0, context.limits.delay);
  set_extremes(out.delays, out.delay_table->as<std::int32_t>());
}

void read_storage(const Field& attrs, SparseAttrs& out) {
  const auto storage = attrs.find("storage");
  if (!storage) return;
  if (storage->str() != "procedural") storage->fail("is not 'procedural'");
  if (!out.can_be_procedural()) storage->fail("needs a rule by sources and one delay");
  out.procedural = true;
}

Attrs read_sparse(const Field& attrs, const ReadContext& context) {
  SparseAttrs out;
  out.n_pre = read_n(attrs, "n_pre", context);
  out.n_post = read_n(attrs, "n_post", context);
  if (attrs.find("rule")) {
    read_rule(attrs, context, out);
  } else {
    read_listed(attrs, context, out);
  }
  read_values(attrs, context, out);
  read_storage(attrs, out);
  if (uncounted(out)) count_distance_rule(attrs, context, out);
  return out;
}

Attrs read_one_to_one(const Field& attrs, const ReadContext& context) {
  OneToOneAttrs out;
  out.n_pre = out.n_post = read_n(attrs, "n", context);
  out.weights = tensor_ref(attrs.at("weights"), context, DType::float32, {1, out.n_pre});
  out.delays = read_delays(attrs, context, {out.n_pre});
  return out;
}

Attrs read_all_to_all(const Field& attrs, const ReadContext& context) {
  AllToAllAttrs out;
  out.n_pre = read_n(attrs, "n_pre", context);
  out.n_post = read_n(attrs, "n_post", context);
  out.weights = tensor_ref(attrs.at("weights"), context, DType::float32, {1});
  if (attrs.find("delays")) attrs.fail("all_to_all has one common delay");
  out.delays = read_delays(attrs, context, {});
  return out;
}

void read_ints(const Field& field, std::int32_t* out, std::size_t count, std::int64_t low,
               std::int64_t high) {
  field.expect_size(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = field.at(i).int32(low, high);
}

std::int32_t volume(const Field& field, const std::int32_t (&shape)[3], std::int64_t limit) {
  const std::int64_t plane = std::int64_t{shape[0]} * shape[1];
  if (plane > limit || plane * shape[2] > limit)
    field.fail(text("has more than ", limit, " elements"));
  return static_cast<std::int32_t>(plane * shape[2]);
}

void check_conv_shape(const Field& attrs, const Conv2dAttrs& out) {
  const auto& kernel = out.weights->shape;
  if (kernel.size() != 4) attrs.at("weights").fail("is not [O, C / groups, kh, kw]");
  if (out.in_shape[0] % out.groups != 0 || out.out_shape[0] % out.groups != 0 ||
      kernel[0] != out.out_shape[0] || kernel[1] != out.in_shape[0] / out.groups || kernel[2] < 1 ||
      kernel[3] < 1 || kernel[2] > INT16_MAX || kernel[3] > INT16_MAX) {
    attrs.at("weights").fail("does not fit the channels and groups");
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t reach = std::int64_t{out.dilation[i]} * (kernel[2 + i] - 1) + 1;
    const std::int64_t room = std::int64_t{out.in_shape[1 + i]} + 2LL * out.padding[i] - reach;
    const std::int64_t wanted = room < 0 ? 0 : room / out.stride[i] + 1;
    if (out.out_shape[1 + i] != wanted) {
      attrs.at("out_shape").fail(text("is ", out.out_shape[1 + i], "; the kernel gives ", wanted));
    }
  }
}

Attrs read_conv2d(const Field& attrs, const ReadContext& context) {
  Conv2dAttrs out;
  const std::int64_t limit = context.limits.elements;
  read_ints(attrs.at("in_shape"), out.in_shape, 3, 1, limit);
  read_ints(attrs.at("out_shape"), out.out_shape, 3, 1, limit);
  read_ints(attrs.at("stride"), out.stride, 2, 1, limit);
  read_ints(attrs.at("padding"), out.padding, 2, 0, limit);
  read_ints(attrs.at("dilation"), out.dilation, 2, 1, limit);
  out.groups = attrs.at("groups").int32(1, limit);
  out.n_pre = volume(attrs.at("in_shape"), out.in_shape, limit);
  out.n_post = volume(attrs.at("out_shape"), out.out_shape, limit);
  out.weights = tensor_ref(attrs.at("weights"), context, DType::float32);
  check_conv_shape(attrs, out);
  out.delays = read_delays(attrs, context, {out.weights->count});
  return out;
}

}  // namespace

std::optional<Attrs> read_synapse_attrs(std::string_view op, const Field& attrs,
                                        const ReadContext& context) {
  if (op == "dense") return read_dense(attrs, context);
  if (op == "sparse") return read_sparse(attrs, context);
  if (op == "one_to_one") return read_one_to_one(attrs, context);
  if (op == "all_to_all") return read_all_to_all(attrs, context);
  if (op == "conv2d") return read_conv2d(attrs, context);
  return std::nullopt;
}

}  // namespace procgraph
