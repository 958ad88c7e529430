#include "synapses/synapse_node.hpp"

#include <algorithm>
#include <cmath>

#include "engine/channel.hpp"
#include "format/text.hpp"
#include "nodes/parameters.hpp"
#include "random/rules.hpp"
#include "sparse/tables.hpp"
#include "synapses/quantise.hpp"
#include "synapses/values.hpp"

namespace procgraph {
namespace {

std::unique_ptr<Projection> make_projection(const Node& spec, const HotLoops& loops,
                                            bool procedural) {
  if (const auto* dense = std::get_if<DenseAttrs>(&spec.attrs)) return make_dense(*dense, loops);
  if (const auto* sparse = std::get_if<SparseAttrs>(&spec.attrs))
    return procedural ? make_procedural(*sparse, loops) : make_sparse(*sparse, loops);
  if (const auto* one = std::get_if<OneToOneAttrs>(&spec.attrs)) return make_one_to_one(*one);
  if (const auto* all = std::get_if<AllToAllAttrs>(&spec.attrs))
    return make_all_to_all(*all, loops);
  return make_conv2d(std::get<Conv2dAttrs>(spec.attrs));
}

}  // namespace

SynapseNode::SynapseNode(const Node& spec, const BuildContext& context)
    : RuntimeNode(spec, context), attrs_(*spec.synapse()) {
  const auto* sparse = std::get_if<SparseAttrs>(&spec.attrs);
  const bool drawn = sparse != nullptr && sparse->weight_table != nullptr;
  check_finite((drawn ? sparse->weight_table : attrs_.weights)->as<float>());
  if (sparse == nullptr) return;
  check_rule_size(*sparse);
  procedural_ = sparse->procedural;
}

void SynapseNode::check_finite(std::span<const float> weights) const {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (std::isfinite(weights[i])) continue;
    throw Error(ErrorKind::format, text("node '", spec().name, "'"),
                text("weight ", i, " is ", weights[i], "; allowed: finite numbers"));
  }
}

void SynapseNode::finish_build() {
  RuntimeNode::finish_build();
  update_fusion();
}

void SynapseNode::join_tables(SparseTables& tables) {
  tables_ = &tables;
  if (!merged_) build_projection();
}

void SynapseNode::build_projection() {
  projection_ = make_projection(spec(), loops_, procedural_);
  history_ = EventRing(attrs_.delays.largest + 1, static_cast<std::int32_t>(lanes()));
  const auto* sparse = std::get_if<SparseAttrs>(&spec().attrs);
  const bool draws = sparse != nullptr && sparse->weight_table != nullptr && written_.empty();
  if (!draws || !projection_->set_weight_table(quantised(sparse->weight_table->as<float>()))) {
    std::vector<float> drawn;
    projection_->set_weights(quantised(current_weights(drawn)));
  }
  const std::size_t n = inputs[0].n();
  index_ = Buffer<std::int32_t>(n + 16);
  payload_ = Buffer<std::int32_t>(n + 16);
}

bool SynapseNode::mergeable() const {
  if (!std::holds_alternative<SparseAttrs>(spec().attrs) || fused_ == nullptr) return false;
  if (procedural_) return false;
  const auto& channels = inputs[0].channels;
  // Tables deliver at the begin of a step, what is emitted later in it would come too late.
  return spec().period == 1 && channels.size() == 1 && !channels[0]->mapped() &&
         !channels[0]->bounded() && attrs_.delays.smallest + channels[0]->spec().delay >= 1;
}

void SynapseNode::work_alone() {
  if (merged_) tables_->release(*this, next_tick());
  update_fusion();
}

Output& SynapseNode::source() const {
  return inputs[0].channels[0]->source();
}

void SynapseNode::take_history(std::int64_t step) {
  build_projection();
  const std::int32_t delay = inputs[0].channels[0]->spec().delay;
  note_events(step);
  for (std::int32_t age = 1; age <= attrs_.delays.largest; ++age) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      history_.at(step - age, lane).append(source().events.at(step - age - delay, lane));
    }
  }
}

RuntimeNode::History SynapseNode::history() {
  if (!merged_) return {&history_, 0, false};
  return {&source().events, inputs[0].channels[0]->spec().delay, true};
}

void SynapseNode::update_fusion() {
  const auto& channels = outputs[0].channels;
  for (Channel* channel : channels) channel->fused = false;
  fused_ = nullptr;
  if (channels.size() != 1 || outputs[0].recorders > 0) return;
  Channel& only = *channels[0];
  if (only.spec().delay != 0 || only.mapped() || outputs[0].port().depth != 1) return;
  only.fused = true;
  fused_ = &only;
}

void SynapseNode::reset() {
  RuntimeNode::reset();
  history_.clear_all();
  stored_step_ = -1;
}

void SynapseNode::seek(std::int64_t step, std::uint64_t seed) {
  RuntimeNode::seek(step, seed);
  stored_step_ = step - 1;
  note_events(step);  // what a checkpoint puts into the history is not looked at
}

