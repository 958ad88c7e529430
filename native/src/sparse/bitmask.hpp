#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/lines.hpp"
#include "sparse/builder.hpp"
#include "sparse/member.hpp"
#include "sparse/portion.hpp"

namespace procgraph {

/// Projections of one source with one delay and one weight each, at a density at which a bit a pair
/// takes less time than an index a synapse. The rows of all spikes that are due in a step are
/// counted together. A pair that is joined several times has a bit and, for the rest, entries in a
/// list.
class BitmaskTable {
 public:
  /// True if all can be stored so, and are delivered faster than from `Format::index16`.
  static bool pays(std::span<const Member> members, std::int32_t n_pre, const HotLoops& loops);

  BitmaskTable(const std::vector<Member>& members, std::int32_t n_pre, const Cuts& cuts,
               const HotLoops& loops, const BuildOptions& options);

  bool reaches(std::size_t part) const;
  /// Adds what is due in `step` to one partition; concurrently for different ones.
  void deliver(const EventRing& events, std::int64_t step, std::size_t lanes, std::size_t part,
               std::uint32_t* arena, std::size_t stride, Portion portion);
  std::size_t bytes() const;

 private:
  struct alignas(kLineBytes) Part {
    std::uint64_t begin = 0;  ///< positions in the arena
    std::uint64_t end = 0;
    std::size_t words = 0;                   ///< of a row: whole blocks
    os::Pages bits;                          ///< a row for each source, then one of zeros
    std::vector<std::uint32_t> extra_begin;  ///< by source
    std::vector<std::int32_t> extras;
    LineVector<const std::uint64_t*> rows;  ///< of the spikes at hand

    std::uint64_t* row(std::size_t source) const {
      return bits.as<std::uint64_t>() + source * words;
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

  void add_parts(Matrix& matrix, const Cuts& cuts) const;
  std::vector<Extra> set_bits(SourceRange sources);
  void list_extras(const std::vector<std::vector<Extra>>& found);
  void deliver(const EventList& due, Part& part, std::uint32_t weight, std::uint32_t* sums) const;
  void fetch_next(const EventRing& events, std::int64_t step, std::size_t lane) const;
  void prefetch_extras(const Part& part, const EventList& due) const;
  void add_each(const Part& part, std::size_t source, std::uint32_t value,
                std::uint32_t* sums) const;

  std::size_t n_pre_;
  const HotLoops& loops_;
  std::vector<Matrix> matrices_;
};

}  // namespace procgraph
