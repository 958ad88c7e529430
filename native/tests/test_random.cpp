#include <algorithm>
#include <cmath>
#include <vector>

#include "builder.hpp"
#include "check.hpp"
#include "draws.hpp"
#include "kernels/count_table.hpp"
#include "kernels/isa.hpp"
#include "procgraph/error.hpp"
#include "random/permutation.hpp"
#include "random/philox.hpp"

using namespace procgraph;

TEST(philox_known_answers) {
  // From the test vectors of Random123.
  const std::uint32_t ones = 0xFFFFFFFFu;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8});
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        Block{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD});
  CHECK(philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}) ==
        Block{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1});
}

TEST(key_derivation) {
  CHECK_EQUAL(splitmix64(0), 0xE220A8397B1DCDAFu);
  CHECK_EQUAL(fnv1a64(""), 0xCBF29CE484222325u);
  CHECK_EQUAL(fnv1a64("a"), 0xAF63DC4C8601EC8Cu);
}

constexpr std::uint32_t kFirst = 512;  // element
constexpr DrawStream kStream{11, 22, (std::uint64_t{5} << 32) + 9, 3 * 256 + 7};

std::vector<std::int32_t> draws_of(std::size_t n) {
  std::vector<std::int32_t> draws;
  for (std::uint32_t i = 0; i < n; ++i) draws.push_back(draw_of(kFirst + i, kStream));
  return draws;
}

TEST(draws_are_halves_of_philox_words) {
  for (const std::size_t n : {1u, 7u, 64u, 100u, 512u, 1300u}) {
    std::vector<std::int32_t> found(n);
    select_isa().loops->draw_values(kStream, kFirst / 8, n, found.data());
    CHECK(found == draws_of(n));
  }
}

/// Cumulative probabilities of a Poisson distribution.
std::vector<std::int32_t> poisson_thresholds(double mean) {
  std::vector<std::int32_t> thresholds;
  double term = std::exp(-mean);
  double sum = 0;
  while (thresholds.empty() || thresholds.back() < INT32_MAX - 1) {
    sum += term;
    thresholds.push_back(static_cast<std::int32_t>(std::min(sum * 0x1p31, 0x1p31 - 1)) - 1);
    if (thresholds.size() > 1 && thresholds.back() == thresholds[thresholds.size() - 2]) break;
    term *= mean / static_cast<double>(thresholds.size());
  }
  return thresholds;
}

/// Thresholds, each with draws of the first elements beside it.
std::vector<std::vector<std::int32_t>> threshold_cases() {
  std::vector<std::vector<std::int32_t>> cases = {
      {INT32_MAX},
      {-1, 5},
      {-1, -1, INT32_MAX},
      {100, 1 << 30, INT32_MAX - 9, INT32_MAX - 1},
      {1 << 20, 1 << 28, 2100000000, 2146000000, 2147000000, 2147400000, 2147483646}};
  for (const double mean : {1e-6, 1e-3, 0.1, 0.8, 1.28, 2.0, 2.32, 3.0, 8.0, 20.0, 60.0}) {
    cases.push_back(poisson_thresholds(mean));
  }
  // Where the upper half of a draw leaves it open: the draw itself, the next ones, the same half.
  std::vector<std::int32_t> beside;
  for (const std::int32_t draw : draws_of(40)) {
    for (const std::int32_t x : {draw - 1, draw, draw | 0x7FFF, draw & ~0x7FFF}) {
      beside.push_back(x);
    }
  }
  std::sort(beside.begin(), beside.end());
  for (const std::size_t step : {1u, 2u, 9u, 31u}) {  // more than a vector's table holds, and fewer
    std::vector<std::int32_t>& some = cases.emplace_back();
    for (std::size_t i = 0; i < beside.size(); i += step) some.push_back(beside[i]);
  }
  return cases;
}

TEST(draws_are_counted_as_they_are_made) {
  const HotLoops& loops = *select_isa().loops;
  for (const std::vector<std::int32_t>& thresholds : threshold_cases()) {
    const Thresholds kept(thresholds);
    for (const std::size_t n : {1u, 20u, 33u, 64u, 65u, 100u, 129u, 320u, 512u, 700u}) {
      constexpr std::int32_t kUntouched = -7;
      std::vector<std::int32_t> wanted, found(n + 1, kUntouched);
      std::size_t events = 0;
      for (const std::int32_t draw : draws_of(n)) {
        wanted.push_back(static_cast<std::int32_t>(
            std::count_if(thresholds.begin(), thresholds.end(), [=](auto x) { return draw > x; })));
        events += wanted.back() != 0;
      }
      wanted.push_back(kUntouched);
      CHECK(loops.draw_counts(kStream, kFirst / 8, n, kept.table(), found.data()) == events);
      CHECK(found == wanted);
    }
  }
}

