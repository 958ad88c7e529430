#include <algorithm>
#include <bit>
#include <limits>

#include "engine/channel.hpp"
#include "nodes/element_list.hpp"

namespace procgraph {
namespace {

constexpr std::int64_t kAwake = -1;  // in a checkpoint
constexpr std::int64_t kMostIdle = std::int64_t{1} << 61;

// Masks of four lines are looked at as one word, the first line in the lowest bits.
constexpr std::size_t kLines = sizeof(std::uint64_t) / sizeof(LineMask);
static_assert(std::endian::native == std::endian::little);

/// An element-wise node that computes, at a tick, the elements that have input and those that are
/// awake: that may spike without input. The others keep the states of the tick that computed them
/// last; whoever looks at them gets copies that are brought up to date.
class EventDriven final : public RuntimeNode {
 public:
  EventDriven(const Node& spec, const BuildContext& context)
      : RuntimeNode(spec, context),
        attrs_(std::get<ElementwiseAttrs>(spec.attrs)),
        kernel_(context.kernels.find(attrs_.kernel, attrs_.hash)),
        columns_(spec),
        list_(spec, kernel_, columns_, inputs),
        n_(static_cast<std::size_t>(spec.n)),
        lines_(lines_of(n_)),
        records_(lanes(), n_, spec.states.size()),
        awake_(lanes() * lines_),
        index_(kChunk + 16),
        payload_(kChunk + 16) {
    for (Input& input : inputs) input.wants_marks = true;
    for (StateColumn& state : states) state.release();  // in the records
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      for (std::int32_t c = 0; c < outputs[o].port().components; ++c) {
        components_.push_back({&outputs[o], c * spec.n});
      }
    }
    events_.resize(components_.size());
  }

  void reset() override {
    RuntimeNode::reset();
    for (std::size_t i = 0; i < records_.size(); ++i) records_.last(i) = -1;
    wake_all();
  }

  void tick(std::int64_t step) override {
    pull(step);
    for (Output& output : outputs) output.begin(step);
    if (!take_tick(step)) return;
    for (Input& input : inputs) input.drain();
    tick_ = tick_number(step);
    show_arrays(step, tick_, false);
    const auto clean = [](const Input& input) { return input.clean(); };
    if (awake_count_ == 0 && std::all_of(inputs.begin(), inputs.end(), clean)) return;
    const bool anybody_awake = awake_count_ != 0;
    awake_count_ = 0;
    for (std::size_t lane = 0; lane < lanes(); ++lane) run_lane(step, lane, anybody_awake);
    for (Input& input : inputs) input.mark_clean();
    for (Output& output : outputs) output.count(step);
  }

  void seek(std::int64_t step, std::uint64_t seed) override {
    RuntimeNode::seek(step, seed);
    tick_ = tick_number(next_tick()) - 1;
  }

  bool caller_only() const override { return kernel_.fn == nullptr; }
  /// Supposes that one element in fifty is computed.
  double cost(Action) const override {
    return kSmallCost + 0.1 * static_cast<double>(lanes() * n_);
  }

  void read_state(const StateColumn& state, std::byte* out) const override {
    copy_state(state, out);
    auto* values = reinterpret_cast<std::int32_t*>(out);
    look(tick_, [&, number = number_of(state)](std::size_t at, std::size_t place) {
      values[at] = list_.state(number)[place];
    });
  }

  void read_elements(StateColumn& state, std::span<const std::int64_t> elements,
                     std::byte* out) const override {
    std::vector<std::byte> all(state.bytes());
    read_state(state, all.data());
    const auto at = [&](std::size_t place) { return all.data() + place * sizeof(std::int32_t); };
    pick_elements(n_, lanes(), sizeof(std::int32_t), elements, at, out);
  }

  void copy_state(const StateColumn& state, std::byte* out) const override {
    auto* values = reinterpret_cast<std::int32_t*>(out);
    const std::size_t number = number_of(state);
    for (std::size_t i = 0; i < records_.size(); ++i) values[i] = records_.states(i)[number];
  }

  void put_state(StateColumn& state, const std::byte* from) override {
    const auto* values = reinterpret_cast<const std::int32_t*>(from);
    const std::size_t number = number_of(state);
    for (std::size_t i = 0; i < records_.size(); ++i) records_.states(i)[number] = values[i];
  }

  void catch_up() override {
    look(tick_, [&](std::size_t at, std::size_t place) {
      for (std::size_t s = 0; s < states.size(); ++s) {
        records_.states(at)[s] = list_.state(s)[place];
      }
      records_.last(at) = tick_;
    });
    wake_all();
  }

