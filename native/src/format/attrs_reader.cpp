#include <algorithm>

#include "format/program_parts.hpp"
#include "format/text.hpp"

namespace procgraph {
namespace {

void check_ports(const Field& node, const Node& partial, std::size_t inputs, std::size_t outputs) {
  if (partial.inputs.size() != inputs || partial.outputs.size() != outputs) {
    node.fail(text("has ", partial.inputs.size(), " inputs and ", partial.outputs.size(),
                   " outputs; its op needs ", inputs, " and ", outputs));
  }
}

void check_port(const Field& node, const std::string& port, PortKind kind, PortKind wanted,
                std::int64_t n, std::int64_t wanted_n) {
  if (kind != wanted) node.fail(text("port '", port, "' has the wrong kind for this op"));
  if (n != wanted_n) node.fail(text("port '", port, "' has ", n, " elements; allowed: ", wanted_n));
}

void check_kernel_values(const Field& node, const NamedTensor& item, std::int32_t n) {
  if (item.dtype != DType::float32 && item.dtype != DType::int32) {
    node.fail(text("'", item.name, "' is ", dtype_name(item.dtype), "; allowed: float32, int32"));
  }
  if (item.values->count != 1 && item.values->count != n) {
    node.fail(text("'", item.name, "' has ", item.values->count, " values; allowed: 1 or ", n));
  }
}

void check_event_driven(const Field& node, const ElementwiseAttrs& attrs, const Node& partial) {
  if (attrs.draws != 0) node.fail("draws random numbers; allowed for an event-driven node: none");
  for (const auto& port : partial.inputs) {
    if (port.kind == PortKind::array) {
      node.fail(text("has the array input '", port.name, "'; allowed if event-driven: none"));
    }
  }
  for (const auto& port : partial.outputs) {
    if (port.kind == PortKind::current) {
      node.fail(text("has the current output '", port.name, "'; allowed if event-driven: none"));
    }
  }
}

Attrs read_elementwise(const Field& node, const Field& attrs, const Node& partial) {
  ElementwiseAttrs out;
  out.kernel = attrs.at("kernel").str();
  out.hash = attrs.at("hash").str();
  out.draws = attrs.at("draws").int32(0, 256);
  const Field execution = attrs.at("execution");
  out.event_driven = execution.str() == "event";
  if (!out.event_driven && execution.str() != "clock") {
    execution.fail(text("is '", execution.str(), "'; allowed: 'clock', 'event'"));
  }
  for (const auto& port : partial.inputs) {
    check_port(node, port.name, port.kind, port.kind, port.n, partial.n);
  }
  for (const auto& port : partial.outputs) {
    check_port(node, port.name, port.kind, port.kind, port.n,
               std::int64_t{partial.n} * port.components);
  }
  if (out.event_driven) check_event_driven(node, out, partial);
  for (const auto& column : partial.columns) check_kernel_values(node, column, partial.n);
  for (const auto& state : partial.states) check_kernel_values(node, state, partial.n);
  return out;
}

Attrs read_event_source(const Field& node, const Field& attrs, const Node& partial,
                        const ReadContext& context) {
  check_ports(node, partial, 0, 1);
  const auto& port = partial.outputs[0];
  check_port(node, port.name, port.kind, PortKind::events, port.n, port.n);
  EventSourceAttrs out;
  out.ticks = tensor_ref(attrs.at("ticks"), context, DType::int64);
  const std::int64_t count = out.ticks->count;
  out.index = tensor_ref(attrs.at("index"), context, DType::int32, {count});
  out.payload = tensor_ref(attrs.at("payload"), context, DType::int32, {count});
  out.cycle = attrs.at("cycle").integer(0, INT64_MAX);
  check_range(attrs.at("index"), *out.index, 0, port.n - 1);
  std::int64_t previous = 0;
  for (const std::int64_t tick : out.ticks->as<std::int64_t>()) {
    if (tick < previous) attrs.at("ticks").fail("is not ascending from 0");
    previous = tick;
  }
  return out;
}

Attrs read_dense_source(const Field& node, const Field& attrs, const Node& partial,
                        const ReadContext& context) {
  check_ports(node, partial, 0, 1);
  const auto& port = partial.outputs[0];
  if (port.kind == PortKind::events) node.fail("a dense source cannot emit events");
  DenseSourceAttrs out;
  const bool current = port.kind == PortKind::current;
  out.values = tensor_ref(attrs.at("values"), context, current ? DType::float32 : port.dtype);
  const auto& shape = out.values->shape;
  if (shape.size() != 2 || shape[0] < 1 || shape[1] != port.n) {
    attrs.at("values").fail(text("has the wrong shape; allowed: [1 or more, ", port.n, "]"));
  }
  out.cycle = attrs.at("cycle").boolean();
  return out;
}

void check_argmax_states(const Field& node, const Node& partial, std::int32_t classes) {
  const auto& states = partial.states;
  const bool fits = states.size() == 2 && states[0].name == "counts" &&
                    states[1].name == "decision" && states[0].dtype == DType::int32 &&
                    states[1].dtype == DType::int32 && states[0].values->count == classes &&
                    states[1].values->count == 1;
  if (!fits) node.fail("its states are not counts (int32 [classes]) and decision (int32 [1])");
}

Attrs read_argmax(const Field& node, const Field& attrs, const Node& partial,
                  const ReadContext& context) {
  check_ports(node, partial, 1, 1);
  ArgmaxAttrs out;
  out.classes = attrs.at("classes").int32(1, context.limits.elements);
  out.window = attrs.at("window").integer(1, INT64_MAX);
  out.idle = attrs.at("idle").int32(-1, INT32_MAX);
  out.initial = attrs.at("initial").int32(INT32_MIN, INT32_MAX);
  const auto& in = partial.inputs[0];
  const auto& port = partial.outputs[0];
  check_port(node, in.name, in.kind, PortKind::events, in.n, out.classes);
  check_port(node, port.name, port.kind, PortKind::array, port.n, 1);
  if (port.dtype != DType::int32) node.fail("an argmax emits an int32 array of one value");
  check_argmax_states(node, partial, out.classes);
  return out;
}

void check_synapse(const Field& node, const Node& partial, const SynapseAttrs& attrs) {
  check_ports(node, partial, 1, 1);
  const auto& in = partial.inputs[0];
  const auto& out = partial.outputs[0];
  check_port(node, in.name, in.kind, PortKind::events, in.n, attrs.n_pre);
  check_port(node, out.name, out.kind, PortKind::current, out.n, attrs.n_post);
}

}  // namespace

const Tensor* tensor_ref(const Field& field, const ReadContext& context,
                         std::optional<DType> dtype) {
  const auto count = static_cast<std::int64_t>(context.tensors.size());
  const Tensor& tensor = context.tensors[static_cast<std::size_t>(field.integer(0, count - 1))];
  if (dtype && tensor.dtype != *dtype) {
    field.fail(text("is ", dtype_name(tensor.dtype), "; allowed: ", dtype_name(*dtype)));
  }
  return &tensor;
}

const Tensor* tensor_ref(const Field& field, const ReadContext& context, DType dtype,
                         std::initializer_list<std::int64_t> counts) {
  const Tensor* tensor = tensor_ref(field, context, dtype);
  std::string allowed;
  for (const std::int64_t count : counts) {
    if (tensor->count == count) return tensor;
    allowed += (allowed.empty() ? "" : " or ") + std::to_string(count);
  }
  field.fail(text("has ", tensor->count, " values; allowed: ", allowed));
}

Extremes extremes(std::span<const std::int32_t> values) {
  Extremes out{values[0], values[0]};
  for (const std::int32_t value : values) {
    out.low = std::min(out.low, value);
    out.high = std::max(out.high, value);
  }
  return out;
}

void check_range(const Field& field, const Tensor& tensor, std::int64_t low, std::int64_t high) {
  const auto values = tensor.as<std::int32_t>();
  if (values.empty()) return;
  const Extremes found = extremes(values);
  if (found.low >= low && found.high <= high) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= low && values[i] <= high) continue;
    field.fail(text("value ", i, " is ", values[i], "; allowed: ", low, " ... ", high));
  }
}

Attrs read_attrs(const Field& node, const Node& partial, const ReadContext& context) {
  const auto op = node.at("op").str();
  const Field attrs = node.at("attrs");
  if (op == "elementwise") return read_elementwise(node, attrs, partial);
  if (op == "plastic") return read_plastic(node, attrs, partial, context);
  if (!partial.columns.empty()) node.fail("only element-wise nodes have columns");
  if (op == "argmax") return read_argmax(node, attrs, partial, context);
  if (op == "host") {
    return HostAttrs{};
  }
  if (!partial.states.empty()) node.fail("this op has no states");
  if (op == "event_source") return read_event_source(node, attrs, partial, context);
  if (op == "dense_source") return read_dense_source(node, attrs, partial, context);
  auto synapse = read_synapse_attrs(op, attrs, context);
  if (!synapse) node.at("op").fail(text("is '", op.substr(0, 32), "', which is unknown"));
  std::visit(
      [&](const auto& a) {
        if constexpr (std::is_base_of_v<SynapseAttrs, std::decay_t<decltype(a)>>) {
          check_synapse(node, partial, a);
        }
      },
      *synapse);
  return *synapse;
}

}  // namespace procgraph
