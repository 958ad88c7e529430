#include <cmath>

#include "synapses/projection.hpp"

namespace procgraph {
namespace {

class OneToOne final : public Projection {
 public:
  explicit OneToOne(const OneToOneAttrs& attrs) : Projection(attrs.delays), attrs_(attrs) {
    if (attrs.delays.each == nullptr) return;
    for (const std::int32_t d : attrs.delays.each->as<std::int32_t>()) {
      number_.push_back(static_cast<std::uint32_t>(delay_number(d)));
    }
  }

  void deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const override {
    const bool common = weights_.size() == 1;
    for (std::size_t e = 0; e < due.size(); ++e) {
      const auto i = static_cast<std::size_t>(due.index()[e]);
      if (!number_.empty() && number_[i] != delay) continue;
      sums[i] += static_cast<std::uint32_t>(due.payload()[e]) *
                 static_cast<std::uint32_t>(weights_[common ? 0 : i]);
    }
  }

  void mark(const EventList& due, std::size_t, std::span<LineMask> lines) const override {
    for (std::size_t e = 0; e < due.size(); ++e) {
      set_mark(lines.data(), static_cast<std::size_t>(due.index()[e]));
    }
  }

  void set_weights(std::span<const std::int32_t> weights) override {
    weights_.assign(weights.begin(), weights.end());
  }

  std::span<const std::int32_t> diagonal() const override {
    return number_.empty() ? std::span<const std::int32_t>(weights_)
                           : std::span<const std::int32_t>();
  }

  Storage storage() const override {
    return {StorageFormat::diagonal, attrs_.n_post, 4 * (weights_.size() + number_.size())};
  }
  Load load(std::span<const float> weights) const override {
    const auto n = static_cast<std::size_t>(attrs_.n_post);
    Load load{std::vector<double>(n), std::vector<double>(n, 1.0)};
    for (std::size_t i = 0; i < n; ++i) {
      load.weight[i] = std::abs(static_cast<double>(weights[weights.size() == 1 ? 0 : i]));
    }
    return load;
  }

 private:
  const OneToOneAttrs& attrs_;
  std::vector<std::uint32_t> number_;  // of each element's delay; empty where it is common
  std::vector<std::int32_t> weights_;
};

class AllToAll final : public Projection {
 public:
  AllToAll(const AllToAllAttrs& attrs, const HotLoops& loops)
      : Projection(attrs.delays), attrs_(attrs), loops_(loops) {}

  void deliver(const EventList& due, std::size_t, std::uint32_t* sums) const override {
    std::uint32_t total = 0;
    for (std::size_t e = 0; e < due.size(); ++e) {
      total += static_cast<std::uint32_t>(due.payload()[e]);
    }
    loops_.add_scalar(sums, total * weight_, static_cast<std::size_t>(attrs_.n_post));
  }

  void set_weights(std::span<const std::int32_t> weights) override {
    weight_ = static_cast<std::uint32_t>(weights[0]);
  }

  Storage storage() const override {
    return {StorageFormat::constant, std::int64_t{attrs_.n_pre} * attrs_.n_post, sizeof weight_};
  }
  Load load(std::span<const float> weights) const override {
    const auto n = static_cast<std::size_t>(attrs_.n_post);
    const double n_pre = attrs_.n_pre;
    return {std::vector<double>(n, n_pre * std::abs(static_cast<double>(weights[0]))),
            std::vector<double>(n, n_pre)};
  }

 private:
  const AllToAllAttrs& attrs_;
  const HotLoops& loops_;
  std::uint32_t weight_ = 0;
};

}  // namespace

std::unique_ptr<Projection> make_one_to_one(const OneToOneAttrs& attrs) {
  return std::make_unique<OneToOne>(attrs);
}

std::unique_ptr<Projection> make_all_to_all(const AllToAllAttrs& attrs, const HotLoops& loops) {
  return std::make_unique<AllToAll>(attrs, loops);
}

}  // namespace procgraph
