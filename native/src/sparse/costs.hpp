#pragma once

#include <algorithm>

namespace procgraph::cost {

// What the choice between ways of storing and delivering weighs: nanoseconds on one core of a Zen 5
// server, measured with `pg_bench_delivery formats` and native/bench/masks.cpp.

/// A byte of a table: 10 GB/s, about what a core has where all cores of a machine read memory.
constexpr double kByte = 0.1;

/// A synapse that takes one core so long, and so many bytes of memory.
constexpr double synapse(double alone, double bytes) {
  return std::max(alone, bytes * kByte);
}

// A synapse more in a segment of each format, and a segment, whose begin comes from memory.
constexpr double kPacked = synapse(0.54, 4);
constexpr double kIndex16 = synapse(0.31, 2);
constexpr double kIndex32 = synapse(0.40, 4);
constexpr double kBook = synapse(0.68, 4);
constexpr double kWide = synapse(0.62, 8);
constexpr double kSegment = 22.0;

// Of a ring of sums: a row of synapses, and taking a sum once a step. Measured with bench/ring.py
// on a Cascade Lake server, in the ratio to a segment there.
constexpr double kRow = 20.0;
constexpr double kTake = 0.28;
/// A synapse, which goes to one of so many bytes of sums: in the second cache, or behind it.
constexpr double scatter(double bytes) {
  return bytes < 1 << 20 ? 2.5 : 3.7;
}

/// Share of the sources that is assumed to fire in a step: 10 Hz at 0.1 ms.
constexpr double kActive = 0.001;

}  // namespace procgraph::cost
