#include "random/distance.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "random/philox.hpp"
#include "sparse/workers.hpp"

namespace procgraph {
namespace {

constexpr std::size_t kPairs = kSynapseRun;  // drawn at once
constexpr std::uint32_t kLateWords = 16;
constexpr std::int64_t kSourcesAtOnce = 256;  // that a thread counts

using Place = std::array<std::int64_t, 3>;

/// How many pairs in a row are no candidates, where each is one with probability 2^-shift: a
/// geometric distribution, cut off after two means, from where the walk goes on without memory.
class Skips {
 public:
  explicit Skips(std::uint32_t shift) : chances_(std::size_t{2} << shift) {
    std::uint64_t left = std::uint64_t{1} << 60;
    for (std::uint32_t& chance : chances_) {
      left -= left >> shift;
      chance = static_cast<std::uint32_t>(left >> 28);
    }
    std::size_t at = chances_.size();
    for (std::size_t part = 0; part < kParts; ++part) {
      while (at > 0 && chances_[at - 1] <= last_of(part)) --at;
      first_[part] = static_cast<std::uint16_t>(at);
    }
  }

  std::size_t most() const { return chances_.size(); }

  /// How many of the chances, of which each is smaller than the one before, lie above u.
  std::size_t draw(std::uint32_t u) const {
    std::size_t at = first_[u >> kShift];
    while (at < chances_.size() && chances_[at] > u) ++at;
    return at;
  }

 private:
  static constexpr std::uint32_t kShift = 20;
  static constexpr std::size_t kParts = std::size_t{1} << (32 - kShift);

  static constexpr std::uint32_t last_of(std::size_t part) {
    return static_cast<std::uint32_t>(part << kShift | ((1u << kShift) - 1));
  }

  std::vector<std::uint32_t> chances_;
  std::array<std::uint16_t, kParts> first_{};  // the least that a word with these first bits gives
};

const Skips& skips_of(std::uint32_t band) {
  static const std::vector<Skips> all = [] {
    std::vector<Skips> made;
    for (std::uint32_t b = 1; b < kDistanceBands; ++b) made.emplace_back(b + 3);
    return made;
  }();
  return all[band - 1];
}

class DistanceExpansion {
 public:
  /// Without `visit` the synapses are counted only.
  DistanceExpansion(const SparseAttrs& attrs, const HotLoops& loops, const RunVisitor* visit)
      : rule_(attrs.rule.distance),
        loops_(loops),
        visit_(visit),
        key_(split(attrs.rule.key)),
        drawn_(visit != nullptr && (attrs.weight_table != nullptr || attrs.delay_table != nullptr)),
        dimensions_(rule_.pre_grid.size()),
        begin_(rule_.begin->as<std::int64_t>()),
        offsets_(rule_.offsets->as<std::int32_t>().data()),
        thresholds_(rule_.thresholds->as<std::uint32_t>()) {
    limits_.reserve(thresholds_.size());
    for (const std::uint32_t t : thresholds_)
      limits_.push_back(static_cast<unsigned char>(t >> 24));
    for (std::size_t d = 0; d < dimensions_; ++d) {
      cycle_[d] = rule_.pre_grid[d] / std::gcd(rule_.pre_grid[d], rule_.post_grid[d]);
    }
  }

  void run(std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t source = first; source < last; ++source) {
      const std::int64_t* bands = begin_.data() + locate(source) * kDistanceBands;
      entry_ = static_cast<std::size_t>(bands[0]);
      const auto common = static_cast<std::size_t>(bands[1] - bands[0]);
      for (std::size_t m = 0; m < common; m += kPairs) {
        draw_common(source, m, std::min(kPairs, common - m));
      }
      if (bands[1] < bands[kDistanceBands]) draw_rare(source, bands);
    }
    hand_over(size_);
  }

  std::int64_t count() const { return number_; }

 private:
  /// Finds the target element at the source's place, and the phase of the one grid against the
  /// other.
  std::size_t locate(std::int64_t source) {
    std::int64_t phase = 0;
    Place place{};
    for (std::size_t d = dimensions_; d-- > 0;) {
      place[d] = source % rule_.pre_grid[d];
      source /= rule_.pre_grid[d];
    }
    for (std::size_t d = 0; d < dimensions_; ++d) {
      anchor_[d] = (2 * place[d] + 1) * rule_.post_grid[d] / (2 * rule_.pre_grid[d]);
      phase = phase * cycle_[d] + place[d] % cycle_[d];
    }
    return static_cast<std::size_t>(phase);
  }