bool SynapseNode::passes_dense() const {
  return fused_ != nullptr && projection_ != nullptr && !projection_->diagonal().empty() &&
         spec().period == 1 && inputs[0].channels.size() == 1;
}

Input* SynapseNode::passes_into() const {
  return &fused_->target();
}

void SynapseNode::pass_dense(DenseRows* rows, std::int32_t delay) {
  rows_ = rows;
  rows_delay_ = delay;
}

void SynapseNode::list_dense(std::int64_t last) {
  note_events(last);
  for (std::int32_t age = 0; age <= attrs_.delays.common; ++age) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      EventList& events = history_.at(last - age, lane);
      if (rows_->draw() == nullptr) {
        rows_->list(last - age - rows_delay_, lane, events);
      } else {
        source().list_dense(last);
        events.clear();
        events.append(source().events.at(last, lane));
      }
    }
  }
}

void SynapseNode::absorb(std::int64_t step) {
  const bool ticks = take_tick(step);
  history_.clear(step);
  Input& input = inputs[0];
  if (const Channel* only = input.plain_events()) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      const EventList& events = only->source().events.at(step - only->spec().delay, lane);
      if (events.size() == 0) continue;
      history_.at(step, lane).append(events);
      note_events(step);
    }
    return;
  }
  input.pull(step);
  if (!ticks) return;
  input.drain();
  if (input.clean()) return;
  collect(step);
  note_events(step);
  input.clear();
}

void SynapseNode::collect(std::int64_t step) {
  Input& input = inputs[0];
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    const auto* sums = reinterpret_cast<const std::int32_t*>(input.sums(lane));
    const std::size_t count =
        loops_.compact(sums, input.n(), 0, INT32_MAX, index_.data(), payload_.data());
    history_.at(step, lane).append(index_.data(), payload_.data(), count);
  }
}

void SynapseNode::emit(std::int64_t step) {
  if (step - last_events_.load(std::memory_order_relaxed) > attrs_.delays.largest) {
    if (fused_ == nullptr) outputs[0].set_silent(step, true);
    return;
  }
  if (fused_ == nullptr) {
    emit_to_ring(step);
    return;
  }
  const auto& delays = projection_->delays();
  for (std::size_t d = 0; d < delays.size(); ++d) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      const EventList& due = history_.at(step - delays[d], lane);
      if (due.size() == 0) continue;
      Input& target = fused_->target();
      projection_->deliver(due, d, target.sums(lane));
      const std::span<LineMask> lines = target.marks(lane);
      if (!lines.empty()) projection_->mark(due, d, lines);
    }
  }
}

const Input* SynapseNode::emit_target() const {
  return fused_ == nullptr ? nullptr : &fused_->target();
}

/// Supposes that one source in fifty is active.
double SynapseNode::cost(Action action) const {
  if (action == Action::absorb) return kSmallCost;
  const double n_post = attrs_.n_post;
  if (const auto* sparse = std::get_if<SparseAttrs>(&spec().attrs)) {
    return kSmallCost + 0.02 * static_cast<double>(sparse->synapses);
  }
  if (std::holds_alternative<OneToOneAttrs>(spec().attrs)) return kSmallCost + 0.02 * n_post;
  if (std::holds_alternative<AllToAllAttrs>(spec().attrs)) return kSmallCost + 0.05 * n_post;
  if (std::holds_alternative<DenseAttrs>(spec().attrs)) {
    return kSmallCost + 0.02 * 0.06 * attrs_.n_pre * n_post;
  }
  return kSmallCost + 0.02 * attrs_.n_pre * static_cast<double>(attrs_.weights->count);
}

void SynapseNode::emit_to_ring(std::int64_t step) {
  Output& output = outputs[0];
  output.set_silent(step, true);
  const auto& delays = projection_->delays();
  for (std::size_t d = 0; d < delays.size(); ++d) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      const EventList& due = history_.at(step - delays[d], lane);
      if (due.size() == 0) continue;
      if (output.silent(step)) {
        output.clear_current(step);
        output.set_silent(step, false);
      }
      projection_->deliver(due, d, reinterpret_cast<std::uint32_t*>(output.current(step, lane)));
    }
  }
}

void SynapseNode::materialise(std::int64_t step) {
  if (rows_ != nullptr) list_dense(step);
  if (fused_ == nullptr || stored_step_ == step) return;
  if (merged_) {
    emit_merged(step);
  } else {
    emit_to_ring(step);
  }
  stored_step_ = step;
}

std::int64_t SynapseNode::weight_count() const {
  const auto* sparse = std::get_if<SparseAttrs>(&spec().attrs);
  const bool drawn = sparse != nullptr && sparse->weight_table != nullptr;
  return drawn ? sparse->synapses : attrs_.weights->count;
}