TEST(counts_are_weighted_and_added) {
  const HotLoops& loops = *select_isa().loops;
  constexpr std::uint32_t kWeight = 0x9E3779B9u;
  for (const std::vector<std::int32_t>& thresholds : threshold_cases()) {
    const Thresholds kept(thresholds);
    for (const std::size_t n : {1u, 15u, 16u, 17u, 32u, 50u, 64u, 300u, 1408u, 1500u}) {
      std::vector<std::int32_t> counts(n);
      const std::size_t events =
          loops.draw_counts(kStream, kFirst / 8, n, kept.table(), counts.data());
      constexpr std::uint32_t kUntouched = 7;
      std::vector<std::uint32_t> waiting(n + 1, kUntouched), sums(n + 1, kUntouched);
      for (std::size_t i = 0; i < n; ++i) waiting[i] = static_cast<std::uint32_t>(3 * i);
      const auto add = [&](std::uint32_t* base) {
        return loops.draw_products(kStream, kFirst / 8, n, kept.table(), kWeight, sums.data(),
                                   base);
      };
      const auto check = [&](std::uint32_t times, std::uint32_t waited) {
        for (std::size_t i = 0; i < n; ++i) {
          const auto product = kWeight * static_cast<std::uint32_t>(counts[i]);
          CHECK_EQUAL(sums[i], times * product + waited * static_cast<std::uint32_t>(i));
        }
        CHECK_EQUAL(sums[n], kUntouched);
      };
      CHECK_EQUAL(add(nullptr), events);
      check(1, 0);
      CHECK_EQUAL(add(waiting.data()), events);
      check(1, 3);
      CHECK_EQUAL(add(sums.data()), events);
      check(2, 3);
      CHECK_EQUAL(waiting[n], kUntouched);
      waiting.pop_back();
      CHECK(waiting == std::vector<std::uint32_t>(n));
    }
  }
}

TEST(permutation_is_a_bijection) {
  for (const std::uint32_t n : {1u, 2u, 3u, 4u, 5u, 16u, 17u, 255u, 1000u}) {
    const Permutation permutation(n, {1, 2}, n, 4);
    std::vector<int> seen(n);
    for (std::uint32_t i = 0; i < n; ++i) ++seen[permutation(i)];
    CHECK(seen == std::vector<int>(n, 1));
  }
}

TEST(compact_lists_non_zero_payloads) {
  const HotLoops& loops = *select_isa().loops;
  Sequence random(1);
  for (std::size_t n = 0; n < 100; ++n) {
    std::vector<std::int32_t> payloads(n);
    std::vector<std::int32_t> index(n + 16);
    std::vector<std::int32_t> values(n + 16);
    std::vector<std::int32_t> wanted;
    for (std::size_t i = 0; i < n; ++i) {
      payloads[i] = static_cast<std::int32_t>(random.below(3) == 0 ? random.below(21) - 10 : 0);
      if (payloads[i] != 0) wanted.push_back(static_cast<std::int32_t>(i) + 5);
    }
    const std::size_t count = loops.compact(payloads.data(), n, 5, 4, index.data(), values.data());
    index.resize(count);
    CHECK(index == wanted);
    bool clamped = true;
    for (std::size_t e = 0; e < count; ++e) {
      const std::int32_t p = payloads[static_cast<std::size_t>(index[e] - 5)];
      clamped &= values[e] == (p > 4 ? 4 : p < -4 ? -4 : p);
    }
    CHECK(clamped);
  }
}

TEST(fixed_point_rounds_to_even) {
  const HotLoops& loops = *select_isa().loops;
  const std::vector<float> x = {0.5f, 1.5f,  2.5f,  -0.5f, -1.5f,  100.0f,     -100.0f,
                                NAN,  3.25f, -0.0f, 0.49f, 1e-30f, 8388607.5f, INFINITY};
  const std::vector<std::int32_t> wanted = {0, 2, 2, 0, -2, 50, -50, 0, 3, 0, 0, 0, 50, 50};
  std::vector<std::int32_t> out(x.size());
  CHECK(loops.to_fixed(x.data(), x.size(), 50.0f, 1.0f, out.data()));
  CHECK(out == wanted);
  CHECK(loops.to_fixed(x.data(), 3, 50.0f, 1024.0f, out.data()));
  CHECK_EQUAL(out[1], 1536);
  CHECK(loops.to_fixed(&x[12], 1, 1e9f, 1.0f, out.data()));
  CHECK_EQUAL(out[0], 8388608);
}
