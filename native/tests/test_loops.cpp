// Inner loops beside the plainest way to say what they do.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "builder.hpp"
#include "check.hpp"
#include "kernels/isa.hpp"

using namespace procgraph;

namespace {

float decayed(float value, float factor) {
  const float next = value * factor;
  return std::fabs(next) < 0x1p-126F ? 0.0F : next;
}

}  // namespace

TEST(decaying_rows_reach_zero_where_they_become_denormal) {
  const HotLoops& loops = *select_isa().loops;
  constexpr std::size_t kCount = 403;  // not whole blocks
  constexpr std::size_t kStride = 416;
  const float kinds[][8] = {{1, 0.5F, -3, 0, 1e-37F, 7e-38F, -1e-30F, 100},
                            {1, 1, 1, 1, 1, 1, 1, 1},
                            {0, 0, 0, 0, 0, 0, 0, 0},
                            {0x1p-126F, -0x1p-126F, 0x1p-125F, 0x1p-120F, 0x1p-119F, 1, 0, 2}};
  for (const auto& values : kinds) {
    for (const float factor : {0.995F, 0.9F, 0.5F, 0.01F, 1e-20F, 0.0F, 1.0F}) {
      std::vector<float> out(8 * kStride);
      loops.decay_rows(values, kCount, factor, out.data(), kStride);
      bool same = true;
      for (std::size_t i = 0; i < 8; ++i) {
        float value = values[i];
        for (std::size_t k = 0; k < kCount; ++k) {
          same &= out[i * kStride + k] == value;
          value = decayed(value, factor);
        }
      }
      CHECK(same);
    }
  }
}

TEST(scattered_sums_go_round_the_ring) {
  const HotLoops& loops = *select_isa().loops;
  constexpr std::uint32_t kTotal = 96;
  Sequence random(3);
  std::vector<std::uint32_t> places;
  std::vector<std::uint32_t> weights;
  for (int m = 0; m < 1000; ++m) {
    places.push_back(static_cast<std::uint32_t>(random.below(kTotal)));
    weights.push_back(static_cast<std::uint32_t>(random.below(1000) - 500));
  }
  for (const std::uint32_t first : {0u, 16u, 80u}) {
    std::vector<std::uint32_t> sums(kTotal);
    std::vector<std::uint32_t> wanted(kTotal);
    loops.scatter(sums.data(), first, kTotal, places.data(), places.size(), 7);
    loops.scatter_weights(sums.data(), first, kTotal, places.data(), weights.data(), places.size(),
                          3);
    for (std::size_t m = 0; m < places.size(); ++m) {
      wanted[(first + places[m]) % kTotal] += 7 + 3 * weights[m];
    }
    CHECK(sums == wanted);
    std::vector<std::uint32_t> taken(kTotal, 5);
    loops.take_sums(taken.data(), sums.data(), kTotal);
    for (std::uint32_t& sum : wanted) sum += 5;
    CHECK(taken == wanted && sums == std::vector<std::uint32_t>(kTotal));
  }
}

TEST(late_events_are_selected) {
  const HotLoops& loops = *select_isa().loops;
  Sequence random(8);
  for (const std::size_t n : {0, 1, 15, 16, 17, 31, 64, 250}) {
    std::vector<std::uint16_t> times;
    std::vector<std::uint32_t> list;
    for (std::size_t k = 0; k < n; ++k) {
      times.push_back(static_cast<std::uint16_t>(random.below(50)));
      list.push_back(static_cast<std::uint32_t>(3 * k) << 16 | 7);
    }
    for (const bool listed : {false, true}) {
      std::vector<std::uint32_t> wanted;
      for (std::size_t k = 0; k < n; ++k) {
        const auto place = static_cast<std::uint32_t>(listed ? 3 * k : k) << 16;
        if (times[k] >= 20) wanted.push_back(place | (times[k] - 10U));
      }
      std::vector<std::uint32_t> out(n + 16);
      const std::size_t count =
          loops.select_times(times.data(), listed ? list.data() : nullptr, n, 20, 10, out.data());
      CHECK_EQUAL(count, wanted.size());
      out.resize(count);
      CHECK(out == wanted);
    }
  }
}

namespace {

constexpr std::uint32_t kTargetBits = 9;
constexpr std::uint32_t kTargetMask = (1u << kTargetBits) - 1;

/// Segments of 0 to 70 synapses, of one or more events, as `deliver_packed` and `deliver_book` want
/// them: a header of two words, then a word a synapse.
struct Segments {
  std::vector<std::uint32_t> words;
  std::vector<std::size_t> begin;
  std::vector<SegmentCursor> cursors;

