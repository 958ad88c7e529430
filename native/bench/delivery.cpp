// Sparse delivery at the size of a cortical microcircuit (Potjans & Diesmann 2014), next to the
// bare loop that it cannot beat. Usage: pg_bench_delivery [scale of the in-degrees] [threads]
// [steps], or pg_bench_delivery formats: what a synapse and a segment cost in each format.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "graphs.hpp"
#include "kernels/isa.hpp"
#include "os/memory.hpp"
#include "procgraph/engine.hpp"
#include "sample_kernels.hpp"

using namespace procgraph;

namespace {

constexpr std::size_t kPopulations = 8;
constexpr std::array<std::int64_t, kPopulations> kSizes = {20683, 5834, 21915, 5479,
                                                           4850,  1065, 14395, 2948};
constexpr std::array<double, kPopulations> kRates = {0.9, 2.9, 4.4, 5.9, 7.3, 8.4, 1.1, 7.8};  // Hz
/// Connection probability [target][source].
constexpr double kProbability[kPopulations][kPopulations] = {
    {0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0},
    {0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0},
    {0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0},
    {0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0},
    {0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0},
    {0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0},
    {0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252},
    {0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443}};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double normal_quantile(double p) {
  double low = -9;
  double high = 9;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < p ? low : high) = middle;
  }
  return low;
}

/// 65536 equally likely values of a normal distribution, on a grid and not below `low`.
std::vector<float> normal_table(double mean, double sd, double grid, double low) {
  std::vector<float> out;
  const double tail = std::erfc(-(low - mean) / sd / std::sqrt(2.0)) / 2;
  for (int i = 0; i < 65536; ++i) {
    const double p = tail + (i + 0.5) / 65536 * (1 - tail);
    out.push_back(static_cast<float>(std::rint((mean + sd * normal_quantile(p)) / grid) * grid));
  }
  return out;
}

std::int64_t synapses_of(std::size_t target, std::size_t source, double scale) {
  const double p = kProbability[target][source];
  const double pairs = static_cast<double>(kSizes[target]) * static_cast<double>(kSizes[source]);
  return std::llrint(scale * std::log(1 - p) / std::log(1 - 1 / pairs));
}

/// The compiler's bound: at most this many synapses a target, of the largest weight.
std::int64_t scale_of(std::size_t target, double scale, double largest_e, double largest_i) {
  double worst = 0;
  for (std::size_t s = 0; s < kPopulations; ++s) {
    if (synapses_of(target, s, scale) == 0) continue;
    const double mean =
        static_cast<double>(synapses_of(target, s, scale)) / static_cast<double>(kSizes[target]);
    const double most = std::ceil(mean + 10 * std::sqrt(mean) + 10);
    worst += most * (s % 2 != 0 ? largest_i : s == 2 && target == 0 ? 2 * largest_e : largest_e);
  }
  return static_cast<std::int64_t>(std::floor(std::log2(2147483647.0 / worst)));
}

struct Microcircuit {
  Builder builder;
  double events_per_step = 0;
  std::int64_t synapses = 0;
};