  /// Byte m & 15 of philox(m >> 4, source, 0, 7) for pairs m ... m + count - 1.
  const unsigned char* draw_bytes(std::uint32_t source, std::size_t m, std::size_t count) {
    loops_.philox_words(key_.low, key_.high, static_cast<std::uint32_t>(m / 16), source, 7,
                        (count + 15) / 16, words_.data());
    if constexpr (std::endian::native == std::endian::little) {
      return reinterpret_cast<const unsigned char*>(words_.data());
    }
    for (std::size_t i = 0; i < count; ++i) {
      bytes_[i] = static_cast<unsigned char>(words_[i / 4] >> (8 * (i % 4)));
    }
    return bytes_.data();
  }

  /// Words m & 3 of philox(m >> 2, source, 0, stream) for the first `count` of `asked_`.
  const std::uint32_t* draw_words(std::uint32_t source, std::uint32_t stream, std::size_t count) {
    loops_.philox_pick(key_.low, key_.high, asked_.data(), count, source, stream, picked_.data());
    return picked_.data();
  }

  /// Pairs m ... m + count - 1 of band 0. The first byte of a random number decides nearly always;
  /// where it is the limit, the others are drawn.
  void draw_common(std::uint32_t source, std::size_t m, std::size_t count) {
    const unsigned char* bytes = draw_bytes(source, m, count);
    const unsigned char* limits = limits_.data() + entry_ + m;
    const std::size_t found = loops_.select_at_most(bytes, limits, count, chosen_.data());
    std::size_t open = 0;
    for (std::size_t i = 0; i < found; ++i) {
      asked_[open] = static_cast<std::uint32_t>(m) + chosen_[i];
      open += bytes[chosen_[i]] == limits[chosen_[i]];
    }
    const std::uint32_t* rest = draw_words(source, 8, open);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found; ++i) {
      const bool ask = bytes[chosen_[i]] == limits[chosen_[i]];
      const std::size_t pair = m + chosen_[i];
      const bool taken = !ask || *rest >> 8 <= (thresholds_[entry_ + pair] & 0xFFFFFFu);
      rest += ask;
      asked_[kept] = static_cast<std::uint32_t>(pair);
      kept += taken;
    }
    emit(source, kept);
  }

  /// The other bands: walks from candidate to candidate, of which some are accepted.
  void draw_rare(std::uint32_t source, const std::int64_t* bands) {
    std::size_t found = 0;
    first_words_known_ = false;
    for (std::uint32_t band = 1; band < kDistanceBands; ++band) {
      const Skips& skips = skips_of(band);
      auto m = static_cast<std::size_t>(bands[band] - bands[0]);
      const auto end = static_cast<std::size_t>(bands[band + 1] - bands[0]);
      for (std::uint32_t number = 0; m < end; ++number) {
        const std::size_t skip = skips.draw(skip_word(source, band, number));
        m += skip;
        if (m >= end) break;
        if (skip == skips.most()) continue;
        asked_[found] = static_cast<std::uint32_t>(m++);
        if (++found < kPairs) continue;
        accept_rare(source, found);
        found = 0;
      }
    }
    accept_rare(source, found);
  }

  /// Word number & 3 of philox(16 (number >> 2) + band, source, 0, 10). The first words of all
  /// bands are made together, later ones of a band by the dozen.
  std::uint32_t skip_word(std::uint32_t source, std::uint32_t band, std::uint32_t number) {
    if (number < 4) {
      if (!std::exchange(first_words_known_, true)) {
        loops_.philox_words(key_.low, key_.high, 0, source, 10, 16, first_words_.data());
      }
      return first_words_[4 * band + number];
    }
    const std::uint32_t at = (number - 4) % kLateWords;
    if (at == 0) {
      std::array<std::uint32_t, kLateWords> words;
      for (std::uint32_t i = 0; i < kLateWords; ++i) {
        words[i] = 64 * ((number + i) / 4) + 4 * band + (number + i) % 4;
      }
      loops_.philox_pick(key_.low, key_.high, words.data(), kLateWords, source, 10,
                         late_words_.data());
    }
    return late_words_[at];
  }

