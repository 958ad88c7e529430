// Delivery from rows of bits next to delivery from indices, over densities and spikes a step: ns a
// synaptic event. PROCGRAPH_ISA chooses the instruction set. Usage: pg_bench_masks [targets]
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "builder.hpp"
#include "kernels/isa.hpp"
#include "measure.hpp"
#include "os/memory.hpp"

using namespace procgraph;

namespace {

constexpr std::size_t kRows = 10000;

struct Rows {
  std::size_t words;
  os::Pages bits;
  std::vector<std::uint32_t> segments;  // header and two indices a word
  std::vector<std::size_t> begin;

  Rows(std::size_t targets, double density)
      : words((targets + 511) / 512 * 8), bits((kRows + 1) * words * sizeof(std::uint64_t)) {
    Sequence random(7);
    const auto limit = static_cast<std::int64_t>(density * 65536);
    std::vector<std::uint16_t> found;
    for (std::size_t r = 0; r < kRows; ++r) {
      found.clear();
      for (std::size_t i = 0; i < targets; ++i) {
        if (random.below(65536) >= limit) continue;
        bits.as<std::uint64_t>()[r * words + i / 64] |= std::uint64_t{1} << (i % 64);
        found.push_back(static_cast<std::uint16_t>(i));
      }
      begin.push_back(segments.size());
      segments.insert(segments.end(), {static_cast<std::uint32_t>(found.size()), 0, 3});
      found.push_back(0);
      for (std::size_t i = 0; i + 1 < found.size(); i += 2) {
        segments.push_back(found[i] | static_cast<std::uint32_t>(found[i + 1]) << 16);
      }
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::size_t targets = argc > 1 ? static_cast<std::size_t>(std::atoi(argv[1])) : 12500;
  const Isa& isa = select_isa();
  std::vector<std::uint32_t> sums((targets + 15) / 16 * 16);
  std::printf("%s, %zu targets: ns an event from bits / indices\n density", isa.name, targets);
  const std::size_t together[] = {1, 2, 4, 8, 16, 44, 200};
  for (const std::size_t spikes : together) std::printf("  %6zu spikes", spikes);
  std::printf("\n");
  for (const double density : {0.01, 0.03, 0.05, 0.1, 0.3}) {
    Rows rows(targets, density);
    std::printf("%8.2f", density);
    for (const std::size_t spikes : together) {
      Sequence random(3);
      const std::size_t steps = 2000 / spikes + 5;
      std::vector<std::size_t> fired;
      for (std::size_t i = 0; i < steps * spikes; ++i) {
        fired.push_back(static_cast<std::size_t>(random.below(kRows)));
      }
      const auto masks = measure(5, [&] {
        std::vector<const std::uint64_t*> due;
        for (std::size_t s = 0; s < steps; ++s) {
          due.clear();
          for (std::size_t i = 0; i < spikes; ++i) {
            due.push_back(rows.bits.as<std::uint64_t>() + fired[s * spikes + i] * rows.words);
          }
          const std::size_t count = due.size();
          while (due.size() % 8 != 0) {
            due.push_back(rows.bits.as<std::uint64_t>() + kRows * rows.words);
          }
          isa.loops->add_masks(sums.data(), due.data(), count, sums.size() / 16, 3);
        }
      });
      const auto indices = measure(5, [&] {
        std::vector<SegmentCursor> due;
        for (std::size_t s = 0; s < steps; ++s) {
          due.clear();
          for (std::size_t i = 0; i < spikes; ++i) {
            const std::uint32_t* at = rows.segments.data() + rows.begin[fired[s * spikes + i]];
            due.push_back({at, at[0], 1});
          }
          isa.loops->deliver_index16(sums.data(), due.data(), due.size());
        }
      });
      const double events =
          static_cast<double>(steps * spikes) * density * static_cast<double>(targets);
      std::printf("    %4.2f / %4.2f", masks.least.processor / events * 1e9,
                  indices.least.processor / events * 1e9);
    }
    std::printf("\n");
  }
}
