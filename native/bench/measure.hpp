#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

/// Seconds of this OS process: on its processors, or on the wall.
struct Taken {
  double processor;
  double wall;
};

template <class Work>
Taken once(Work&& work) {
  const auto wall = std::chrono::steady_clock::now();
  const std::clock_t processor = std::clock();
  work();
  const std::clock_t used = std::clock() - processor;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - wall;
  return {static_cast<double>(used) / CLOCKS_PER_SEC, took.count()};
}

/// Medians and minima of several runs.
struct Times {
  Taken median;
  Taken least;
};

template <class Work>
Times measure(int repetitions, Work&& work) {
  std::vector<double> processor;
  std::vector<double> wall;
  work();
  for (int i = 0; i < repetitions; ++i) {
    const Taken taken = once(work);
    processor.push_back(taken.processor);
    wall.push_back(taken.wall);
  }
  std::sort(processor.begin(), processor.end());
  std::sort(wall.begin(), wall.end());
  const std::size_t middle = wall.size() / 2;
  return {{processor[middle], wall[middle]}, {processor[0], wall[0]}};
}

/// One line: nanoseconds a unit of what the engine and what the bare loop takes on the processor
/// (medians, then minima), and their ratio.
inline void compare(const char* what, const Times& engine, const Times& bare, double units) {
  const double scale = 1e9 / units;
  std::printf("%-44s engine %7.3f (%.3f)  limit %7.3f (%.3f)  ratio %.2f (%.2f)\n", what,
              engine.median.processor * scale, engine.least.processor * scale,
              bare.median.processor * scale, bare.least.processor * scale,
              engine.median.processor / bare.median.processor,
              engine.least.processor / bare.least.processor);
  std::fflush(stdout);
}
