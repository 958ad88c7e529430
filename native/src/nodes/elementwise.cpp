#include <algorithm>
#include <cmath>

#include "engine/channel.hpp"
#include "engine/grain.hpp"
#include "kernels/count_table.hpp"
#include "nodes/elementwise_part.hpp"
#include "nodes/overrides.hpp"

namespace procgraph {
namespace {

class Elementwise final : public RuntimeNode, private Draw {
 public:
  Elementwise(const Node& spec, const BuildContext& context)
      : RuntimeNode(spec, context),
        attrs_(std::get<ElementwiseAttrs>(spec.attrs)),
        core_{.n = static_cast<std::size_t>(spec.n),
              .inputs = inputs,
              .outputs = outputs,
              .states = states,
              .loops = loops_,
              .kernel = context.kernels.find(attrs_.kernel, attrs_.hash),
              .layout = {},
              .key = {},
              .columns = Columns(spec),
              .components = {},
              .input_scales = {},
              .thresholds = {},
              .counting = {}} {
    find_thresholds();
    build_components();
    build_layout();
    for (const auto& port : spec.inputs) {
      core_.input_scales.push_back(port.kind == PortKind::current ? std::ldexp(1.0f, -port.scale)
                                                                  : 1.0f);
    }
  }

  void finish_build() override {
    RuntimeNode::finish_build();
    for (const Input& input : inputs) {
      for (const Channel* channel : input.channels) has_prologue_ |= !channel->divisible();
    }
  }

  void seek(std::int64_t step, std::uint64_t seed) override {
    RuntimeNode::seek(step, seed);
    core_.key = node_key(seed, spec().name);
  }

  void divide(int threads, const Cuts* cuts) override {
    parts_.clear();
    threads_.clear();
    if (cuts != nullptr && divide_as_delivered(*cuts)) return;
    const std::size_t chunks = (core_.n + kChunk - 1) / kChunk;  // of a lane
    const std::size_t most =
        caller_only() ? 1 : std::min(lanes() * chunks, lanes() * core_.n / grain().elements);
    const std::size_t count = std::clamp<std::size_t>(most, 1, static_cast<std::size_t>(threads));
    for (std::size_t p = 0; p < count; ++p) {
      const std::size_t all = lanes() * chunks;
      parts_.push_back(std::make_unique<ElementwisePart>(
          core_, spans(chunks, all * p / count, all * (p + 1) / count)));
    }
  }

  int parts(Action) const override { return static_cast<int>(parts_.size()); }
  int thread_of(Action, int part) const override {
    return threads_.empty() ? -1 : threads_[static_cast<std::size_t>(part)];
  }
  bool has_prologue() const override { return has_prologue_; }
  /// The one who takes the payloads draws them.
  bool idle(Action) const override {
    return outputs.size() == 1 && outputs[0].dense && outputs[0].dense->draw() != nullptr;
  }
  bool caller_only() const override { return core_.kernel.fn == nullptr; }

  double cost(Action) const override {
    const double values =
        0.04 * static_cast<double>(core_.columns.all().size() + 2 * inputs.size()) +
        0.08 * static_cast<double>(states.size() + core_.components.size()) + 0.25 * attrs_.draws;
    return kSmallCost + values * static_cast<double>(lanes() * core_.n);
  }

  void tick(std::int64_t step) override {
    if (has_prologue_) prologue(step);
    for (auto& part : parts_) part->run(step, step == next_tick());
    epilogue(Action::tick, step);
  }

  void prologue(std::int64_t step) override {
    for (Input& input : inputs) {
      input.pull_indivisible(step);
      if (step == next_tick()) input.drain();
      if (input.port().kind == PortKind::array) input.gather(step);
    }
  }

  void run_part(Action, std::int64_t step, int part) override {
    parts_[static_cast<std::size_t>(part)]->run(step, step == next_tick());
  }

  void epilogue(Action, std::int64_t step) override {
    const bool ticks = take_tick(step);
    if (ticks) {
      for (Input& input : inputs) input.mark_clean();
    } else {
      for (std::size_t i = 0; i < inputs.size(); ++i) note_touched(i);
    }
    for (std::size_t o = 0; o < outputs.size(); ++o) close_output(o, step, ticks);
    for (const auto& part : parts_) part->credit_draws();
  }

  const Draw* draw() const override { return core_.thresholds.empty() ? nullptr : this; }

  void materialise(std::int64_t step) override {
    for (Output& output : outputs) {
      if (output.dense) output.list_dense(step);
    }
  }

  Array read_parameter(std::string_view section, std::string_view name) const override {
    const ColumnValues* column = core_.columns.find(section, name);
    if (column == nullptr) no_parameter(section, name);
    return core_.columns.read(*column);
  }

  void write_parameter(std::string_view section, std::string_view name,
                       const ArrayView& values) override {
    const ColumnValues* column = core_.columns.find(section, name);
    if (column == nullptr) no_parameter(section, name);
    core_.columns.write(*column, values);
    find_thresholds();
  }

