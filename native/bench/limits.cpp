// What the engine takes beside loops with the same arithmetic and nothing around them, measured in
// turns. Nanoseconds of processor time. Usage: pg_limits [repetitions]
#include <cmath>
#include <cstdlib>
#include <string>

#include "graphs.hpp"
#include "kernels/count_table.hpp"
#include "kernels/isa.hpp"
#include "measure.hpp"
#include "models.hpp"
#include "procgraph/engine.hpp"

using namespace procgraph;

namespace {

int repetitions = 15;

/// A kernel's loop over arrays, without an engine.
class Bare {
 public:
  explicit Bare(const Model& model) : model_(model), fn_(builtin_kernel(model.kernel).fn) {
    for (const Values& column : model.columns) {
      columns_.emplace_back(PG_KERNEL_CHUNK, column.bits());
    }
    const auto n = static_cast<std::size_t>(model.n);
    if (model.kernel == "PoissonSource") {
      std::vector<std::int32_t> thresholds;
      for (const Values& column : model.columns) {
        if (column.bits() != INT32_MAX) thresholds.push_back(column.bits());
      }
      counted_ = Thresholds(thresholds);
    }
    for (const Values& state : model.states) states_.emplace_back(n, state.bits());
    zeros_.resize(PG_KERNEL_CHUNK);
    out_.resize(PG_KERNEL_CHUNK);
    draws_.resize(PG_KERNEL_CHUNK);
  }

  void run(int steps) {
    for (int k = 0; k < steps; ++k) step(k);
  }

 private:
  void step(int k) {
    const HotLoops& loops = *select_isa().loops;
    std::vector<const void*> columns;
    for (const auto& column : columns_) columns.push_back(column.data());
    std::vector<void*> states(states_.size());
    const void* inputs[] = {zeros_.data()};
    const float scales[] = {1.0f};
    void* outputs[] = {out_.data()};
    const std::int32_t* draws[] = {draws_.data()};
    for (std::int64_t begin = 0; begin < model_.n; begin += PG_KERNEL_CHUNK) {
      const std::int64_t n = std::min<std::int64_t>(PG_KERNEL_CHUNK, model_.n - begin);
      for (std::size_t s = 0; s < states.size(); ++s) states[s] = states_[s].data() + begin;
      const DrawStream stream{1, 2, static_cast<std::uint64_t>(k), 0};
      const auto block = static_cast<std::uint32_t>(begin / 8);
      const auto size = static_cast<std::size_t>(n);
      if (!counted_.empty()) {
        loops.draw_counts(stream, block, size, counted_.table(), out_.data());
        continue;
      }
      if (model_.draws > 0) loops.draw_values(stream, block, size, draws_.data());
      const pg_kernel_args args{n,      1,      columns.data(), states.data(),
                                inputs, scales, outputs,        draws};
      fn_(&args);
    }
  }

  const Model& model_;
  pg_kernel_fn fn_;
  std::vector<std::vector<std::int32_t>> columns_;
  std::vector<std::vector<std::int32_t>> states_;
  Thresholds counted_;
  std::vector<std::int32_t> zeros_;
  std::vector<std::int32_t> out_;
  std::vector<std::int32_t> draws_;
};

void population(const char* what, const Model& model, int steps) {
  Builder b;
  b.node(node_of(b, "p", model));
  b.schedule(0);
  Engine engine(b.load());
  Bare bare(model);
  const Times own = measure(repetitions, [&] { engine.run(steps); });
  const Times limit = measure(repetitions, [&] { bare.run(steps); });
  compare(what, own, limit, static_cast<double>(model.n) * steps);
  const Stats stats = engine.stats();
  std::printf("    %.4f events an element and step\n",
              static_cast<double>(stats.nodes.at("p").events) /
                  static_cast<double>(model.n * engine.step()));
}

/// Beside the loops of source and neurons, each with its own kernel.
void background(const char* what, std::int64_t n, std::int64_t delay, int steps) {
  Engine engine(background_program(n, delay));
  const Model source = poisson(n, 1.6);
  const Model neurons = lif_model(n);
  Bare drive(source);
  Bare update(neurons);
  const Times own = measure(repetitions, [&] { engine.run(steps); });
  const Times limit = measure(repetitions, [&] {
    drive.run(steps);
    update.run(steps);
  });
  compare(what, own, limit, static_cast<double>(n) * steps);
}

void draws() {
  constexpr std::size_t kDraws = PG_KERNEL_CHUNK;
  constexpr int kCalls = 20'000;
  const HotLoops& loops = *select_isa().loops;
  std::vector<std::int32_t> out(kDraws);
  std::vector<std::uint32_t> sums(kDraws);
  std::vector<std::uint32_t> waiting(kDraws);
  const double scale = 1e9 / (static_cast<double>(kDraws) * kCalls);
  const auto report = [&](const char* what, const Times& times) {
    std::printf("%-44s %.3f (%.3f)\n", what, times.median.processor * scale,
                times.least.processor * scale);
  };
  report("31-bit numbers, ns each", measure(repetitions, [&] {
           for (std::uint32_t i = 0; i < kCalls; ++i)
             loops.draw_values({1, 2, 3, 0}, i, kDraws, out.data());
         }));
  for (const double mean : {0.16, 1.6, 2.0, 8.0}) {
    std::vector<std::int32_t> limits;
    for (const Values& column : poisson(1, mean).columns) {
      if (column.bits() != INT32_MAX) limits.push_back(column.bits());
    }
    const Thresholds thresholds(limits);
    const std::string what = "Poisson counts of mean " + std::to_string(mean) + ", ns each";
    report(what.c_str(), measure(repetitions, [&] {
             for (std::uint32_t i = 0; i < kCalls; ++i)
               loops.draw_counts({1, 2, 3, 0}, i, kDraws, thresholds.table(), out.data());
           }));
    report("  times a weight, added, ns each", measure(repetitions, [&] {
             for (std::uint32_t i = 0; i < kCalls; ++i)
               loops.draw_products({1, 2, 3, 0}, i, kDraws, thresholds.table(), 7, sums.data(),
                                   waiting.data());
           }));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) repetitions = std::max(1, std::atoi(argv[1]));
  std::printf("instruction set %s; medians (minima) of %d\n", best_isa(), repetitions);
  draws();
  population("10^6 LIF, ns a neuron step", lif_model(1'000'000), 20);
  population("10^6 Izhikevich", izhikevich(1'000'000), 20);
  population("77,000 LIF", lif_model(77'000), 100);
  population("77,000 Izhikevich", izhikevich(77'000), 100);
  population("10^6 Poisson(1.6), events listed", poisson(1'000'000, 1.6), 5);
  population("77,000 Poisson(1.6)", poisson(77'000, 1.6), 50);
  background("77,000 Poisson -> one-to-one -> LIF", 77'000, 0, 50);
  background("the same, delay 1", 77'000, 1, 50);
}
