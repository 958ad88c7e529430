#include <algorithm>
#include <cmath>

#include "engine/channel.hpp"
#include "engine/grain.hpp"
#include "nodes/elementwise_part.hpp"
#include "nodes/kernel_trial.hpp"
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
              .thresholds = {}} {
    build_components();
    build_layout();
    find_thresholds();  // of columns that the kernel takes
    for (const auto& port : spec.inputs) {
      core_.input_scales.push_back(port.kind == PortKind::current ? std::ldexp(1.0f, -port.scale)
                                                                  : 1.0f);
    }
    if (context.threads > 1) weigh();
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
    settle_counts();
    parts_.clear();
    threads_.clear();
    for (Output& output : outputs) output.events.keep_apart({});
    follows_delivery_ = cuts != nullptr && can_follow_delivery();
    if (follows_delivery_) {
      divide_as_delivered(*cuts);
    } else {
      divide_evenly(static_cast<std::size_t>(threads));
    }
    keep_threads_apart();
    list_found();
  }

  int parts(Action) const override { return static_cast<int>(parts_.size()); }
  int thread_of(Action, int part) const override {
    return threads_.empty() ? -1 : threads_[static_cast<std::size_t>(part)];
  }
  bool can_follow_delivery() const override {
    if (has_prologue_ || caller_only() || waits_for_emission()) return false;
    return std::any_of(inputs.begin(), inputs.end(), is_delivered);
  }
  bool follows_delivery() const override { return follows_delivery_; }
  bool can_run_ahead() const override {
    return every_step() && !has_prologue_ && !caller_only() && parts_.front()->can_run_ahead();
  }
  bool can_finish_late() const override {
    const auto by_table = [](const Channel* channel) {
      return channel->target().owner->takes_by_table();
    };
    return every_step() && !has_prologue_ && !caller_only() && parts_.front()->only_lists() &&
           std::all_of(outputs.begin(), outputs.end(), [&](const Output& output) {
             return std::all_of(output.channels.begin(), output.channels.end(), by_table);
           });
  }
  void finish_late() override {
    for (const auto& part : parts_) part->finish_late();
    list_found();
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      std::vector<EventRing::Apart> apart;
      for (std::size_t c = first_component_[o]; c < first_component_[o + 1]; ++c) {
        apart.insert(apart.end(), found_[c].begin(), found_[c].end());
      }
      outputs[o].events.keep_apart(std::move(apart));
    }
  }
  void begin_run(std::int64_t step) override {
    for (Output& output : outputs) output.events.apart_from(step);
  }
  void end_run(std::int64_t begin, std::int64_t end) override {
    for (std::int64_t step = begin; step < end; ++step) take_tick(step);
    for (Input& input : inputs) input.mark_clean();
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      Output& output = outputs[o];
      const auto slots = static_cast<std::int64_t>(output.events.ring().slots());
      for (std::int64_t step = std::max(begin, end - slots); step < end; ++step) {
        collect_all(o, step);
      }
      output.events.apart_from(INT64_MAX);
    }
  }
  bool has_prologue() const override { return has_prologue_; }
  /// The one who takes the payloads draws them.
  bool idle(Action) const override {
    return outputs.size() == 1 && outputs[0].dense && outputs[0].dense->draw() != nullptr;
  }
  bool caller_only() const override { return core_.kernel.fn == nullptr; }

  double cost(Action) const override {
    constexpr double kPart = 120;  // beside its elements
    double sum = kPart + element_cost() * static_cast<double>(lanes() * core_.n);
    for (const Input& input : inputs) {
      for (const DenseFeed& feed : input.feeds) {
        if (feed.rows->draw() != nullptr) sum += feed.source->owner->cost(Action::tick);
      }
    }
    return sum;
  }

  void tick(std::int64_t step) override {
    if (has_prologue_) prologue(step);
    for (auto& part : parts_) part->run(step, ticks_at(step));
    epilogue(Action::tick, step);
  }

  void prologue(std::int64_t step) override {
    for (Input& input : inputs) {
      input.pull_indivisible(step);
      if (ticks_at(step)) input.drain();
      if (input.port().kind == PortKind::array) input.gather(step);
    }
  }

  void run_part(Action, std::int64_t step, int part) override {
    parts_[static_cast<std::size_t>(part)]->run(step, ticks_at(step));
  }

  void epilogue(Action, std::int64_t step) override {
    const bool ticks = take_tick(step);
    if (ticks) {
      for (Input& input : inputs) input.mark_clean();
    } else {
      for (std::size_t i = 0; i < inputs.size(); ++i) note_touched(i);
    }
    for (std::size_t o = 0; o < outputs.size(); ++o) close_output(o, step, ticks);
  }

  void settle_counts() override {
    for (const auto& part : parts_) part->settle_counts();
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
    core_.thresholds = Thresholds(useful_thresholds(attrs_, core_.columns.all()));
  }

  std::size_t payloads(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n,
                       std::int32_t* out) const override {
    const std::size_t count = core_.loops.draw_counts(
        core_.stream(step, lane, 0), first_block(begin), n, core_.thresholds.table(), out);
    if (clamps()) core_.loops.clamp_count(out, n, static_cast<std::int32_t>(limit()));
    return count;
  }

  std::size_t add(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n,
                  const Products& to) const override {
    const auto& [weights, common, sums, base] = to;
    if (common && !clamps()) {
      return core_.loops.draw_products(core_.stream(step, lane, 0), first_block(begin), n,
                                       core_.thresholds.table(),
                                       static_cast<std::uint32_t>(weights[0]), sums, base);
    }
    alignas(64) std::int32_t drawn[kChunk];
    std::size_t events = 0;
    for (std::size_t i = 0; i < n; i += kChunk) {
      const std::size_t size = std::min(n - i, kChunk);
      events += payloads(step, lane, begin + i, size, drawn);
      core_.loops.take_products(sums + i, base == nullptr ? nullptr : base + i, drawn,
                                common ? weights : weights + i, common, size);
    }
    return events;
  }

  bool every_step() const { return spec().period == 1 && spec().phase == 0; }
  std::int64_t limit() const { return outputs[0].port().limit; }
  bool clamps() const { return static_cast<std::int64_t>(core_.thresholds.size()) > limit(); }

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

  /// Nanoseconds of an element whose kernel does little with what it reads and writes.
  double light_cost() const {
    const auto& columns = core_.columns.all();
    const auto read = std::count_if(columns.begin(), columns.end(),
                                    [](const ColumnValues& column) { return !column.common; });
    return 0.04 * (static_cast<double>(read) + 2 * static_cast<double>(inputs.size())) +
           0.08 * static_cast<double>(states.size() + core_.components.size()) +
           0.25 * attrs_.draws;
  }
  double element_cost() const { return light_cost() * heaviness_; }
  /// Finds out if the kernel does more than that: exponentials, or many small steps. Only much more
  /// counts, so that disturbances of the trial hardly ever do.
  void weigh() {
    constexpr double kMuch = 3;
    if (core_.kernel.fn == nullptr || !core_.thresholds.empty()) return;
    const double ratio = try_kernel(core_) / light_cost();
    if (ratio > kMuch) heaviness_ = ratio;
  }
  /// Elements that are worth a task.
  std::size_t worth() const {
    const auto fewer = static_cast<std::size_t>(static_cast<double>(grain().elements) / heaviness_);
    return std::min(grain().elements, std::max(kChunk, fewer));
  }

  static bool is_delivered(const Input& input) { return input.delivered(); }

  /// Parts for each range of the arena that sums lie in. What is delivered to several inputs is cut
  /// at the same elements.
  void divide_as_delivered(const Cuts& cuts) {
    const std::uint64_t first = std::find_if(inputs.begin(), inputs.end(), is_delivered)->offset();
    for (std::size_t r = 0; r < cuts.ranges().size(); ++r) {
      const Reach& range = cuts.ranges()[r];
      const std::uint64_t begin = std::clamp<std::uint64_t>(range.begin, first, first + core_.n);
      const std::uint64_t end = std::clamp<std::uint64_t>(range.end, first, first + core_.n);
      if (begin == end) continue;
      add_parts(begin - first, end - first);
      threads_.resize(parts_.size(), static_cast<int>(cuts.thread_of(r)));
    }
  }

  void divide_evenly(std::size_t threads) {
    const std::size_t tasks = caller_only() ? 1 : lanes() * core_.n / worth();
    const std::size_t shares = std::clamp<std::size_t>(tasks, 1, threads);
    const std::size_t all = lanes() * chunks_in(core_.n);
    if (shares == 1) return add_part(0, core_.n, 0, all);
    for (std::size_t s = 0; s < shares; ++s) {
      add_pieces(0, core_.n, all * s / shares, all * (s + 1) / shares);
      if (shares == threads) threads_.resize(parts_.size(), static_cast<int>(s));
    }
  }

  /// Parts of a thread: a large one, which it gets to at once, and smaller ones, which others can
  /// take over if it is late.
  void add_parts(std::size_t begin, std::size_t end) {
    add_pieces(begin, end, 0, lanes() * chunks_in(end - begin));
  }

  /// Of the chunks of [begin, end) in all lanes, in this order, those with numbers [from, to).
  void add_pieces(std::size_t begin, std::size_t end, std::size_t from, std::size_t to) {
    constexpr int kMost = 4;
    for (int pieces = 1; from < to; ++pieces) {
      const std::size_t half = (to - from + 1) / 2;
      const bool last = pieces == kMost || (to - from - half) * kChunk < worth();
      const std::size_t stop = last ? to : from + half;
      add_part(begin, end, from, stop);
      from = stop;
    }
  }

  void add_part(std::size_t begin, std::size_t end, std::size_t from, std::size_t to) {
    const std::size_t chunks = chunks_in(end - begin);  // of a lane
    std::vector<ElementwisePart::Span> spans;
    while (from < to) {
      const std::size_t lane = from / chunks;
      const std::size_t stop = std::min(to, (lane + 1) * chunks);
      spans.push_back({lane, begin + (from - lane * chunks) * kChunk,
                       std::min(end, begin + (stop - lane * chunks) * kChunk)});
      from = stop;
    }
    parts_.push_back(std::make_unique<ElementwisePart>(core_, std::move(spans)));
  }

  /// Not where the lanes of a batch are cut into so many short pieces that gaps cost more.
  void keep_threads_apart() {
    std::vector<std::size_t> places = borders(core_, parts_, threads_);
    if (lanes() * core_.n < places.size() * grain().apart) places.clear();
    for (StateColumn& state : states) state.keep_apart(places);
  }

  static std::size_t chunks_in(std::size_t n) { return (n + kChunk - 1) / kChunk; }

  /// Where parts leave the events of each component, in order.
  void list_found() {
    found_.assign(core_.components.size(), {});
    for (std::size_t c = 0; c < found_.size(); ++c) {
      for (const auto& part : parts_) part->add_found(c, found_[c]);
    }
  }

  void note_touched(std::size_t input) {
    for (const auto& part : parts_) {
      if (part->touched(input)) inputs[input].mark_dirty();
    }
  }

  void close_output(std::size_t number, std::int64_t step, bool ticks) {
    Output& output = outputs[number];
    if (output.port().kind == PortKind::array) return;
    if (output.port().kind == PortKind::current) {
      output.set_silent(step, true);
      for (const auto& part : parts_) {
        if (part->any(first_component_[number])) output.set_silent(step, false);
      }
    } else if (ticks && !output.dense) {
      collect_all(number, step);
      output.count(step);
    }
  }

  void collect_all(std::size_t number, std::int64_t step) {
    for (std::size_t c = first_component_[number]; c < first_component_[number + 1]; ++c) {
      collect(found_[c], outputs[number], step);
    }
  }

  /// Appends the events that parts could not write in place. They come from other threads' caches,
  /// all at once.
  void collect(const std::vector<EventRing::Apart>& found, Output& output,
               std::int64_t step) const {
    for (const auto& each : found) loops_.prefetch(&each.of(step));
    for (const auto& each : found) output.events.at(step, each.lane).append(each.of(step));
  }

  const ElementwiseAttrs& attrs_;
  ElementwiseCore core_;
  double heaviness_ = 1;
  bool has_prologue_ = false;
  bool follows_delivery_ = false;
  std::vector<std::size_t> first_component_;  // of each output, and the end
  std::vector<std::unique_ptr<ElementwisePart>> parts_;
  std::vector<int> threads_;                          // of each part; empty if it does not matter
  std::vector<std::vector<EventRing::Apart>> found_;  // by component
};

}  // namespace

std::unique_ptr<RuntimeNode> make_elementwise(const Node& spec, const BuildContext& context) {
  return std::make_unique<Elementwise>(spec, context);
}

}  // namespace procgraph
