#include "random/distance.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <numeric>
#include <thread>
#include <vector>

#include "random/philox.hpp"
#include "sparse/workers.hpp"

namespace procgraph {
namespace {

constexpr std::size_t kPairs = kSynapseRun;   // drawn at once
constexpr std::int64_t kSourcesAtOnce = 256;  // that a thread counts

using Place = std::array<std::int64_t, 3>;

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
      const std::size_t phase = locate(source);
      const auto begin = static_cast<std::size_t>(begin_[phase]);
      const auto end = static_cast<std::size_t>(begin_[phase + 1]);
      for (std::size_t m = begin; m < end; m += kPairs) {
        draw(source, m - begin, m, std::min(kPairs, end - m));
      }
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

  /// The first byte of a random number decides nearly always; where it is the limit, the others are
  /// drawn. Keeps those of the chosen that are accepted, and returns their number.
  std::size_t accept(std::uint32_t source, std::size_t m, std::size_t entry,
                     const unsigned char* bytes, std::size_t found) {
    std::size_t open = 0;
    for (std::size_t i = 0; i < found; ++i) {
      asked_[open] = static_cast<std::uint32_t>(m) + chosen_[i];
      open += bytes[chosen_[i]] == limits_[entry + chosen_[i]];
    }
    if (open == 0) return found;
    const std::uint32_t* rest = draw_words(source, 8, open);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found; ++i) {
      const std::size_t at = entry + chosen_[i];
      const bool ask = bytes[chosen_[i]] == limits_[at];
      const bool taken = !ask || *rest >> 8 <= (thresholds_[at] & 0xFFFFFFu);
      rest += ask;
      chosen_[kept] = chosen_[i];
      kept += taken;
    }
    return kept;
  }

  /// Pairs m ... m + count - 1 of a source, whose entries begin at `entry`.
  void draw(std::uint32_t source, std::size_t m, std::size_t entry, std::size_t count) {
    const unsigned char* bytes = draw_bytes(source, m, count);
    const std::size_t found =
        accept(source, m, entry, bytes,
               loops_.select_at_most(bytes, limits_.data() + entry, count, chosen_.data()));
    const std::uint32_t* random = nullptr;
    if (drawn_ && rule_.coded != 0xFFFFFFFFu) {
      for (std::size_t i = 0; i < found; ++i) {
        asked_[i] = static_cast<std::uint32_t>(m) + chosen_[i];
      }
      random = draw_words(source, 9, found);
    }
    if (size_ + found > kSynapseRun) hand_over(size_);
    for (std::size_t i = 0; i < found; ++i) {
      const std::size_t at = entry + chosen_[i];
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
  std::array<std::uint32_t, kPairs / 4 + 64> words_;
  std::array<unsigned char, kPairs> bytes_;
  std::array<std::uint32_t, kPairs> chosen_;
  std::array<std::uint32_t, kPairs + 8> asked_{};  // numbers of pairs that words are drawn for
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