  void accept_rare(std::uint32_t source, std::size_t found) {
    const std::uint32_t* words = draw_words(source, 8, found);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found; ++i) {
      const std::uint32_t threshold = thresholds_[entry_ + asked_[i]];
      const bool taken = words[i] >> (distance_band(threshold) + 3) <= threshold;
      asked_[kept] = asked_[i];
      kept += taken;
    }
    emit(source, kept);
  }

  /// The accepted pairs in `asked_`.
  void emit(std::uint32_t source, std::size_t count) {
    if (count == 0) return;
    const std::uint32_t* random = nullptr;
    if (drawn_ && rule_.coded != 0xFFFFFFFFu) random = draw_words(source, 9, count);
    if (size_ + count > kSynapseRun) hand_over(size_);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = entry_ + asked_[i];
      const std::int64_t target = target_of(offsets_ + at * dimensions_);
      if (target < 0) continue;
      pre_[size_] = static_cast<std::int32_t>(source);
      post_[size_] = static_cast<std::int32_t>(target);
      if (drawn_) {
        const std::uint32_t drawn = random != nullptr ? random[i] : 0;
        const std::uint32_t code = rule_.coded != 0 ? rule_.codes->as<std::uint32_t>()[at] : 0;
        drawn_words_[size_] = (drawn & ~rule_.coded) | (code & rule_.coded);
      }
      ++size_;
    }
  }

  /// -1 where it lies beyond a border.
  std::int64_t target_of(const std::int32_t* offset) const {
    std::int64_t target = 0;
    for (std::size_t d = 0; d < dimensions_; ++d) {
      const std::int64_t side = rule_.post_grid[d];
      std::int64_t place = anchor_[d] + offset[d];
      if (rule_.periodic) {
        place -= place >= side ? side : 0;
      } else if (place < 0 || place >= side) {
        return -1;
      }
      target = target * side + place;
    }
    return target;
  }

  void hand_over(std::size_t count) {
    if (count == 0) return;
    if (visit_ != nullptr) {
      SynapseRun run{number_, {pre_.data(), count}, {post_.data(), count}, {}};
      if (drawn_) run.words = {drawn_words_.data(), count};
      (*visit_)(run);
    }
    number_ += static_cast<std::int64_t>(count);
    size_ = 0;
  }

  const DistanceRule& rule_;
  const HotLoops& loops_;
  const RunVisitor* visit_;
  Key key_;
  bool drawn_;
  std::size_t dimensions_;
  std::span<const std::int64_t> begin_;
  const std::int32_t* offsets_;
  std::span<const std::uint32_t> thresholds_;
  std::vector<unsigned char> limits_;  // first bytes of the thresholds
  Place cycle_{};
  Place anchor_{};
  std::int64_t number_ = 0;
  std::size_t size_ = 0;
  std::size_t entry_ = 0;  // where the entries of the source's phase begin
  bool first_words_known_ = false;
  std::array<std::uint32_t, 64> first_words_;
  std::array<std::uint32_t, kLateWords> late_words_;
  std::array<std::uint32_t, kPairs / 4 + 64> words_;
  std::array<unsigned char, kPairs> bytes_;
  std::array<std::uint32_t, kPairs> chosen_;
  std::array<std::uint32_t, kPairs + 8> asked_{};  // pairs that words are drawn for
  std::array<std::uint32_t, kPairs + 8> picked_;
  std::array<std::int32_t, kSynapseRun> pre_;
  std::array<std::int32_t, kSynapseRun> post_;
  std::array<std::uint32_t, kSynapseRun> drawn_words_;
};

}  // namespace

void for_each_distance_synapse(const SparseAttrs& attrs, const HotLoops& loops, SourceRange range,
                               const RunVisitor& visit) {
  DistanceExpansion(attrs, loops, &visit)
      .run(static_cast<std::uint32_t>(std::max(range.begin, 0)),
           static_cast<std::uint32_t>(std::min(range.end, attrs.n_pre)));
}

std::int64_t count_distance_synapses(const SparseAttrs& attrs, const HotLoops& loops) {
  std::atomic<std::int64_t> total{0};
  const std::int64_t parts = (attrs.n_pre + kSourcesAtOnce - 1) / kSourcesAtOnce;
  const auto threads = static_cast<int>(std::thread::hardware_concurrency());
  parallel_for(static_cast<std::size_t>(parts), threads, [&](std::size_t part) {
    const auto begin = static_cast<std::int64_t>(part) * kSourcesAtOnce;
    const std::int64_t end = std::min<std::int64_t>(begin + kSourcesAtOnce, attrs.n_pre);
    DistanceExpansion expansion(attrs, loops, nullptr);
    expansion.run(static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end));
    total += expansion.count();
  });
  return total;
}

}  // namespace procgraph
