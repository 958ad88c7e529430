#include <cmath>
#include <numeric>

#include "synapses/projection.hpp"

namespace procgraph {
namespace {

/// Event-driven convolution: a source event adds each kernel weight that reaches a target.
class Conv2d final : public Projection {
 public:
  explicit Conv2d(const Conv2dAttrs& attrs)
      : Projection(attrs.delays),
        attrs_(attrs),
        kh_(static_cast<std::size_t>(attrs.weights->shape[2])),
        kw_(static_cast<std::size_t>(attrs.weights->shape[3])),
        plane_(std::int64_t{attrs.out_shape[1]} * attrs.out_shape[2]),
        row_of_(reach(0, kh_)),
        column_of_(reach(1, kw_)) {
    list_taps();
  }

  void deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const override {
    visit(due, delay,
          [sums](std::int64_t target, std::uint32_t product) { sums[target] += product; });
  }

  void mark(const EventList& due, std::size_t delay, std::span<LineMask> lines) const override {
    visit(due, delay, [lines](std::int64_t target, std::uint32_t) {
      set_mark(lines.data(), static_cast<std::size_t>(target));
    });
  }

  /// Calls `add` with the target and weight times payload of each synapse.
  template <class Add>
  void visit(const EventList& due, std::size_t delay, Add add) const {
    const std::int32_t height = attrs_.in_shape[1];
    const std::int32_t width = attrs_.in_shape[2];
    for (std::size_t e = 0; e < due.size(); ++e) {
      const std::int32_t source = due.index()[e];
      const auto x = static_cast<std::size_t>(source % width);
      const auto y = static_cast<std::size_t>(source / width % height);
      const auto channel = static_cast<std::size_t>(source / width / height);
      const std::int32_t* rows = row_of_.data() + y * kh_;
      const std::int32_t* columns = column_of_.data() + x * kw_;
      const auto payload = static_cast<std::uint32_t>(due.payload()[e]);
      for (const Tap& tap : taps_[channel * delays().size() + delay]) {
        const std::int32_t row = rows[tap.u];
        const std::int32_t column = columns[tap.v];
        if ((row | column) < 0) continue;
        add(tap.first + row * std::int64_t{attrs_.out_shape[2]} + column, payload * tap.weight);
      }
    }
  }

  void set_weights(std::span<const std::int32_t> weights) override {
    for (auto& taps : taps_) {
      for (Tap& tap : taps) tap.weight = static_cast<std::uint32_t>(weights[tap.number]);
    }
  }

  Storage storage() const override {
    const Load all = load(std::vector<float>(static_cast<std::size_t>(attrs_.weights->count)));
    std::size_t bytes = 4 * (row_of_.size() + column_of_.size());
    for (const auto& list : taps_) bytes += list.size() * sizeof(Tap);
    const double synapses = std::accumulate(all.synapses.begin(), all.synapses.end(), 0.0);
    return {StorageFormat::kernel, static_cast<std::int64_t>(synapses), bytes};
  }
  Load load(std::span<const float> weights) const override;

 private:
  struct Tap {
    std::int64_t first;  // target (o, 0, 0)
    std::uint32_t number;
    std::uint32_t weight;
    std::uint16_t u;
    std::uint16_t v;
  };

  /// Per source row (or column) and kernel row: the target row, or -1.
  std::vector<std::int32_t> reach(std::size_t axis, std::size_t kernel) const {
    const auto size = static_cast<std::size_t>(attrs_.in_shape[1 + axis]);
    std::vector<std::int32_t> out(size * kernel, -1);
    for (std::size_t y = 0; y < size; ++y) {
      for (std::size_t u = 0; u < kernel; ++u) {
        const std::int64_t scaled = static_cast<std::int64_t>(y) + attrs_.padding[axis] -
                                    static_cast<std::int64_t>(u) * attrs_.dilation[axis];
        if (scaled < 0 || scaled % attrs_.stride[axis] != 0) continue;
        const std::int64_t target = scaled / attrs_.stride[axis];
        if (target < attrs_.out_shape[1 + axis]) {
          out[y * kernel + u] = static_cast<std::int32_t>(target);
        }
      }
    }
    return out;
  }

  void list_taps() {
    const auto& shape = attrs_.weights->shape;
    const std::int64_t outs_per_group = attrs_.out_shape[0] / attrs_.groups;
    const auto* each = attrs_.delays.each;
    taps_.resize(static_cast<std::size_t>(attrs_.in_shape[0]) * delays().size());
    std::uint32_t number = 0;
    for (std::int64_t o = 0; o < shape[0]; ++o) {
      for (std::int64_t c = 0; c < shape[1]; ++c) {
        const auto channel = static_cast<std::size_t>(o / outs_per_group * shape[1] + c);
        for (std::size_t tap = 0; tap < kh_ * kw_; ++tap, ++number) {
          const std::size_t delay =
              each == nullptr ? 0 : delay_number(each->as<std::int32_t>()[number]);
          taps_[channel * delays().size() + delay].push_back(
              {o * plane_, number, 0, static_cast<std::uint16_t>(tap / kw_),
               static_cast<std::uint16_t>(tap % kw_)});
        }
      }
    }
  }

  const Conv2dAttrs& attrs_;
  std::size_t kh_;
  std::size_t kw_;
  std::int64_t plane_;
  std::vector<std::int32_t> row_of_;
  std::vector<std::int32_t> column_of_;
  std::vector<std::vector<Tap>> taps_;  // by source channel and delay
};

Projection::Load Conv2d::load(std::span<const float> weights) const {
  const auto n = static_cast<std::size_t>(attrs_.n_post);
  Load load{std::vector<double>(n), std::vector<double>(n)};
  const auto plane =
      static_cast<std::size_t>(attrs_.in_shape[1]) * static_cast<std::size_t>(attrs_.in_shape[2]);
  const auto width = static_cast<std::size_t>(attrs_.in_shape[2]);
  for (std::size_t list = 0; list < taps_.size(); ++list) {
    for (std::size_t i = 0; i < plane; ++i) {
      for (const Tap& tap : taps_[list]) {
        const std::int32_t row = row_of_[i / width * kh_ + tap.u];
        const std::int32_t column = column_of_[i % width * kw_ + tap.v];
        if ((row | column) < 0) continue;
        const auto target =
            static_cast<std::size_t>(tap.first + row * std::int64_t{attrs_.out_shape[2]} + column);
        load.weight[target] += std::abs(static_cast<double>(weights[tap.number]));
        load.synapses[target] += 1;
      }
    }
  }
  return load;
}

}  // namespace

std::unique_ptr<Projection> make_conv2d(const Conv2dAttrs& attrs) {
  return std::make_unique<Conv2d>(attrs);
}

}  // namespace procgraph
