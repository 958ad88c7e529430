#include <algorithm>
#include <cmath>

#include "engine/buffer.hpp"
#include "synapses/projection.hpp"
#include "synapses/segments.hpp"

namespace procgraph {
namespace {

Projection::Load dense_load(const DenseAttrs& attrs, std::span<const float> weights) {
  const auto n_pre = static_cast<std::size_t>(attrs.n_pre);
  const auto n_post = static_cast<std::size_t>(attrs.n_post);
  Projection::Load load{std::vector<double>(n_post),
                        std::vector<double>(n_post, static_cast<double>(n_pre))};
  for (std::size_t j = 0; j < n_post; ++j) {
    for (std::size_t i = 0; i < n_pre; ++i) {
      load.weight[j] += std::abs(static_cast<double>(weights[j * n_pre + i]));
    }
  }
  return load;
}

/// All pairs with a common delay: one contiguous row of weights per source.
class Dense final : public Projection {
 public:
  Dense(const DenseAttrs& attrs, const HotLoops& loops)
      : Projection(attrs.delays),
        attrs_(attrs),
        loops_(loops),
        n_pre_(static_cast<std::size_t>(attrs.n_pre)),
        n_post_(static_cast<std::size_t>(attrs.n_post)),
        // An odd number of cache lines, so that rows do not all fall into the same sets.
        stride_(((n_post_ + 15) / 16 | 1) * 16),
        rows_(n_pre_ * stride_) {}

  void deliver(const EventList& due, std::size_t, std::uint32_t* sums) const override {
    const std::int32_t* rows[64];
    for (std::size_t e = 0; e < due.size(); e += std::size(rows)) {
      const std::size_t count = std::min(std::size(rows), due.size() - e);
      for (std::size_t r = 0; r < count; ++r) {
        rows[r] = rows_.data() + static_cast<std::size_t>(due.index()[e + r]) * stride_;
      }
      loops_.add_rows(sums, rows, due.payload() + e, count, n_post_);
    }
  }

  void set_weights(std::span<const std::int32_t> weights) override {
    constexpr std::size_t kTile = 32;
    for (std::size_t j0 = 0; j0 < n_post_; j0 += kTile) {
      for (std::size_t i0 = 0; i0 < n_pre_; i0 += kTile) {
        transpose_tile(weights, j0, std::min(j0 + kTile, n_post_), i0,
                       std::min(i0 + kTile, n_pre_));
      }
    }
  }

  Load load(std::span<const float> weights) const override { return dense_load(attrs_, weights); }
  Storage storage() const override {
    return {StorageFormat::rows, attrs_.weights->count, n_pre_ * stride_ * sizeof(std::int32_t)};
  }

 private:
  void transpose_tile(std::span<const std::int32_t> weights, std::size_t j0, std::size_t j1,
                      std::size_t i0, std::size_t i1) {
    for (std::size_t i = i0; i < i1; ++i) {
      for (std::size_t j = j0; j < j1; ++j) rows_[i * stride_ + j] = weights[j * n_pre_ + i];
    }
  }

  const DenseAttrs& attrs_;
  const HotLoops& loops_;
  std::size_t n_pre_;
  std::size_t n_post_;
  std::size_t stride_;
  Buffer<std::int32_t> rows_;
};

/// All pairs with a delay each: segments of one source and delay.
class DelayedDense final : public Projection {
 public:
  DelayedDense(const DenseAttrs& attrs, const HotLoops& loops)
      : Projection(attrs.delays), attrs_(attrs), segments_(attrs.n_pre, delays(), loops) {
    const auto each = attrs.delays.each->as<std::int32_t>();
    segments_.build(attrs.weights->count, [&](const SegmentVisitor& visit) {
      std::int64_t e = 0;
      for (std::int32_t j = 0; j < attrs.n_post; ++j) {
        for (std::int32_t i = 0; i < attrs.n_pre; ++i, ++e) {
          visit({e, i, j, each[static_cast<std::size_t>(e)]});
        }
      }
    });
  }

  void deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const override {
    segments_.deliver(due, delay, sums);
  }
  void set_weights(std::span<const std::int32_t> weights) override {
    segments_.set_weights(weights);
  }
  Load load(std::span<const float> weights) const override { return dense_load(attrs_, weights); }
  Storage storage() const override {
    return {StorageFormat::segments, attrs_.weights->count, segments_.bytes()};
  }

 private:
  const DenseAttrs& attrs_;
  Segments segments_;
};

}  // namespace

std::unique_ptr<Projection> make_dense(const DenseAttrs& attrs, const HotLoops& loops) {
  if (attrs.delays.each != nullptr) return std::make_unique<DelayedDense>(attrs, loops);
  return std::make_unique<Dense>(attrs, loops);
}

}  // namespace procgraph
