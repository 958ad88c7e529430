// Synapses with pair STDP, learnt row by row: events of the targets wait until a row is visited.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "limit_neurons.hpp"

namespace {

/// The first `plastic` neurons are joined by `plastic`/10 synapses each, of which a thread has
/// those onto its share of the targets.
class PlasticRows {
 public:
  PlasticRows(const Shape& shape, Draw& draw)
      : sources_(shape.plastic),
        targets_(shape.plastic / shape.threads),
        degree_(shape.plastic / 10 / shape.threads) {
    if (sources_ == 0) return;
    post_ = pages<std::uint16_t>(sources_ * degree_ + kRoom);
    weights_ = pages<float>(sources_ * degree_ + kRoom);
    x_ = pages<float>(sources_);
    y_ = pages<float>(targets_);
    visited_ = pages<std::int32_t>(sources_);
    for (std::int32_t*& age : spiked_) age = pages<std::int32_t>(targets_);
    for (std::size_t m = 0; m < sources_ * degree_; ++m) {
      weights_[m] = 0.1f;
      post_[m] = static_cast<std::uint16_t>(draw.below(targets_));
    }
    for (std::size_t k = 0; k < kDecays; ++k)
      decays_[k] = std::exp(-0.005f * static_cast<float>(k));
  }

  void step(const std::vector<std::uint32_t>& fired, std::int32_t* in) {
    if (sources_ == 0) return;
    ++now_;
    for (std::size_t k = 0; k < targets_; ++k) y_[k] *= decays_[1];
    for (std::size_t s = 0; s < fired.size(); ++s) {
      if (s + 1 < fired.size()) prefetch(fired[s + 1]);
      if (fired[s] < sources_) visit(fired[s], in);
    }
    // Sources are drawn among all; a thread's targets are as likely.
    for (const std::uint32_t cell : fired) {
      if (cell < targets_) join(cell);
    }
  }

 private:
  using Narrow [[gnu::vector_size(2 * kLanes)]] = std::uint16_t;
  static constexpr std::size_t kRoom = 64, kDecays = 4096, kAges = 3;

  void prefetch(std::uint32_t cell) const {
    if (cell >= sources_) return;
    for (std::size_t m = 0; m < degree_; m += 16) {
      __builtin_prefetch(weights_ + cell * degree_ + m, 1);
      if (m % 32 == 0) __builtin_prefetch(post_ + cell * degree_ + m);
    }
  }

  /// Delivery and depression; before, potentiation by what the targets have done since the last
  /// visit. More than three events of one target in between are rare.
  void visit(std::uint32_t cell, std::int32_t* in) {
    const std::int32_t since = visited_[cell];
    const float x = x_[cell];
    std::int32_t sums[kRoom];
    for (std::size_t first = 0; first < degree_; first += kRoom) {
      const std::size_t n = std::min(kRoom, degree_ - first);
      const std::uint16_t* post = post_ + cell * degree_ + first;
      float* weights = weights_ + cell * degree_ + first;
      for (std::size_t m = 0; m < n; m += kLanes) learn(post + m, weights + m, since, x, sums + m);
      for (std::size_t m = 0; m < n; ++m) in[post[m]] += sums[m];
    }
    x_[cell] = x * decays_[std::min<std::int32_t>(now_ - since, kDecays - 1)] + 1;
    visited_[cell] = now_;
  }

  /// Sixteen synapses, those behind the end of a row without effect.
  void learn(const std::uint16_t* post, float* weights, std::int32_t since, float x,
             std::int32_t* sums) const {
    Narrow narrow;
    std::memcpy(&narrow, post, sizeof narrow);
    const Signed targets = __builtin_convertvector(narrow, Signed);
    Floats w;
    std::memcpy(&w, weights, sizeof w);
    for (std::size_t age = kAges; age-- > 0;) {
      Signed apart = gather<Signed>(spiked_[age], targets) - since;
      const Signed later = apart > 0;
      apart = later ? apart : 0;
      apart = apart < static_cast<std::int32_t>(kDecays) ? apart
                                                         : static_cast<std::int32_t>(kDecays - 1);
      const Floats raised = w + 3e-4f * x * gather<Floats>(decays_, apart);
      w = later ? (raised < 0.3f ? raised : 0.3f) : w;
    }
    w -= 3.15e-4f * gather<Floats>(y_, targets);
    w = w > 0.0f ? w : 0.0f;
    std::memcpy(weights, &w, sizeof w);
    const Signed sum = __builtin_convertvector(w * 65536.0f, Signed);
    std::memcpy(sums, &sum, sizeof sum);
  }

  void join(std::uint32_t target) {
    for (std::size_t age = kAges - 1; age > 0; --age)
      spiked_[age][target] = spiked_[age - 1][target];
    spiked_[0][target] = now_;
    y_[target] += 1;
  }

  std::size_t sources_, targets_, degree_;
  std::int32_t now_ = 0;
  std::uint16_t* post_ = nullptr;
  float *weights_ = nullptr, *x_ = nullptr, *y_ = nullptr;
  std::int32_t* visited_ = nullptr;
  std::int32_t* spiked_[kAges] = {};  // the newest first
  float decays_[kDecays];
};

}  // namespace