  std::vector<std::pair<std::string, std::string>> written_parameters() const override {
    return core_.columns.written();
  }

 private:
  void find_thresholds() {
    core_.thresholds = useful_thresholds(attrs_, core_.columns.all());
    if (!core_.thresholds.empty()) core_.counting = make_count_table(core_.thresholds);
  }

  std::size_t payloads(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n,
                       std::int32_t* out) const override {
    const std::size_t count = core_.loops.draw_counts(
        core_.key.low, core_.key.high, static_cast<std::uint32_t>(begin / 4), step,
        static_cast<std::uint32_t>(lane * 256), n, core_.counting, out);
    const auto limit = static_cast<std::int32_t>(outputs[0].port().limit);
    if (core_.thresholds.size() > static_cast<std::size_t>(limit)) {
      core_.loops.clamp_count(out, n, limit);
    }
    return count;
  }

  void build_components() {
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      const OutputPort& port = outputs[o].port();
      first_component_.push_back(core_.components.size());
      for (std::int32_t c = 0; c < port.components; ++c) {
        core_.components.push_back({o, c * spec().n, std::ldexp(1.0f, port.scale)});
      }
    }
    first_component_.push_back(core_.components.size());
  }

  void build_layout() {
    KernelLayout& layout = core_.layout;
    for (const auto& column : spec().columns) layout.columns.push_back(column.dtype);
    for (const auto& state : spec().states) layout.states.push_back(state.dtype);
    for (const auto& port : spec().inputs) layout.inputs.push_back(port.dtype);
    for (const auto& component : core_.components) {
      const OutputPort& port = outputs[component.output].port();
      layout.outputs.push_back(port.kind == PortKind::current ? DType::float32 : port.dtype);
    }
    layout.draws = attrs_.draws;
    check_layout(core_.kernel, spec().name, layout);
  }

  /// One part for each range of the arena that the sums of the only such input lie in.
  bool divide_as_delivered(const Cuts& cuts) {
    const auto delivered = [](const Input& input) { return input.delivered(); };
    if (has_prologue_ || caller_only()) return false;
    if (std::count_if(inputs.begin(), inputs.end(), delivered) != 1) return false;
    const std::uint64_t first = std::find_if(inputs.begin(), inputs.end(), delivered)->offset();
    for (std::size_t p = 0; p + 1 < cuts.size(); ++p) {
      const std::uint64_t begin = std::clamp<std::uint64_t>(cuts[p], first, first + core_.n);
      const std::uint64_t end = std::clamp<std::uint64_t>(cuts[p + 1], first, first + core_.n);
      if (begin == end) continue;
      std::vector<ElementwisePart::Span> spans;
      for (std::size_t lane = 0; lane < lanes(); ++lane) {
        spans.push_back({lane, begin - first, end - first});
      }
      parts_.push_back(std::make_unique<ElementwisePart>(core_, std::move(spans)));
      threads_.push_back(static_cast<int>(p));
    }
    return true;
  }

  /// The ranges of elements in chunks [begin, end), counted through all lanes.
  std::vector<ElementwisePart::Span> spans(std::size_t chunks, std::size_t begin,
                                           std::size_t end) const {
    std::vector<ElementwisePart::Span> found;
    while (begin < end) {
      const std::size_t lane = begin / chunks;
      const std::size_t stop = std::min(end, (lane + 1) * chunks);
      found.push_back({lane, (begin - lane * chunks) * kChunk,
                       std::min(core_.n, (stop - lane * chunks) * kChunk)});
      begin = stop;
    }
    return found;
  }

  void note_touched(std::size_t input) {
    for (const auto& part : parts_) {
      if (part->touched(input)) inputs[input].mark_dirty();
    }
  }

  void close_output(std::size_t number, std::int64_t step, bool ticks) {
    Output& output = outputs[number];
    if (output.port().kind == PortKind::array) return;
    const std::size_t first = first_component_[number];
    const std::size_t last = first_component_[number + 1];
    if (output.port().kind == PortKind::current) {
      output.set_silent(step, true);
      for (const auto& part : parts_) {
        if (part->any(first)) output.set_silent(step, false);
      }
    } else if (output.dense) {
      for (std::size_t c = first; c < last; ++c) {
        for (const auto& part : parts_) output.emitted += part->dense_events(c);
      }
    } else if (ticks) {
      if (parts_.size() > 1 || last - first > 1) {
        for (std::size_t c = first; c < last; ++c) {
          for (auto& part : parts_) part->collect(c, step);
        }
      }
      output.count(step);
    }
  }

  const ElementwiseAttrs& attrs_;
  ElementwiseCore core_;
  bool has_prologue_ = false;
  std::vector<std::size_t> first_component_;  // of each output, and the end
  std::vector<std::unique_ptr<ElementwisePart>> parts_;
  std::vector<int> threads_;  // of each part, where deliveries go before
};

}  // namespace

std::unique_ptr<RuntimeNode> make_elementwise(const Node& spec, const BuildContext& context) {
  return std::make_unique<Elementwise>(spec, context);
}

}  // namespace procgraph
