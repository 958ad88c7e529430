#include "nodes/overrides.hpp"

#include <algorithm>
#include <limits>

namespace procgraph {
namespace {

struct Counter {
  std::string_view kernel;
  std::string_view hash;
};

// tests/unit/test_overrides.py says so when a hash is out of date.
constexpr Counter kCounters[] = {{"PoissonSource", "2800089abcdb5ef0d732f2d0c6720255"}};

}  // namespace

std::vector<std::int32_t> useful_thresholds(const ElementwiseAttrs& attrs,
                                            const std::vector<ColumnValues>& columns) {
  const bool counts = std::any_of(
      std::begin(kCounters), std::end(kCounters),
      [&](const Counter& c) { return c.kernel == attrs.kernel && c.hash == attrs.hash; });
  if (!counts || !std::all_of(columns.begin(), columns.end(),
                              [](const ColumnValues& column) { return column.common; })) {
    return {};
  }
  std::vector<std::int32_t> thresholds;
  for (const ColumnValues& column : columns) thresholds.push_back((*column.data)[0]);
  std::sort(thresholds.begin(), thresholds.end());
  if (thresholds.front() < -1) return {};  // not from a compiler; the loop would overflow
  // One is kept in any case: no thresholds at all mean that this is no counter.
  while (thresholds.size() > 1 && thresholds.back() == std::numeric_limits<std::int32_t>::max()) {
    thresholds.pop_back();
  }
  return thresholds;
}

}  // namespace procgraph
