#include <set>

#include "format/program_parts.hpp"
#include "format/text.hpp"

namespace procgraph {
namespace {

TraceSpec read_trace(const Field& field) {
  TraceSpec out;
  out.name = field.at("name").str();
  const auto side = field.at("side").str();
  if (side != "pre" && side != "post") field.at("side").fail("is no side; allowed: pre, post");
  out.side = side == "pre" ? TraceSpec::Side::pre : TraceSpec::Side::post;
  const auto mode = field.at("mode").str();
  if (mode == "set") out.mode = TraceSpec::Mode::set;
  if (mode == "flag") out.mode = TraceSpec::Mode::flag;
  if (mode != "add" && mode != "set" && mode != "flag") {
    field.at("mode").fail("is no mode; allowed: add, set, flag");
  }
  const double decay = field.at("decay").real();
  if (!(decay >= 0 && decay <= 1)) field.at("decay").fail("is not from 0 to 1");
  out.decay = static_cast<float>(decay);
  return out;
}

/// Numbers of the listed names among `known`.
std::vector<std::int32_t> numbers(const Field& list, const std::vector<std::string>& known) {
  std::vector<std::int32_t> out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto name = list.at(i).str();
    std::size_t k = 0;
    while (k < known.size() && known[k] != name) ++k;
    if (k == known.size()) list.at(i).fail("is unknown");
    out.push_back(static_cast<std::int32_t>(k));
  }
  return out;
}

struct Names {
  std::vector<std::string> columns;
  std::vector<std::string> variables{"w"};
  std::vector<std::string> inputs;  // traces, then the modulator
};

RuleFunctionSpec read_function(const Field& field, const Names& names) {
  RuleFunctionSpec out;
  out.event = field.at("event").str();
  if (out.event != "pre" && out.event != "post" && out.event != "epoch") {
    field.at("event").fail("is no event; allowed: pre, post, epoch");
  }
  out.kernel = field.at("kernel").str();
  out.hash = field.at("hash").str();
  out.columns = numbers(field.at("columns"), names.columns);
  out.states = numbers(field.at("states"), names.variables);
  const std::set<std::int32_t> distinct(out.states.begin(), out.states.end());
  if (distinct.size() != out.states.size()) field.at("states").fail("names a variable twice");
  out.inputs = numbers(field.at("inputs"), names.inputs);
  const auto modulator = static_cast<std::int32_t>(names.inputs.size()) - 1;
  for (auto& input : out.inputs) input = input == modulator ? -1 : input;
  return out;
}

void read_pattern(const Field& attrs, const ReadContext& context, PlasticAttrs& out) {
  const auto pattern = read_synapse_attrs(attrs.at("pattern").str(), attrs, context);
  if (pattern && std::holds_alternative<DenseAttrs>(*pattern)) {
    out.pattern = std::get<DenseAttrs>(*pattern);
    out.synapses = std::get<DenseAttrs>(*pattern).weights->count;
  } else if (pattern && std::holds_alternative<SparseAttrs>(*pattern)) {
    out.pattern = std::get<SparseAttrs>(*pattern);
    out.synapses = std::get<SparseAttrs>(*pattern).synapses;
  } else if (pattern && std::holds_alternative<OneToOneAttrs>(*pattern)) {
    out.pattern = std::get<OneToOneAttrs>(*pattern);
    out.synapses = std::get<OneToOneAttrs>(*pattern).n_pre;
  } else {
    attrs.at("pattern").fail("cannot be plastic; allowed: dense, sparse, one_to_one");
  }
  std::visit([&](const auto& p) { static_cast<SynapseAttrs&>(out) = p; }, out.pattern);
}

void check_node(const Field& node, const Node& partial, const PlasticAttrs& out) {
  const auto port = [&](const InputPort& p, PortKind kind, std::int32_t n) {
    if (p.kind != kind || p.n != n) node.fail(text("input '", p.name, "' does not fit this op"));
  };
  if (partial.inputs.size() != 3 || partial.outputs.size() != 1) {
    node.fail("a plastic node has three inputs and one output");
  }
  port(partial.inputs[0], PortKind::events, out.n_pre);
  port(partial.inputs[1], PortKind::events, out.n_post);
  port(partial.inputs[2], PortKind::array, partial.inputs[2].n == 1 ? 1 : out.n_post);
  if (partial.inputs[2].dtype != DType::float32) node.fail("the modulator is not float32");
  const auto& a_out = partial.outputs[0];
  if (a_out.kind != PortKind::current || a_out.n != out.n_post) {
    node.fail("output 'a_out' does not fit this op");
  }
  if (partial.period != 1) node.fail("a plastic node has a period of 1");
  for (const auto& column : partial.columns) {
    const bool known = column.dtype == DType::float32 || column.dtype == DType::int32;
    if (!known || column.values->count != 1)
      node.fail(text("column '", column.name, "' is not one value"));
  }
  for (const auto& state : partial.states) {
    const std::int64_t count = state.values->count;
    if (state.dtype != DType::float32 || (count != 1 && count != out.synapses)) {
      node.fail(text("variable '", state.name, "' has ", count, " values; allowed: 1 or ",
                     out.synapses, " of float32"));
    }
  }
}

}  // namespace

Attrs read_plastic(const Field& node, const Field& attrs, const Node& partial,
                   const ReadContext& context) {
  PlasticAttrs out;
  read_pattern(attrs, context, out);
  check_node(node, partial, out);
  const auto sign = attrs.at("sign").integer(-1, 1);
  if (sign == 0) attrs.at("sign").fail("is 0; allowed: 1, -1");
  out.sign = static_cast<int>(sign);
  out.epoch = attrs.at("epoch").integer(1, INT32_MAX);
  const auto joined = attrs.find("joined");
  out.joined = joined && joined->boolean();
  const auto dendritic = attrs.find("dendritic");
  out.dendritic = dendritic && dendritic->boolean();
  if (out.dendritic && out.delays.largest > PlasticAttrs::kMostDendritic) {
    attrs.fail(text("has delays up to ", out.delays.largest,
                    "; allowed for dendritic ones: ", PlasticAttrs::kMostDendritic));
  }
  Names names;
  for (const auto& column : partial.columns) names.columns.push_back(column.name);
  for (const auto& state : partial.states) names.variables.push_back(state.name);
  const Field traces = attrs.at("traces");
  for (std::size_t i = 0; i < traces.size(); ++i) {
    out.traces.push_back(read_trace(traces.at(i)));
    names.inputs.push_back(out.traces.back().name);
  }
  names.inputs.emplace_back("m");
  const Field functions = attrs.at("functions");
  for (std::size_t i = 0; i < functions.size(); ++i) {
    out.functions.push_back(read_function(functions.at(i), names));
  }
  return out;
}

}  // namespace procgraph