std::span<const float> SynapseNode::current_weights(std::vector<float>& drawn) const {
  if (!written_.empty()) return written_;
  const auto* sparse = std::get_if<SparseAttrs>(&spec().attrs);
  if (sparse == nullptr || sparse->weight_table == nullptr) return attrs_.weights->as<float>();
  const SynapseValues values(*sparse);
  drawn.reserve(static_cast<std::size_t>(sparse->synapses));
  for_each_synapse(*sparse, loops_, {}, [&](const SynapseRun& run) {
    for (std::size_t i = 0; i < run.pre.size(); ++i) drawn.push_back(values.weight(run, i));
  });
  return drawn;
}

std::vector<std::int32_t> SynapseNode::quantised(std::span<const float> weights) const {
  std::vector<std::int32_t> out(weights.size());
  std::transform(weights.begin(), weights.end(), out.begin(), Quantiser(outputs[0].port().scale));
  return out;
}

void SynapseNode::check_bound(std::span<const float> weights) const {
  const Projection::Load own = load_of(weights);
  for (const Channel* channel : outputs[0].channels) {
    const Input& target = channel->target();
    Projection::Load total{std::vector<double>(target.n()), std::vector<double>(target.n())};
    for (const Channel* other : target.channels) add_load(total, *other, own);
    const auto period = static_cast<double>(target.owner->spec().period);
    for (std::size_t i = 0; i < target.n(); ++i) {
      const double sum = std::ldexp(total.weight[i] * period, target.port().scale);
      if (sum + total.synapses[i] * period / 2 <= 2147483647.0) continue;
      throw Error(
          ErrorKind::argument, text("node '", spec().name, "'"),
          text("these weights could add up to ", total.weight[i] * period, " in element ", i,
               " of '", target.owner->spec().name, ".", target.port().name, "'; its scale ",
               target.port().scale, " allows ", std::ldexp(2147483647.0, -target.port().scale),
               "; compile the graph with the larger weights"));
    }
  }
}

void SynapseNode::add_load(Projection::Load& total, const Channel& channel,
                           const Projection::Load& own) const {
  const Output& source = channel.source();
  const auto* synapse = dynamic_cast<const SynapseNode*>(source.owner);
  const Projection::Load* load = synapse == this ? &own : synapse ? &synapse->load() : nullptr;
  const auto add = [&](std::size_t from, std::size_t to) {
    total.weight[to] += load ? load->weight[from] : static_cast<double>(source.port().bound);
    total.synapses[to] += load ? load->synapses[from] : 1.0;
  };
  if (!channel.mapped()) {
    for (std::size_t i = 0; i < source.n(); ++i) add(i, i);
    return;
  }
  const auto src = channel.spec().map_src->as<std::int32_t>();
  const auto dst = channel.spec().map_dst->as<std::int32_t>();
  for (std::size_t m = 0; m < src.size(); ++m) {
    add(static_cast<std::size_t>(src[m]), static_cast<std::size_t>(dst[m]));
  }
}

const Projection::Load& SynapseNode::load() const {
  if (load_) return *load_;
  std::vector<float> drawn;
  load_ = load_of(written_.empty() && merged_ ? std::span<const float>() : current_weights(drawn));
  return *load_;
}

/// Without weights: those of the Program.
Projection::Load SynapseNode::load_of(std::span<const float> weights) const {
  const auto* sparse = std::get_if<SparseAttrs>(&spec().attrs);
  Projection::Load load =
      sparse != nullptr ? sparse_load(*sparse, loops_, weights) : projection_->load(weights);
  const auto limit = static_cast<double>(inputs[0].port().limit);
  for (double& w : load.weight) w *= limit;
  for (double& s : load.synapses) s *= limit;
  return load;
}

Array SynapseNode::read_parameter(std::string_view section, std::string_view name) const {
  if (section != "weights") no_parameter(section, name);
  std::vector<float> drawn;
  const auto weights = current_weights(drawn);
  Array out(DType::float32, drawn.empty() && weight_count() == attrs_.weights->count
                                ? attrs_.weights->shape
                                : std::vector<std::int64_t>{weight_count()});
  if (!weights.empty()) std::memcpy(out.data.get(), weights.data(), weights.size_bytes());
  return out;
}

void SynapseNode::write_parameter(std::string_view section, std::string_view name,
                                  const ArrayView& values) {
  if (section != "weights") no_parameter(section, name);
  check_values(spec().name, section, values, DType::float32, {weight_count()});
  const auto* data = static_cast<const float*>(values.data);
  const std::span<const float> weights(data, static_cast<std::size_t>(values.count()));
  check_bound(weights);
  std::vector<float> written(weights.begin(), weights.end());
  const std::vector<std::int32_t> own = quantised(weights);
  if (merged_) tables_->release(*this, next_tick());
  projection_->set_weights(own);
  written_ = std::move(written);
  load_.reset();
}

std::vector<std::pair<std::string, std::string>> SynapseNode::written_parameters() const {
  if (written_.empty()) return {};
  return {{"weights", ""}};
}

std::unique_ptr<RuntimeNode> make_synapse(const Node& spec, const BuildContext& context) {
  return std::make_unique<SynapseNode>(spec, context);
}

}  // namespace procgraph
