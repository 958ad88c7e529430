// States whose elements belong to different threads lie apart, and read like those that do not.
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "engine/state_column.hpp"

using namespace procgraph;

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLanes = 2;
constexpr std::size_t kElements = 80;

std::vector<std::int32_t> numbers() {
  std::vector<std::int32_t> out;
  for (std::size_t i = 0; i < kLanes * kElements; ++i) {
    out.push_back(static_cast<std::int32_t>(7 * i + 1));
  }
  return out;
}

/// True if every place holds its number, however the column is read.
bool holds(StateColumn& column, const std::vector<std::int32_t>& values) {
  std::vector<std::int32_t> out(values.size());
  column.read(reinterpret_cast<std::byte*>(out.data()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (*reinterpret_cast<const std::int32_t*>(column.at(i)) != values[i]) return false;
  }
  return out == values;
}

std::uintptr_t address(StateColumn& column, std::size_t place) {
  return reinterpret_cast<std::uintptr_t>(column.at(place));
}

}  // namespace

TEST(states_of_different_threads_lie_apart) {
  const NamedTensor name{"v", DType::int32, nullptr};
  StateColumn column(name, kElements, kLanes);
  const std::vector<std::int32_t> values = numbers();
  column.write(reinterpret_cast<const std::byte*>(values.data()));
  CHECK(holds(column, values));
  CHECK_EQUAL(address(column, 159) - address(column, 0), 159 * sizeof(std::int32_t));

  const std::uintptr_t begin = address(column, 0) % kPage;
  const std::vector<std::vector<std::size_t>> divisions{{32}, {16, 48, 80, 96}, {}, {80}, {}};
  for (const auto& places : divisions) {
    column.keep_apart(places);
    CHECK(holds(column, values));
    CHECK_EQUAL(column.bytes(), 160 * sizeof(std::int32_t));
    for (const std::size_t place : places) {
      CHECK_EQUAL(address(column, place) - address(column, place - 1),
                  kPage + sizeof(std::int32_t));
    }
    CHECK_EQUAL(address(column, 0) % kPage, begin);
    CHECK_EQUAL(address(column, 159) - address(column, 0),
                159 * sizeof(std::int32_t) + places.size() * kPage);
  }

  std::vector<std::int32_t> others(values.rbegin(), values.rend());
  column.keep_apart({48});
  column.write(reinterpret_cast<const std::byte*>(others.data()));
  CHECK(holds(column, others));
  *reinterpret_cast<std::int32_t*>(column.at(48)) = others[48] = -5;
  CHECK(holds(column, others));
}
