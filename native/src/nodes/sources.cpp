#include <algorithm>
#include <cmath>
#include <tuple>

#include "engine/runtime_node.hpp"
#include "nodes/parameters.hpp"

namespace procgraph {
namespace {

/// Emits listed events. All lanes get the same.
class EventSource final : public RuntimeNode {
 public:
  EventSource(const Node& spec, const BuildContext& context)
      : RuntimeNode(spec, context), cycle_(std::get<EventSourceAttrs>(spec.attrs).cycle) {
    merge(std::get<EventSourceAttrs>(spec.attrs));
  }

  void seek(std::int64_t step, std::uint64_t seed) override {
    RuntimeNode::seek(step, seed);
    // The tick that comes next; from there on entries are visited in order.
    const std::int64_t tick = spec().phase >= step ? 0 : tick_number(next_tick());
    find(cycle_ > 0 ? tick % cycle_ : tick);
  }

 protected:
  void compute(std::int64_t step) override {
    const std::int64_t number = tick_number(step);
    const std::int64_t tick = cycle_ > 0 ? number % cycle_ : number;
    if (tick == 0) next_ = 0;
    std::size_t end = next_;
    while (end < ticks_.size() && ticks_[end] == tick) ++end;
    if (end == next_) return;
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      outputs[0]
          .events.at(step, lane)
          .append(index_.data() + next_, payload_.data() + next_, end - next_);
    }
    next_ = end;
  }

 private:
  /// Sums the entries of one element in one tick; drops what adds up to nothing.
  void merge(const EventSourceAttrs& attrs) {
    const auto ticks = attrs.ticks->as<std::int64_t>();
    const auto index = attrs.index->as<std::int32_t>();
    const auto payload = attrs.payload->as<std::int32_t>();
    std::vector<std::size_t> order(ticks.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::tie(ticks[a], index[a]) < std::tie(ticks[b], index[b]);
    });
    for (std::size_t i = 0; i < order.size();) {
      const std::size_t first = order[i];
      std::int64_t sum = 0;
      for (; i < order.size() && ticks[order[i]] == ticks[first] && index[order[i]] == index[first];
           ++i) {
        sum += payload[order[i]];
      }
      if (sum == 0) continue;
      sum = std::clamp(sum, -spec().outputs[0].limit, spec().outputs[0].limit);
      ticks_.push_back(ticks[first]);
      index_.push_back(index[first]);
      payload_.push_back(static_cast<std::int32_t>(sum));
    }
  }

  void find(std::int64_t tick) {
    next_ = static_cast<std::size_t>(std::lower_bound(ticks_.begin(), ticks_.end(), tick) -
                                     ticks_.begin());
  }

  std::int64_t cycle_;
  std::vector<std::int64_t> ticks_;
  std::vector<std::int32_t> index_;
  std::vector<std::int32_t> payload_;
  std::size_t next_ = 0;
};

/// Emits one row of a table at each tick.
class DenseSource final : public RuntimeNode {
 public:
  DenseSource(const Node& spec, const BuildContext& context)
      : RuntimeNode(spec, context), attrs_(std::get<DenseSourceAttrs>(spec.attrs)) {
    values_ = Buffer<std::byte>(static_cast<std::size_t>(attrs_.values->count) *
                                item_size(attrs_.values->dtype));
    std::memcpy(values_.data(), attrs_.values->data, values_.size());
  }

  Array read_parameter(std::string_view section, std::string_view name) const override {
    if (section != "values") no_parameter(section, name);
    Array out(attrs_.values->dtype, attrs_.values->shape);
    std::memcpy(out.data.get(), values_.data(), out.nbytes());
    return out;
  }

  void write_parameter(std::string_view section, std::string_view name,
                       const ArrayView& values) override {
    if (section != "values") no_parameter(section, name);
    check_shape(spec().name, section, values, attrs_.values->dtype, attrs_.values->shape);
    std::memcpy(values_.data(), values.data, values_.size());
    written_ = true;
  }

  std::vector<std::pair<std::string, std::string>> written_parameters() const override {
    if (!written_) return {};
    return {{"values", ""}};
  }

 protected:
  void compute(std::int64_t step) override {
    const std::int64_t rows = attrs_.values->shape[0];
    std::int64_t row = tick_number(step);
    const bool over = row >= rows && !attrs_.cycle;
    if (over) return;  // a current is silent then, an array holds its last frame
    row %= rows;
    Output& output = outputs[0];
    if (output.port().kind == PortKind::array) {
      for (std::size_t lane = 0; lane < lanes(); ++lane) {
        std::memcpy(output.array(step, lane), values_.data() + offset(row), output.lane_bytes());
      }
    } else {
      emit_current(step, reinterpret_cast<const float*>(values_.data() + offset(row)));
    }
  }

 private:
  std::size_t offset(std::int64_t row) const {
    return static_cast<std::size_t>(row) * outputs[0].lane_bytes();
  }

  void emit_current(std::int64_t step, const float* row) {
    Output& output = outputs[0];
    const float factor = std::ldexp(1.0f, output.port().scale);
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      const bool any =
          loops_.to_fixed(row, output.n(), output.port().bound, factor, output.current(step, lane));
      if (any) output.set_silent(step, false);
    }
  }

  const DenseSourceAttrs& attrs_;
  Buffer<std::byte> values_;
  bool written_ = false;
};

}  // namespace

std::unique_ptr<RuntimeNode> make_event_source(const Node& spec, const BuildContext& context) {
  return std::make_unique<EventSource>(spec, context);
}

std::unique_ptr<RuntimeNode> make_dense_source(const Node& spec, const BuildContext& context) {
  return std::make_unique<DenseSource>(spec, context);
}

}  // namespace procgraph
