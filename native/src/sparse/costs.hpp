#pragma once

namespace procgraph::cost {

// What the choice between ways of storing and delivering weighs: nanoseconds on one core of a Zen 5
// server, measured with `pg_bench_delivery formats` and native/bench/masks.cpp.

// A synapse more in a segment of each format, and a segment, whose begin comes from memory.
constexpr double kPacked = 0.54;
constexpr double kIndex16 = 0.31;
constexpr double kIndex32 = 0.40;
constexpr double kBook = 0.68;
constexpr double kWide = 0.62;
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