/// Sources with the published rates that repeat every 1000 steps of 0.1 ms; idle neurons as
/// targets.
Microcircuit microcircuit(double scale, bool connected) {
  constexpr std::int64_t kCycle = 1000;
  Microcircuit out;
  Builder& b = out.builder;
  Sequence random(1);
  std::vector<int> order;
  std::vector<int> sources;
  std::vector<int> synapses;
  std::vector<int> targets;
  std::array<double, kPopulations> spikes{};
  for (std::size_t i = 0; i < kPopulations; ++i) {
    std::vector<Event> events;
    const auto count = std::llrint(kRates[i] * static_cast<double>(kSizes[i]) * 0.1);
    for (std::int64_t e = 0; e < count; ++e) {
      events.push_back(
          {random.below(kCycle), static_cast<std::int32_t>(random.below(kSizes[i])), 1});
    }
    std::sort(events.begin(), events.end(), [](const Event& x, const Event& y) {
      return x.tick != y.tick ? x.tick < y.tick : x.index < y.index;
    });
    spikes[i] = static_cast<double>(count) / kCycle;
    sources.push_back(
        b.node(event_source(b, "a" + std::to_string(i), kSizes[i], events, 1, kCycle)));
  }
  const auto weights_e = normal_table(87.8, 8.78, 1.0 / 16, 0.0);
  auto doubled = normal_table(175.6, 17.56, 1.0 / 16, 0.0);
  auto weights_i = normal_table(4 * 87.8, 35.12, 1.0 / 16, 0.0);
  const double largest_e = weights_e.back();
  const double largest_i = weights_i.back();
  for (float& w : weights_i) w = -w;
  const auto steps = [](const std::vector<float>& values) {
    return std::vector<std::int32_t>(values.begin(), values.end());
  };
  const std::array<int, 3> weight_tensors = {b.tensor(weights_e), b.tensor(weights_i),
                                             b.tensor(doubled)};
  const std::array<int, 2> delay_tensors = {b.tensor(steps(normal_table(15, 7.5, 1.0, 1.0))),
                                            b.tensor(steps(normal_table(7.5, 3.75, 1.0, 1.0)))};
  const int none = b.tensor(std::vector<float>());
  for (std::size_t t = 0; t < kPopulations && connected; ++t) {
    for (std::size_t s = 0; s < kPopulations; ++s) {
      const std::int64_t count = synapses_of(t, s, scale);
      if (count == 0) continue;
      out.synapses += count;
      out.events_per_step +=
          static_cast<double>(count) * spikes[s] / static_cast<double>(kSizes[s]);
      NodeSpec node = synapse("s" + std::to_string(t) + std::to_string(s), "sparse", kSizes[s],
                              kSizes[t], scale_of(t, scale, largest_e, largest_i));
      node.inputs[0].limit = 1;
      node.attr_count = 11;
      const int w = weight_tensors[s % 2 != 0 ? 1 : s == 2 && t == 0 ? 2 : 0];
      node.attrs = [=](Packer& p) {
        p.field("n_pre", kSizes[s]).field("n_post", kSizes[t]).text("rule", "fixed_total");
        p.str("key").uint64(t * 100 + s).field("count", count);
        p.str("multapses").boolean(true).str("autapses").boolean(true);
        p.field("synapses", count).field("weights", none).field("weight_table", w);
        p.field("delay_table", delay_tensors[s % 2]);
      };
      synapses.push_back(b.node(node));
      b.join({.src = sources[s], .dst = synapses.back()});
    }
  }
  for (std::size_t t = 0; t < kPopulations; ++t) {
    targets.push_back(b.node(lif(b, "t" + std::to_string(t), kSizes[t], 0.9f, 1e30f, 2,
                                 scale_of(t, scale, largest_e, largest_i))));
  }
  std::size_t next = 0;
  for (std::size_t t = 0; t < kPopulations && connected; ++t) {
    for (std::size_t s = 0; s < kPopulations; ++s) {
      if (synapses_of(t, s, scale) > 0) b.join({.src = synapses[next++], .dst = targets[t]});
    }
  }
  for (const auto* list : {&sources, &synapses, &targets}) {
    for (const int node : *list) b.schedule(node);
  }
  return out;
}

/// CPU seconds a step, the median of several runs.
double step_time(Engine& engine, std::int64_t steps, int repetitions) {
  engine.run(200);
  std::vector<double> times;
  for (int i = 0; i < repetitions; ++i) {
    const double begin = cpu_seconds();
    engine.run(steps);
    times.push_back((cpu_seconds() - begin) / static_cast<double>(steps));
  }
  std::sort(times.begin(), times.end());
  std::cout << "  (best " << times[0] * 1e6 << ", median " << times[times.size() / 2] * 1e6
            << " us/step)\n";
  return times[times.size() / 2];
}

