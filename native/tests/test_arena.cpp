// Sums that different threads deliver to lie apart, and are found like those that do not.
#include <cstdint>
#include <numeric>
#include <vector>

#include "check.hpp"
#include "engine/arena.hpp"

using namespace procgraph;

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLanes = 2;

InputPort port_of(std::int32_t n) {
  InputPort port;
  port.kind = PortKind::current;
  port.n = n;
  return port;
}

std::uintptr_t address(const Arena& arena, std::size_t lane, std::size_t position) {
  return reinterpret_cast<std::uintptr_t>(arena.at(lane, position));
}

}  // namespace

TEST(sums_of_different_threads_lie_apart) {
  const std::vector<InputPort> ports{port_of(100), port_of(7), port_of(200)};
  std::vector<Input> inputs;
  for (const InputPort& port : ports) inputs.emplace_back(port, static_cast<std::int32_t>(kLanes));
  Arena arena;
  arena.place({&inputs[0], &inputs[1], &inputs[2]}, kLanes);
  CHECK_EQUAL(arena.stride(), std::size_t{112 + 16 + 208});
  std::vector<std::vector<std::int32_t>> values;
  for (Input& input : inputs) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      values.emplace_back(input.n());
      std::iota(values.back().begin(), values.back().end(), static_cast<int>(1000 * values.size()));
      input.put_sums(lane, values.back().data());
    }
  }
  const std::uintptr_t begin = address(arena, 0, 0) % kPage;
  const std::vector<std::vector<std::size_t>> divisions{
      {48}, {16, 112, 144, 320}, {}, {128}, {96, 160}};
  for (const auto& positions : divisions) {
    arena.keep_apart(positions);
    CHECK_EQUAL(address(arena, 0, 0) % kPage, begin);
    for (const std::size_t position : positions) {
      CHECK_EQUAL(address(arena, 1, position) - address(arena, 1, position - 1), kPage + 4);
    }
    CHECK_EQUAL(address(arena, 1, 300) - address(arena, 0, 300),
                4 * arena.stride() + positions.size() * kPage);
    std::size_t list = 0;
    for (const Input& input : inputs) {
      for (std::size_t lane = 0; lane < kLanes; ++lane, ++list) {
        std::vector<std::int32_t> found(input.n());
        input.copy_sums(lane, found.data());
        CHECK(found == values[list]);
        for (std::size_t i = 0; i < input.n(); ++i) {
          CHECK_EQUAL(*input.sums_of_part(lane, i), static_cast<std::uint32_t>(values[list][i]));
          CHECK_EQUAL(input.sums_of_part(lane, i), arena.at(lane, input.offset() + i));
        }
      }
    }
  }
  for (Input& input : inputs) {
    input.clear();
    CHECK(input.clean());
    for (std::size_t i = 0; i < input.n(); ++i) CHECK_EQUAL(*input.sums_of_part(1, i), 0U);
  }
}