  explicit Segments(std::uint64_t seed) {
    Sequence random(seed);
    std::vector<std::uint32_t> counts;
    for (int i = 0; i < 200; ++i) {
      const auto n = static_cast<std::uint32_t>(random.below(i % 3 == 0 ? 71 : 20));
      begin.push_back(words.size());
      counts.push_back(n);
      words.push_back(n);
      words.push_back(1);
      for (std::uint32_t m = 0; m < n; ++m) {
        const auto weight = static_cast<std::uint32_t>(random.below(1u << 23));
        words.push_back(weight << kTargetBits |
                        static_cast<std::uint32_t>(random.below(kTargetMask + 1)));
      }
    }
    words.resize(words.size() + kShortSegment);
    for (std::size_t i = 0; i < begin.size(); ++i) {
      const auto payload =
          static_cast<std::int32_t>(random.below(8) == 0 ? random.below(9) - 4 : 1);
      cursors.push_back({words.data() + begin[i], counts[i], payload});
    }
  }

  template <class Weight>
  std::vector<std::uint32_t> sums(Weight weight) const {
    std::vector<std::uint32_t> out(kTargetMask + 1, 7);
    for (const SegmentCursor& cursor : cursors) {
      for (std::uint32_t m = 0; m < cursor.count; ++m) {
        const std::uint32_t word = cursor.at[2 + m];
        out[word & kTargetMask] += static_cast<std::uint32_t>(cursor.payload) * weight(word);
      }
    }
    return out;
  }

  void check_moved(const std::vector<SegmentCursor>& after) const {
    for (std::size_t i = 0; i < after.size(); ++i) {
      CHECK(after[i].at == cursors[i].at + 2 + cursors[i].count);
    }
  }
};

}  // namespace

TEST(segments_are_added_whatever_their_length) {
  const HotLoops& loops = *select_isa().loops;
  std::vector<std::int32_t> book(1u << 23);
  for (std::size_t i = 0; i < book.size(); ++i)
    book[i] = static_cast<std::int32_t>(i * 2654435761u);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Segments segments(seed);
    std::vector<SegmentCursor> cursors = segments.cursors;
    std::vector<std::uint32_t> sums(kTargetMask + 1, 7);
    loops.deliver_packed(sums.data(), cursors.data(), cursors.size(), kTargetMask, kTargetBits);
    CHECK(sums == segments.sums([](std::uint32_t word) {
      return static_cast<std::uint32_t>(static_cast<std::int32_t>(word & ~kTargetMask) >>
                                        kTargetBits);
    }));
    segments.check_moved(cursors);
    cursors = segments.cursors;
    sums.assign(sums.size(), 7);
    loops.deliver_book(sums.data(), cursors.data(), cursors.size(), kTargetMask, kTargetBits,
                       book.data());
    CHECK(sums == segments.sums([&](std::uint32_t word) {
      return static_cast<std::uint32_t>(book[word >> kTargetBits]);
    }));
    segments.check_moved(cursors);
  }
}

TEST(products_take_what_is_waiting) {
  const HotLoops& loops = *select_isa().loops;
  Sequence random(3);
  for (std::size_t n = 1; n < 80; ++n) {
    for (const bool common : {false, true}) {
      std::vector<std::int32_t> payloads(n), weights(n);
      std::vector<std::uint32_t> base(n), first(n), both(n);
      for (std::size_t i = 0; i < n; ++i) {
        payloads[i] = static_cast<std::int32_t>(random.below(9)) - 4;
        weights[i] = static_cast<std::int32_t>(random.below(1u << 31));
        base[i] = static_cast<std::uint32_t>(random.below(1u << 31));
        const auto product = static_cast<std::uint32_t>(payloads[i]) *
                             static_cast<std::uint32_t>(weights[common ? 0 : i]);
        first[i] = base[i] + product;
        both[i] = first[i] + product;
      }
      // Payloads in place; what waited is gone.
      std::vector<std::uint32_t> sums(payloads.begin(), payloads.end());
      const auto* in_place = reinterpret_cast<const std::int32_t*>(sums.data());
      loops.take_products(sums.data(), base.data(), in_place, weights.data(), common, n);
      CHECK(sums == first);
      CHECK(base == std::vector<std::uint32_t>(n));
      loops.take_products(sums.data(), sums.data(), payloads.data(), weights.data(), common, n);
      CHECK(sums == both);
      loops.take_products(sums.data(), nullptr, payloads.data(), weights.data(), common, n);
      for (std::size_t i = 0; i < n; ++i) CHECK_EQUAL(sums[i], both[i] - first[i]);
    }
  }
}