  void materialise(std::int64_t step) override { show_arrays(step, tick_, true); }

  State export_own(std::int64_t) override {
    Array idle(DType::int64, {static_cast<std::int64_t>(lanes()), static_cast<std::int64_t>(n_)});
    auto* values = idle.as<std::int64_t>();
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const bool awake =
          awake_[i / n_ * lines_ + i % n_ / kSumsPerLine] >> i % n_ % kSumsPerLine & 1;
      values[i] = awake ? kAwake : tick_ - records_.last(i);
    }
    State out;
    out.emplace("idle", std::move(idle));
    return out;
  }

  void import_own(std::int64_t, const StateView& state) override {
    const auto* idle = static_cast<const std::int64_t*>(state.at("idle").data);
    std::fill_n(awake_.data(), awake_.size(), LineMask{0});
    awake_count_ = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      records_.last(i) = tick_ - std::clamp(idle[i], std::int64_t{0}, kMostIdle);
      if (idle[i] < 0) wake(i / n_, i % n_);
    }
  }

  Array read_parameter(std::string_view section, std::string_view name) const override {
    const ColumnValues* column = columns_.find(section, name);
    if (column == nullptr) no_parameter(section, name);
    return columns_.read(*column);
  }

  void write_parameter(std::string_view section, std::string_view name,
                       const ArrayView& values) override {
    const ColumnValues* column = columns_.find(section, name);
    if (column == nullptr) no_parameter(section, name);
    catch_up();  // with the values that were valid until now
    columns_.write(*column, values);
  }

  std::vector<std::pair<std::string, std::string>> written_parameters() const override {
    return columns_.written();
  }

 private:
  struct Component {
    Output* output;
    std::int32_t first;  // index of its first element
  };

  std::size_t number_of(const StateColumn& state) const {
    return static_cast<std::size_t>(&state - states.data());
  }

  void wake(std::size_t lane, std::size_t element) {
    set_mark(awake_.data() + lane * lines_, element);
    ++awake_count_;
  }

  void wake_all() {
    awake_count_ = 0;
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      for (std::size_t i = 0; i < n_; ++i) wake(lane, i);
    }
  }

  std::int32_t idle_ticks(std::size_t at, std::int64_t tick) const {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    return static_cast<std::int32_t>(
        std::clamp(tick - records_.last(at) - 1, std::int64_t{0}, most));
  }

  /// Lists and computes the elements that have input or are awake.
  void run_lane(std::int64_t step, std::size_t lane, bool anybody_awake) {
    marked_.clear();
    for (const Input& input : inputs) {
      if (!input.clean()) marked_.push_back(input.marks(lane).data());
    }
    LineMask* awake = awake_.data() + lane * lines_;
    if (anybody_awake) marked_.push_back(awake);
    for (std::size_t line = 0; line < lines_; line += kLines) {
      const std::size_t bytes = std::min(kLines, lines_ - line) * sizeof(LineMask);
      if (bytes == sizeof(std::uint64_t) && none_marked(line)) continue;
      std::uint64_t up = 0;
      std::memcpy(&up, awake + line, bytes);
      std::uint64_t found = 0;
      for (LineMask* marks : marked_) {
        std::uint64_t word = 0;
        std::memcpy(&word, marks + line, bytes);
        std::memset(marks + line, 0, bytes);
        found |= word;
      }
      list_.add(static_cast<std::int32_t>(line * kSumsPerLine), found, up);
      prefetch(lane, line * kSumsPerLine, found);
      if (list_.full()) compute_lane(step, lane);
    }
    compute_lane(step, lane);
    for (std::size_t c = 0; c < components_.size(); ++c) {
      Output& output = *components_[c].output;
      if (output.port().kind != PortKind::events) continue;
      output.events.at(step, lane).append(events_[c]);
      events_[c].clear();
    }
  }

  /// What elements first + i for each bit i of `found` have lies anywhere: it is asked for before
  /// the list is full, all at once.
  void prefetch(std::size_t lane, std::size_t first, std::uint64_t found) const {
    const std::size_t begin = lane * n_ + first;
    for (; found != 0; found &= found - 1) {
      const std::size_t at = begin + static_cast<std::size_t>(std::countr_zero(found));
      loops_.prefetch(records_.states(at));
    }
  }

  /// True if no element of four lines is marked or awake.
  bool none_marked(std::size_t line) const {
    std::uint64_t any = 0;
    for (const LineMask* marks : marked_) {
      std::uint64_t word;
      std::memcpy(&word, marks + line, sizeof word);
      any |= word;
    }
    return any == 0;
  }

  void compute_lane(std::int64_t step, std::size_t lane) {
    list_.take_input(lane);
    if (list_.size() == 0) return;
    const std::int32_t* elements = list_.elements();
    std::int32_t* idle = list_.idle();
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const std::size_t at = records_.at(lane, elements[i]);
      idle[i] = idle_ticks(at, tick_);
      records_.last(at) = tick_;
    }
    list_.run(records_, lane);
    list_.store_states(records_, lane);
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (idle[i] != 0) wake(lane, static_cast<std::size_t>(elements[i]));
    }
    for (std::size_t c = 0; c < components_.size(); ++c) emit_component(step, lane, c);
    list_.clear();
  }

  void emit_component(std::int64_t step, std::size_t lane, std::size_t component) {
    const auto& [output, first] = components_[component];
    if (output->port().kind == PortKind::array) {
      for (std::size_t i = 0; i < list_.size(); ++i) put(step, lane, component, i);
      return;
    }
    const auto* payloads = reinterpret_cast<const std::int32_t*>(list_.output(component));
    const auto limit = static_cast<std::int32_t>(output->port().limit);
    const std::size_t count =
        loops_.compact(payloads, list_.size(), 0, limit, index_.data(), payload_.data());
    for (std::size_t e = 0; e < count; ++e) {
      index_[e] = first + list_.elements()[index_[e]];
    }
    events_[component].append(index_.data(), payload_.data(), count);
  }

  /// Puts what place i of the list has emitted into an array.
  void put(std::int64_t step, std::size_t lane, std::size_t component, std::size_t i) {
    const auto& [output, first] = components_[component];
    const std::size_t item = item_size(output->port().dtype);
    const auto element = static_cast<std::size_t>(first + list_.elements()[i]);
    std::memcpy(output->array(step, lane) + element * item, list_.output(component) + i * item,
                item);
  }

  /// Computes copies of all elements that were last computed before `tick` as if they were computed
  /// in it, without input; hands over their numbers, counted through all lanes, and places.
  template <class Take>
  void look(std::int64_t tick, Take take) const {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      for (std::size_t begin = 0; begin < n_; begin += kChunk) {
        list_.set_range(begin, std::min(kChunk, n_ - begin));
        bool behind = false;
        for (std::size_t i = 0; i < list_.size(); ++i) {
          const std::size_t at = lane * n_ + begin + i;
          list_.idle()[i] = idle_ticks(at, tick);
          behind |= records_.last(at) < tick;
        }
        if (!behind) continue;
        list_.no_input();
        list_.run(records_, lane);
        for (std::size_t i = 0; i < list_.size(); ++i) {
          if (records_.last(lane * n_ + begin + i) < tick) take(lane * n_ + begin + i, i);
        }
      }
    }
    list_.clear();
  }

  /// Array outputs show all elements at every tick to whoever reads them; those that nobody reads
  /// are only brought up to date when they are `asked` for.
  void show_arrays(std::int64_t step, std::int64_t tick, bool asked) {
    const auto shown = [&](const Output& output) {
      const bool read = output.recorders > 0 || !output.channels.empty();
      return output.port().kind == PortKind::array && read != asked;
    };
    if (std::none_of(outputs.begin(), outputs.end(), shown)) return;
    look(tick, [&](std::size_t at, std::size_t place) {
      for (std::size_t c = 0; c < components_.size(); ++c) {
        if (shown(*components_[c].output)) put(step, at / n_, c, place);
      }
    });
  }

  const ElementwiseAttrs& attrs_;
  Kernel kernel_;
  Columns columns_;
  mutable ElementList list_;
  std::size_t n_;
  std::size_t lines_;  // of a lane
  Records records_;
  Buffer<LineMask> awake_;
  std::vector<LineMask*> marked_;  // of the lane at work: by inputs, and awake_
  std::size_t awake_count_ = 0;
  std::int64_t tick_ = -1;  // number of the last one
  std::vector<Component> components_;
  std::vector<EventList> events_;  // per component, of the lane at work
  Buffer<std::int32_t> index_;
  Buffer<std::int32_t> payload_;
};

}  // namespace

std::unique_ptr<RuntimeNode> make_event_driven(const Node& spec, const BuildContext& context) {
  return std::make_unique<EventDriven>(spec, context);
}

}  // namespace procgraph
