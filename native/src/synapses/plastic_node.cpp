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
      synapses_(attrs_, loops_),
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
    const bool drawn = v == 0 && !synapses_.drawn().empty();
    const auto values = drawn ? std::span<const float>(synapses_.drawn()) : initial.as<float>();
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
    for (float& value : trace.values) {
      const float next = value * decay;
      value = std::fabs(next) < 0x1p-126F ? 0.0F : next;
    }
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
      run_column(on_post->second, static_cast<std::size_t>(e));
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
  const auto p = static_cast<std::uint32_t>(payload);
  std::int32_t quantised[kChunk];
  for (std::size_t first = begin; first < end; first += kChunk) {
    const std::size_t n = std::min(kChunk, end - first);
    const float* w = variables_[0].data() + first;
    const std::int32_t* post = synapses_.post() + first;
    for (std::size_t k = 0; k < n; ++k) quantised[k] = quantise(w[k], factor_);
    for (std::size_t k = 0; k < n; ++k) {
      sums[post[k]] += p * static_cast<std::uint32_t>(quantised[k]);
    }
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

/// Values of one input for a chunk; `pre` and `post` give the source and target of entry k.
template <class Element>
void PlasticNode::gather_input(Function& function, std::size_t input, std::size_t n, Element pre,
                               Element post) {
  float* to = function.gathered_inputs[input].data();
  const std::int32_t source = function.sources[input];
  if (source < 0 && inputs[2].n() == 1) {
    std::fill_n(to, n, modulator_[0]);
    return;
  }
  const bool by_source =
      source >= 0 && traces_[static_cast<std::size_t>(source)].spec->side == TraceSpec::Side::pre;
  const float* from =
      source < 0 ? modulator_ : traces_[static_cast<std::size_t>(source)].values.data();
  const Element& element = by_source ? pre : post;
  for (std::size_t k = 0; k < n; ++k) to[k] = from[element(k)];
}

void PlasticNode::run_places(Function& function, std::size_t begin, std::size_t end) {
  struct Direct {
    const std::int32_t* elements;
    std::int32_t operator()(std::size_t k) const { return elements[k]; }
  };
  for (std::size_t first = begin; first < end; first += kChunk) {
    const std::size_t n = std::min(kChunk, end - first);
    for (std::size_t i = 0; i < function.sources.size(); ++i) {
      gather_input(function, i, n, Direct{synapses_.pre() + first},
                   Direct{synapses_.post() + first});
    }
    for (std::size_t s = 0; s < function.variables.size(); ++s) {
      function.state_pointers[s] = variables_[function.variables[s]].data() + first;
    }
    call(function, n);
  }
}

void PlasticNode::run_column(Function& function, std::size_t target) {
  struct Common {
    std::int32_t element;
    const std::int32_t* elements;
    std::int32_t operator()(std::size_t k) const { return elements ? elements[k] : element; }
  };
  const auto places = synapses_.column(target);
  const auto sources = synapses_.column_sources(target);
  for (std::size_t first = 0; first < places.size(); first += kChunk) {
    const auto chunk = places.subspan(first, std::min(kChunk, places.size() - first));
    prefetch_next(function, places, first + kChunk);
    for (std::size_t i = 0; i < function.sources.size(); ++i) {
      gather_input(function, i, chunk.size(), Common{0, sources.data() + first},
                   Common{static_cast<std::int32_t>(target), nullptr});
    }
    for (std::size_t s = 0; s < function.variables.size(); ++s) {
      const float* values = variables_[function.variables[s]].data();
      float* gathered = function.gathered_states[s].data();
      for (std::size_t k = 0; k < chunk.size(); ++k) gathered[k] = values[chunk[k]];
      function.state_pointers[s] = gathered;
    }
    call(function, chunk.size());
    for (std::size_t s = 0; s < function.variables.size(); ++s) {
      float* values = variables_[function.variables[s]].data();
      const float* gathered = function.gathered_states[s].data();
      for (std::size_t k = 0; k < chunk.size(); ++k) values[chunk[k]] = gathered[k];
    }
  }
}

/// A column's variables lie one cache line apart: ask for the next chunk's while this one computes.
void PlasticNode::prefetch_next(const Function& function, std::span<const std::uint32_t> places,
                                std::size_t first) const {
#if defined(__GNUC__) || defined(__clang__)
  const std::size_t end = std::min(first + kChunk, places.size());
  for (const std::size_t variable : function.variables) {
    const float* values = variables_[variable].data();
    for (std::size_t k = first; k < end; ++k) __builtin_prefetch(values + places[k], 1);
  }
#else
  static_cast<void>(function);
  static_cast<void>(places);
  static_cast<void>(first);
#endif
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
