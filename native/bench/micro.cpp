// Costs of the engine on one thread; prints medians. Usage: pg_bench [repetitions]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "graphs.hpp"
#include "procgraph/engine.hpp"
#include "sample_kernels.hpp"

using namespace procgraph;

namespace {

int repetitions = 15;

template <class Work>
double median_ns(Work&& work) {
  std::vector<double> times;
  for (int i = 0; i < repetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void report(const char* what, double value, const char* unit) {
  std::cout << what << ": " << value << " " << unit << std::endl;
}

/// Nothing happens in these processes: what is left is the engine itself.
void empty_processes() {
  constexpr int kPairs = 100;
  Builder b;
  std::vector<int> order;
  for (int i = 0; i < kPairs; ++i) {
    const std::string number = std::to_string(1000 + i);
    order.push_back(b.node(dense(b, "n" + number + "a", 4, 4, std::vector<float>(16, 0.1f), 1)));
    order.push_back(b.node(lif(b, "n" + number + "b", 4)));
    b.join({.src = 2 * i, .dst = 2 * i + 1});
    if (i > 0) b.join({.src = 2 * i - 1, .dst = 2 * i});
  }
  for (const int node : order) b.schedule(node);
  Engine engine(b.load());
  const double ns = median_ns([&] { engine.run(2000); });
  report("empty-handed process", ns / 2000 / (2 * kPairs), "ns/step");
}

void dense_to_lif() {
  constexpr std::int64_t kN = 1000;
  Sequence random(1);
  Builder b;
  std::vector<float> weights;
  for (std::int64_t i = 0; i < kN * kN; ++i) weights.push_back(random.real() * 0.01f);
  const int a = b.node(bernoulli(b, "a", kN, 0.1));
  const int d = b.node(dense(b, "d", kN, kN, weights, 1));
  const int l = b.node(lif(b, "l", kN));
  b.join({.src = a, .dst = d});
  b.join({.src = d, .dst = l});
  for (const int node : {a, d, l}) b.schedule(node);
  Engine engine(b.load());
  const double ns = median_ns([&] { engine.run(1000); });
  report("1000 x 1000 Dense -> LIF, 10 % active, with Bernoulli source", ns / 1000 / 1000,
         "us/step");
  Builder s;
  s.node(bernoulli(s, "a", kN, 0.1));
  s.schedule(0);
  Engine source(s.load());
  const double alone = median_ns([&] { source.run(1000); });
  report("of which the source", alone / 1000 / 1000, "us/step");
}

void independent_neurons() {
  constexpr std::int64_t kN = 1'000'000;
  Builder b;
  b.node(lif(b, "l", kN));
  b.schedule(0);
  Engine engine(b.load());
  const double ns = median_ns([&] { engine.run(20); });
  report("10^6 independent LIF", ns / 20 / kN, "ns/neuron step");
  Array v = engine.read("l", "state", "v");
  report("10^6 floats read", median_ns([&] { v = engine.read("l", "state", "v"); }) / 1e6, "ms");
  const ArrayView view{v.dtype, v.shape, v.data.get()};
  report("10^6 floats written", median_ns([&] { engine.write("l", "state", "v", view); }) / 1e6,
         "ms");
}

void draws() {
  constexpr std::int64_t kN = 1'000'000;
  Builder b;
  b.node(bernoulli(b, "a", kN, 0.01));
  b.schedule(0);
  Engine engine(b.load());
  report("10^6 Bernoulli draws", median_ns([&] { engine.run(5); }) / 5 / kN, "ns/draw");
}

void weights_written() {
  constexpr std::int64_t kN = 1000;
  Builder b;
  NodeSpec node = dense(b, "d", kN, kN, std::vector<float>(kN * kN, 0.001f), 1);
  b.node(node);
  b.schedule(0);
  Engine engine(b.load());
  Array w = engine.read("d", "weights", "");
  const ArrayView view{w.dtype, w.shape, w.data.get()};
  report("10^6 weights written", median_ns([&] { engine.write("d", "weights", "", view); }) / 1e6,
         "ms");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) repetitions = std::max(1, std::atoi(argv[1]));
  register_sample_kernels();
  std::cout << "instruction set: " << best_isa() << std::endl;
  empty_processes();
  dense_to_lif();
  independent_neurons();
  draws();
  weights_written();
}
