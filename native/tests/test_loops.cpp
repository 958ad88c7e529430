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

struct Synapse {
  std::uint32_t target;
  std::uint32_t weight;  // below 2^22
};

/// Segments of 0 to 70 synapses, most of them short, for one event or several.
struct Segments {
  std::vector<std::vector<Synapse>> synapses;
  std::vector<std::int32_t> payloads;
  std::vector<std::uint32_t> words;  // as laid out last
  std::vector<std::size_t> begin;
  std::vector<SegmentCursor> cursors;

  explicit Segments(std::uint64_t seed) {
    Sequence random(seed);
    for (int i = 0; i < 200; ++i) {
      std::vector<Synapse>& own = synapses.emplace_back();
      const auto n = random.below(i % 3 == 0 ? 71 : 20);
      for (std::int64_t m = 0; m < n; ++m) {
        own.push_back({static_cast<std::uint32_t>(random.below(kTargetMask + 1)),
                       static_cast<std::uint32_t>(random.below(1u << 22))});
      }
      payloads.push_back(static_cast<std::int32_t>(random.below(8) == 0 ? random.below(9) - 4 : 1));
    }
  }

  /// Headers of `header` words, and what `put` adds for a segment.
  template <class Put>
  void lay_out(std::size_t header, Put put) {
    words.clear();
    begin.clear();
    cursors.clear();
    for (const auto& own : synapses) {
      begin.push_back(words.size());
      words.push_back(static_cast<std::uint32_t>(own.size()));
      words.push_back(1);
      if (header == 3) words.push_back(common);
      put(own);
    }
    begin.push_back(words.size());
    words.resize(words.size() + 2 * kShortSegment);
    for (std::size_t i = 0; i < synapses.size(); ++i) {
      cursors.push_back({words.data() + begin[i], words[begin[i]], payloads[i]});
    }
  }

  template <class Weight>
  void check(std::vector<std::uint32_t> found, Weight weight) const {
    std::vector<std::uint32_t> wanted(kTargetMask + 1, 7);
    for (std::size_t i = 0; i < synapses.size(); ++i) {
      for (const Synapse& synapse : synapses[i]) {
        wanted[synapse.target] += static_cast<std::uint32_t>(payloads[i]) * weight(synapse.weight);
      }
      CHECK(cursors[i].at == words.data() + begin[i + 1]);
    }
    CHECK(found == wanted);
  }

  static constexpr std::uint32_t common = 12345;
};

}  // namespace

TEST(segments_are_added_whatever_their_length) {
  const HotLoops& loops = *select_isa().loops;
  std::vector<std::int32_t> book(1u << 22);
  for (std::size_t i = 0; i < book.size(); ++i) {
    book[i] = static_cast<std::int32_t>(i * 2654435761u);
  }
  const auto itself = [](std::uint32_t weight) { return weight; };
  const auto common = [](std::uint32_t) { return Segments::common; };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Segments s(seed);
    const auto sums = [] { return std::vector<std::uint32_t>(kTargetMask + 1, 7); };
    const auto joined = [&](const std::vector<Synapse>& own) {
      for (const Synapse& x : own) s.words.push_back(x.weight << kTargetBits | x.target);
    };
    s.lay_out(2, joined);
    auto found = sums();
    loops.deliver_packed(found.data(), s.cursors.data(), s.cursors.size(), kTargetMask,
                         kTargetBits);
    s.check(found, itself);
    s.lay_out(2, joined);
    found = sums();
    loops.deliver_book(found.data(), s.cursors.data(), s.cursors.size(), kTargetMask, kTargetBits,
                       book.data());
    s.check(found, [&](std::uint32_t weight) { return static_cast<std::uint32_t>(book[weight]); });
    s.lay_out(2, [&](const std::vector<Synapse>& own) {
      for (const Synapse& x : own) s.words.insert(s.words.end(), {x.target, x.weight});
    });
    found = sums();
    loops.deliver_wide(found.data(), s.cursors.data(), s.cursors.size());
    s.check(found, itself);
    s.lay_out(3, [&](const std::vector<Synapse>& own) {
      for (const Synapse& x : own) s.words.push_back(x.target);
    });
    found = sums();
    loops.deliver_index32(found.data(), s.cursors.data(), s.cursors.size());
    s.check(found, common);
    s.lay_out(3, [&](const std::vector<Synapse>& own) {
      const std::size_t at = s.words.size();
      s.words.resize(at + (own.size() + 1) / 2);
      for (std::size_t m = 0; m < own.size(); ++m) {
        reinterpret_cast<std::uint16_t*>(s.words.data() + at)[m] =
            static_cast<std::uint16_t>(own[m].target);
      }
    });
    found = sums();
    loops.deliver_index16(found.data(), s.cursors.data(), s.cursors.size());
    s.check(found, common);
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