/// Rows sorted by delay in memory, segments of 64 synapses found without any search or queue.
double bare_loop(int repetitions) {
  constexpr std::size_t kRows = 20000;
  constexpr std::size_t kDelays = 60;
  constexpr std::size_t kSegment = 64;
  constexpr std::size_t kSpikes = 25;
  constexpr std::size_t kTargets = 77169;
  const os::Pages memory(kRows * kDelays * kSegment * 4);
  const os::Pages sums_memory(kTargets * 4 + 64);
  auto* rows = memory.as<std::uint32_t>();
  auto* sums = sums_memory.as<std::uint32_t>();
  std::uint64_t state = 1;
  const auto draw = [&](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((state >> 32) * n) >> 32;
  };
  for (std::size_t i = 0; i < kRows * kDelays * kSegment; ++i) {
    rows[i] = static_cast<std::uint32_t>(draw(kTargets) | draw(2000) << 17);
  }
  std::vector<std::size_t> spikes(kDelays * kSpikes);
  for (auto& row : spikes) row = draw(kRows);
  std::vector<double> times;
  for (int r = 0; r < repetitions; ++r) {
    constexpr std::size_t kSteps = 300;
    const double begin = cpu_seconds();
    for (std::size_t k = 0; k < kSteps; ++k) {
      const std::size_t slot = k % kDelays;
      for (std::size_t s = 0; s < kSpikes; ++s) spikes[slot * kSpikes + s] = draw(kRows);
      const auto segment = [&](std::size_t i) {
        const std::size_t age = (slot + kDelays - i / kSpikes) % kDelays;
        return rows + (spikes[i] * kDelays + age) * kSegment;
      };
      for (std::size_t i = 0; i < spikes.size(); ++i) {
        const std::uint32_t* ahead = segment(std::min(i + 6, spikes.size() - 1));
        for (std::size_t line = 0; line < kSegment; line += 16) __builtin_prefetch(ahead + line);
        const std::uint32_t* from = segment(i);
        for (std::size_t m = 0; m < kSegment; ++m) {
          sums[from[m] & 0x1FFFF] +=
              static_cast<std::uint32_t>(static_cast<std::int32_t>(from[m]) >> 17);
        }
      }
    }
    times.push_back((cpu_seconds() - begin) * 1e9 /
                    static_cast<double>(kSteps * spikes.size() * kSegment));
  }
  std::sort(times.begin(), times.end());
  std::cout << "bare loop: best " << times[0] << ", median " << times[times.size() / 2]
            << " ns/event\n";
  return times[times.size() / 2];
}

struct FormatCase {
  const char* name;
  std::size_t header;     // words
  std::size_t per_pair;   // words of two synapses
  std::uint32_t targets;  // that a word, or half of one, can name
};

