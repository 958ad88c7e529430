#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/arena.hpp"
#include "engine/lines.hpp"
#include "sparse/builder.hpp"
#include "sparse/member.hpp"
#include "sparse/portion.hpp"

namespace procgraph {

/// Projections of one source with one delay and one weight each, at a density at which a bit a pair
/// takes less time than an index a synapse. The rows of all spikes that are due in a step are
/// counted together. A pair that is joined several times has a bit and, for the rest, entries in a
/// segment of indices (see layout.hpp) that lies before the row, so that they come in together.
class BitmaskTable {
 public:
  /// True if all can be stored so, and are delivered faster than from `Format::index16`.
  static bool pays(std::span<const Member> members, std::int32_t n_pre, const HotLoops& loops);

  BitmaskTable(const std::vector<Member>& members, std::int32_t n_pre, const Cuts& cuts,
               const HotLoops& loops, const BuildOptions& options);

  bool reaches(std::size_t part) const;
  /// Adds what is due in `step` to one partition; concurrently for different ones.
  void deliver(const EventRing& events, std::int64_t step, std::size_t lanes, std::size_t part,
               const Arena& arena, Portion portion);
  std::size_t bytes() const;

 private:
  struct alignas(kLineBytes) Part {
    std::uint64_t begin = 0;  ///< positions in the arena
    std::uint64_t end = 0;
    std::uint32_t weight = 0;
    std::size_t words = 0;  ///< of a row: whole blocks
    std::size_t front = 0;  ///< of the segment before it: whole lines
    os::Pages memory;       ///< a row for each source, then one of zeros
    /// What segments have no room for, by source.
    std::map<std::size_t, std::vector<std::int32_t>> rest;
    // Of the spikes at hand:
    LineVector<const std::uint64_t*> rows;
    LineVector<SegmentCursor> segments;

    std::uint64_t* row(std::size_t source) const {
      return memory.as<std::uint64_t>() + source * (front + words) + front;
    }
    std::uint32_t* segment(std::size_t source) const {
      return reinterpret_cast<std::uint32_t*>(row(source) - front);
    }
    bool narrow() const { return end - begin <= 65536; }  ///< indices of 16 bits
    std::size_t index_bytes() const {
      return narrow() ? sizeof(std::uint16_t) : sizeof(std::uint32_t);
    }
  };
  /// What has one delay and one weight.
  struct Matrix {
    Slot slot;
    std::vector<const Member*> members;  ///< while it is built
    std::vector<Part> parts;
  };
  struct Extra {
    std::uint32_t source;
    std::int32_t target;
    Part* part;
  };
  using Extras = std::vector<std::vector<Extra>>;

  void add_parts(Matrix& matrix, const Cuts& cuts) const;
  std::vector<Extra> set_bits(SourceRange sources);
  void make_room(Part& part, const Extras& found) const;
  static void store(const Extra& extra);
  void take(const EventList& due, Part& part, std::uint32_t* sums) const;
  void add_rows(Part& part, std::uint32_t* sums) const;
  void fetch_next(const EventRing& events, std::int64_t step, std::size_t lane) const;
  void add_extras(Part& part, std::uint32_t* sums) const;
  static void add_each(const Part& part, std::size_t source, std::uint32_t value,
                       std::uint32_t* sums);

  std::size_t n_pre_;
  const HotLoops& loops_;
  std::vector<Matrix> matrices_;
};

}  // namespace procgraph
