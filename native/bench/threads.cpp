// What more threads bring, and what they cost where they bring nothing. Wall time; the program also
// tells how many processors were free meanwhile. Usage: pg_threads [repetitions [threads...]]
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "graphs.hpp"
#include "measure.hpp"
#include "models.hpp"
#include "procgraph/engine.hpp"
#include "sample_kernels.hpp"

using namespace procgraph;

namespace {

struct Case {
  const char* name;
  std::shared_ptr<const Program> program;
  int steps;
  double units;  // neurons or nodes
};

Case population(const char* name, const Model& model, int steps) {
  Builder b;
  b.node(node_of(b, "p", model));
  b.schedule(0);
  return {name, b.load(), steps, static_cast<double>(model.n)};
}

Case background(const char* name, std::int64_t n, std::int64_t delay, int steps) {
  return {name, background_program(n, delay), steps, static_cast<double>(n)};
}

/// Too small to be shared: threads may only not make it slower.
Case chain() {
  constexpr int kPairs = 100;
  Builder b;
  for (int i = 0; i < kPairs; ++i) {
    const std::string number = std::to_string(1000 + i);
    b.node(dense(b, "n" + number + "a", 4, 4, std::vector<float>(16, 0.1f), 1));
    b.node(lif(b, "n" + number + "b", 4));
    b.join({.src = 2 * i, .dst = 2 * i + 1});
    if (i > 0) b.join({.src = 2 * i - 1, .dst = 2 * i});
  }
  for (int node = 0; node < 2 * kPairs; ++node) b.schedule(node);
  return {"chain of 200 tiny nodes, ns a node", b.load(), 1000, 2.0 * kPairs};
}

/// Processors that a second thread found free: 1 ... 2, for two busy loops of equal length.
double free_processors(int threads) {
  const auto work = [] {
    volatile double x = 1;
    for (int i = 0; i < 20'000'000; ++i) x = x * 1.0000001;
  };
  const double alone = measure(5, work).least.wall;
  const double together = measure(5, [&] {
                            std::vector<std::jthread> others;
                            for (int t = 1; t < threads; ++t) others.emplace_back(work);
                            work();
                          }).median.wall;
  return threads * alone / together;
}

void compare_threads(const Case& each, const std::vector<int>& counts, int repetitions) {
  std::printf("%-40s", each.name);
  double one = 0;
  for (const int threads : counts) {
    Engine engine(each.program, 1, 1, KernelRegistry::process(), EngineOptions{.threads = threads});
    const Times times = measure(repetitions, [&] { engine.run(each.steps); });
    const double scale = 1e9 / (each.units * each.steps);
    if (one == 0) one = times.least.wall;
    std::printf("  %d: %7.3f (%.3f; x%.2f; cpu %.3f)", threads, times.median.wall * scale,
                times.least.wall * scale, one / times.least.wall, times.least.processor * scale);
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  std::vector<int> counts;
  for (int i = 2; i < argc; ++i) counts.push_back(std::atoi(argv[i]));
  if (counts.empty()) counts = {1, 2};
  register_sample_kernels();
  std::printf("medians (minima; factor of minima; least processor time of all threads) of %d, ns\n",
              repetitions);
  const Case cases[] = {
      population("10^6 LIF", lif_model(1'000'000), 20),
      population("10^6 Izhikevich", izhikevich(1'000'000), 20),
      population("77,000 LIF", lif_model(77'000), 200),
      background("77,000 Poisson -> LIF, no delay", 77'000, 0, 100),
      background("77,000 Poisson -> LIF, delay 1", 77'000, 1, 100),
      chain(),
  };
  for (const Case& each : cases) compare_threads(each, counts, repetitions);
  std::printf("processors free for two threads: %.2f\n", free_processors(2));
}