/// Nanoseconds a segment of `length` synapses: 1000 segments a step, anywhere in 256 MiB, and sums
/// that are read and zeroed after each step as neurons do.
double segment_time(const FormatCase& format, std::size_t length) {
  constexpr std::size_t kWords = std::size_t{1} << 26;
  constexpr std::size_t kSegments = 1000;
  constexpr std::size_t kSteps = 40;
  const HotLoops& loops = *select_isa().loops;
  const std::string name = format.name;
  const os::Pages memory((kWords + 2 * kShortSegment) * 4);  // what is copied of short segments
  const os::Pages sums_memory(std::size_t{77184} * 4);
  auto* words = memory.as<std::uint32_t>();
  auto* sums = sums_memory.as<std::uint32_t>();
  std::uint64_t state = 1;
  const auto draw = [&](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(((state >> 32) * n) >> 32);
  };
  for (std::size_t i = 0; i < kWords; ++i) {
    const std::uint32_t target = draw(format.targets);
    words[i] = name == "index16"                        ? target | draw(format.targets) << 16
               : name == "packed32" || name == "book32" ? target | draw(1 << 15) << 17
                                                        : target;
  }
  std::vector<std::int32_t> book(1 << 15, 1);
  const std::size_t stride = format.header + (length * format.per_pair + 1) / 2;
  std::vector<double> times;
  for (int repetition = 0; repetition < 60; ++repetition) {
    double spent = 0;
    for (std::size_t step = 0; step < kSteps; ++step) {
      std::vector<SegmentCursor> due;
      for (std::size_t i = 0; i < kSegments; ++i) {
        const std::uint32_t* at = words + stride * draw(kWords / stride - 1);
        due.push_back({at, static_cast<std::uint32_t>(length), 1});
      }
      const double begin = cpu_seconds();
      if (name == "packed32") loops.deliver_packed(sums, due.data(), kSegments, 0x1FFFF, 17);
      if (name == "book32")
        loops.deliver_book(sums, due.data(), kSegments, 0x1FFFF, 17, book.data());
      if (name == "index16") loops.deliver_index16(sums, due.data(), kSegments);
      if (name == "index32") loops.deliver_index32(sums, due.data(), kSegments);
      if (name == "wide") loops.deliver_wide(sums, due.data(), kSegments);
      spent += cpu_seconds() - begin;
      std::fill_n(sums, 77184, 0u);
    }
    times.push_back(spent * 1e9 / (kSteps * kSegments));
  }
  return *std::min_element(times.begin(), times.end());
}

void format_times() {
  constexpr FormatCase kCases[] = {{"packed32", 2, 2, 77169},
                                   {"book32", 2, 2, 77169},
                                   {"index16", 3, 1, 65536},
                                   {"index32", 3, 2, 77169},
                                   {"wide", 2, 4, 77169}};
  for (const FormatCase& format : kCases) {
    constexpr std::size_t kShort = 8;
    constexpr std::size_t kLong = 104;
    const double few = segment_time(format, kShort);
    const double many = segment_time(format, kLong);
    const double each = (many - few) / (kLong - kShort);
    std::cout << format.name << ": " << each << " ns a synapse and " << few - kShort * each
              << " ns a segment\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "formats") {
    format_times();
    return 0;
  }
  const double scale = argc > 1 ? std::atof(argv[1]) : 1.0;
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  const std::int64_t steps = argc > 3 ? std::atoll(argv[3]) : 500;
  register_sample_kernels();
  const double limit = bare_loop(7);
  Microcircuit idle = microcircuit(scale, false);
  Engine without(idle.builder.load());
  const double other = step_time(without, steps, 5);
  Microcircuit full = microcircuit(scale, true);
  const auto program = full.builder.load();
  double begin = seconds();
  double cpu = cpu_seconds();
  Engine engine(program, {}, 1, KernelRegistry::process(), {.threads = threads});
  begin = seconds() - begin;
  cpu = cpu_seconds() - cpu;
  std::cout << full.synapses << " synapses built in " << begin << " s (" << cpu << " s of CPU), "
            << static_cast<double>(full.synapses) / cpu / 1e6 << " million a second and core\n";
  double bytes = 0;
  for (const auto& table : engine.storage()) {
    std::cout << "  " << table.source << ": " << table.projections.size() << " projections, "
              << table.format << ", "
              << static_cast<double>(table.bytes) / static_cast<double>(table.synapses)
              << " bytes/synapse\n";
    bytes += static_cast<double>(table.bytes);
  }
  std::cout << bytes / 1e9 << " GB in tables\n";
  const double all = step_time(engine, steps, 7);
  const double event = (all - other) * 1e9 / full.events_per_step;
  std::cout << full.events_per_step << " events/step; all else " << other * 1e6 << " us/step\n"
            << "delivery: " << event << " ns/event, " << event / limit << " of the bare loop\n";
}
