#include "kernels/count_table.hpp"

#include <algorithm>

namespace procgraph {
namespace {

/// Ranges of y by its exponent and the upper `bits` of its mantissa, as many as a table has. False
/// where a range holds several limits; the lowest may, because few draws get there.
bool tabulate(CountTable& table, const std::vector<std::uint32_t>& limits, int bits) {
  constexpr int kExponents = 31;  // of 31-bit numbers
  const int first = kExponents - (static_cast<int>(CountTable::kRanges) >> bits);
  for (int exponent = first; exponent < kExponents; ++exponent) {
    for (std::uint32_t part = 0; part < 1u << bits; ++part) {
      const std::uint32_t width = 1u << (exponent - bits);
      const std::uint32_t low = (1u << exponent) + part * width;
      const std::uint32_t high = low + width;
      const bool lowest = exponent == first && part == 0;
      // Limits descend.
      const auto above = static_cast<std::size_t>(
          std::find_if(limits.begin(), limits.end(), [=](auto x) { return x < high; }) -
          limits.begin());
      const auto end =
          static_cast<std::size_t>(std::find_if(limits.begin(), limits.end(),
                                                [=](auto x) { return x <= (lowest ? 0 : low); }) -
                                   limits.begin());
      if (!lowest && end > above + 1) return false;
      const std::size_t slot = ((static_cast<std::uint32_t>(exponent + 127) << bits) | part) %
                               static_cast<std::uint32_t>(CountTable::kRanges);
      table.limit[slot] = end > above ? limits[above] : 0;
      table.base[slot] = static_cast<std::uint32_t>(above);
      if (lowest) {
        table.lowest = low;
        table.usual = static_cast<std::uint32_t>(end > above + 1 ? above + 1 : limits.size() + 1);
      }
    }
  }
  table.shift = static_cast<std::uint32_t>(23 - bits);
  return true;
}

}  // namespace

CountTable make_count_table(const std::vector<std::int32_t>& thresholds) {
  std::vector<std::uint32_t> limits;
  for (const std::int32_t threshold : thresholds) {
    limits.push_back(static_cast<std::uint32_t>(INT32_MAX) - static_cast<std::uint32_t>(threshold));
  }
  CountTable table;
  table.thresholds = thresholds.data();
  table.count = thresholds.size();
  table.tabulated = tabulate(table, limits, 1) || tabulate(table, limits, 2);
  return table;
}

}  // namespace procgraph
