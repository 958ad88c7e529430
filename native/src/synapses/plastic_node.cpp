#include "synapses/plastic_node.hpp"

#include <algorithm>
#include <cmath>

#include "format/text.hpp"
#include "nodes/parameters.hpp"

namespace procgraph {
namespace {

constexpr std::size_t kChunk = PG_KERNEL_CHUNK;
constexpr double kLargest = 2147483647.0;

/// Nearest integer, ties to even, limited to int32.
std::int32_t quantise(float weight, double factor) {
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  const double x = std::clamp(static_cast<double>(weight) * factor, -kLargest, kLargest);
  return static_cast<std::int32_t>((x + kRound) - kRound);
}

}  // namespace

PlasticNode::PlasticNode(const Node& spec, const BuildContext& context)
    : RuntimeNode(spec, context),
      attrs_(std::get<PlasticAttrs>(spec.attrs)),
      synapses_(attrs_),
      factor_(attrs_.sign * std::ldexp(1.0, spec.outputs[0].scale)) {
  if (context.lanes != 1) {
    throw Error(ErrorKind::argument, "batch",
                text("is ", context.lanes, "; allowed with plastic synapses ('", spec.name,
                     "'), whose weights all lanes would share: 1"));
  }
  states.clear();  // kept by place here, exported by number
  names_.emplace_back("w");
  for (const auto& state : spec.states) names_.push_back(state.name);
  variables_.resize(names_.size());
  for (const auto& trace : attrs_.traces) traces_.push_back({&trace, {}});
  for (const auto& function : attrs_.functions) build_function(function, context);
  const auto rows = static_cast<std::size_t>(attrs_.delays.common) + 1;
  pending_.resize(rows * outputs[0].n());
  for (std::size_t side = 0; side < 2; ++side) {
    payloads_[side].resize(inputs[side].n());
    index_.resize(std::max(index_.size(), inputs[side].n() + 16));
  }
  values_.resize(index_.size());
}

void PlasticNode::build_function(const RuleFunctionSpec& from, const BuildContext& context) {
  Function& f = functions_[from.event];
  f.kernel = context.kernels.find(from.kernel, from.hash);
  for (const auto& column : from.columns) {
    const NamedTensor& values = spec().columns[static_cast<std::size_t>(column)];
    std::int32_t bits = 0;
    std::memcpy(&bits, values.values->data, sizeof bits);
    f.columns.emplace_back(kChunk, bits);
    f.layout.columns.push_back(values.dtype);
  }
  for (const auto& column : f.columns) f.column_pointers.push_back(column.data());
  for (const auto variable : from.states) {
    f.variables.push_back(static_cast<std::size_t>(variable));
    f.layout.states.push_back(DType::float32);
  }
  f.gathered_states.assign(f.variables.size(), std::vector<float>(kChunk));
  f.state_pointers.resize(f.variables.size());
  f.sources = from.inputs;
  f.layout.inputs.assign(f.sources.size(), DType::float32);
  f.gathered_inputs.assign(f.sources.size(), std::vector<float>(kChunk));
  for (const auto& input : f.gathered_inputs) f.input_pointers.push_back(input.data());
  f.scales.assign(f.sources.size(), 1.0f);
}

void PlasticNode::reset() {
  RuntimeNode::reset();
  for (std::size_t v = 0; v < variables_.size(); ++v) {
    const Tensor& initial = v == 0 ? *attrs_.weights : *spec().states[v - 1].values;
    const auto values = initial.as<float>();
    variables_[v].resize(synapses_.size());
    for (std::size_t place = 0; place < synapses_.size(); ++place) {
      variables_[v][place] = values[values.size() == 1 ? 0 : synapses_.number()[place]];
    }
  }
  for (Trace& trace : traces_) {
    const bool pre = trace.spec->side == TraceSpec::Side::pre;
    trace.values.assign(static_cast<std::size_t>(pre ? attrs_.n_pre : attrs_.n_post), 0.0f);
  }
  std::fill(pending_.begin(), pending_.end(), 0U);
}

void PlasticNode::take_events(std::size_t input, std::int64_t step) {
  Input& in = inputs[input];
  in.pull(step);
  in.drain();
  for (const std::int32_t e : events_[input]) payloads_[input][static_cast<std::size_t>(e)] = 0;
  events_[input].clear();
  if (in.clean()) return;
  const auto* sums = reinterpret_cast<const std::int32_t*>(in.sums(0));
  const std::size_t count =
      loops_.compact(sums, in.n(), 0, INT32_MAX, index_.data(), values_.data());
  events_[input].assign(index_.begin(), index_.begin() + static_cast<std::ptrdiff_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    payloads_[input][static_cast<std::size_t>(index_[i])] = values_[i];
  }
  in.clear();
}

void PlasticNode::decay_traces() {
  for (Trace& trace : traces_) {
    const float decay = trace.spec->decay;
    if (decay == 1.0f) continue;
    for (float& value : trace.values) value *= decay;
  }
}

void PlasticNode::absorb(std::int64_t step) {
  take_tick(step);
  take_events(0, step);
  take_events(1, step);
  modulator_ = reinterpret_cast<const float*>(inputs[2].held(step, 0));
  decay_traces();
  const auto on_pre = functions_.find("pre");
  for (const std::int32_t e : events_[0]) {
    const auto source = static_cast<std::size_t>(e);
    transmit(step, source, payloads_[0][source]);
    const auto [begin, end] = synapses_.row(source);
    if (on_pre != functions_.end()) run_places(on_pre->second, begin, end);
  }
  const auto on_post = functions_.find("post");
  if (on_post != functions_.end()) {
    for (const std::int32_t e : events_[1]) {
      run_listed(on_post->second, synapses_.column(static_cast<std::size_t>(e)));
    }
  }
  join(payloads_[0], TraceSpec::Side::pre);
  join(payloads_[1], TraceSpec::Side::post);
  if ((step + 1) % attrs_.epoch == 0) end_epoch();
}

void PlasticNode::transmit(std::int64_t step, std::size_t source, std::int32_t payload) {
  const auto rows = static_cast<std::int64_t>(attrs_.delays.common) + 1;
  const auto row = static_cast<std::size_t>((step + attrs_.delays.common) % rows);
  std::uint32_t* sums = pending_.data() + row * outputs[0].n();
  const auto [begin, end] = synapses_.row(source);
  const float* w = variables_[0].data();
  const std::int32_t* post = synapses_.post();
  const auto p = static_cast<std::uint32_t>(payload);
  for (std::size_t place = begin; place < end; ++place) {
    sums[post[place]] += p * static_cast<std::uint32_t>(quantise(w[place], factor_));
  }
}

void PlasticNode::join(const std::vector<std::int32_t>& payloads, TraceSpec::Side side) {
  const auto& events = events_[side == TraceSpec::Side::pre ? 0 : 1];
  for (Trace& trace : traces_) {
    if (trace.spec->side != side) continue;
    for (const std::int32_t e : events) {
      const auto i = static_cast<std::size_t>(e);
      float& value = trace.values[i];
      value =
          trace.spec->mode == TraceSpec::Mode::add ? value + static_cast<float>(payloads[i]) : 1.0f;
    }
  }
}

void PlasticNode::end_epoch() {
  const auto on_epoch = functions_.find("epoch");
  if (on_epoch != functions_.end()) run_places(on_epoch->second, 0, synapses_.size());
  for (Trace& trace : traces_) {
    if (trace.spec->mode == TraceSpec::Mode::flag)
      std::fill(trace.values.begin(), trace.values.end(), 0.0f);
  }
}

float PlasticNode::input_value(const Function& function, std::size_t input,
                               std::size_t place) const {
  const std::int32_t source = function.sources[input];
  const auto target = static_cast<std::size_t>(synapses_.post()[place]);
  if (source < 0) return modulator_[inputs[2].n() == 1 ? 0 : target];
  const Trace& trace = traces_[static_cast<std::size_t>(source)];
  const bool pre = trace.spec->side == TraceSpec::Side::pre;
  return trace.values[pre ? static_cast<std::size_t>(synapses_.pre()[place]) : target];
}

void PlasticNode::run_places(Function& function, std::size_t begin, std::size_t end) {
  for (std::size_t first = begin; first < end; first += kChunk) {
    const std::size_t n = std::min(kChunk, end - first);
    for (std::size_t i = 0; i < function.sources.size(); ++i) {
      for (std::size_t k = 0; k < n; ++k) {
        function.gathered_inputs[i][k] = input_value(function, i, first + k);
      }
    }
    for (std::size_t s = 0; s < function.variables.size(); ++s) {
      function.state_pointers[s] = variables_[function.variables[s]].data() + first;
    }
    call(function, n);
  }
}

void PlasticNode::run_listed(Function& function, std::span<const std::uint32_t> places) {
  for (std::size_t first = 0; first < places.size(); first += kChunk) {
    const auto chunk = places.subspan(first, std::min(kChunk, places.size() - first));
    for (std::size_t i = 0; i < function.sources.size(); ++i) {
      for (std::size_t k = 0; k < chunk.size(); ++k) {
        function.gathered_inputs[i][k] = input_value(function, i, chunk[k]);
      }
    }
    for (std::size_t s = 0; s < function.variables.size(); ++s) {
      const auto& values = variables_[function.variables[s]];
      auto& gathered = function.gathered_states[s];
      for (std::size_t k = 0; k < chunk.size(); ++k) gathered[k] = values[chunk[k]];
      function.state_pointers[s] = gathered.data();
    }
    call(function, chunk.size());
    for (std::size_t s = 0; s < function.variables.size(); ++s) {
      auto& values = variables_[function.variables[s]];
      for (std::size_t k = 0; k < chunk.size(); ++k)
        values[chunk[k]] = function.gathered_states[s][k];
    }
  }
}

void PlasticNode::call(Function& function, std::size_t n) {
  const pg_kernel_args args{static_cast<std::int64_t>(n),
                            function.column_pointers.data(),
                            function.state_pointers.data(),
                            function.input_pointers.data(),
                            function.scales.data(),
                            nullptr,
                            nullptr};
  if (function.kernel.fn != nullptr) {
    function.kernel.fn(&args);
  } else {
    (*function.kernel.callback)(args, function.layout);
  }
}

void PlasticNode::emit(std::int64_t step) {
  Output& output = outputs[0];
  output.set_silent(step, false);
  const auto rows = static_cast<std::int64_t>(attrs_.delays.common) + 1;
  std::uint32_t* sums = pending_.data() + static_cast<std::size_t>(step % rows) * output.n();
  std::memcpy(output.current(step, 0), sums, output.n() * sizeof *sums);
  std::memset(sums, 0, output.n() * sizeof *sums);
}

std::unique_ptr<RuntimeNode> make_plastic(const Node& spec, const BuildContext& context) {
  return std::make_unique<PlasticNode>(spec, context);
}

}  // namespace procgraph
