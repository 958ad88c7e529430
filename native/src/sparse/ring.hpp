#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/arena.hpp"
#include "engine/events.hpp"
#include "procgraph/storage.hpp"
#include "sparse/builder.hpp"
#include "sparse/member.hpp"

namespace procgraph {

/// Rows of synapses in a time order that would leave few to a segment. A spike adds all of its
/// synapses at once, each to the sums of the step in which it is due: there is a row of sums for
/// every step up to the longest delay, no more.
class RingTable {
 public:
  /// True if that is faster than delivering each segment when it is due. PROCGRAPH_RING says 1 or
  /// 0, so that tests reach both with any graph.
  static bool pays(std::span<const Member> members, std::int32_t n_pre, std::size_t lanes);

  /// Takes the synapses from rows of `Format::wide`; `longest` is the largest delay. Spikes are
  /// taken up `lag` steps after they were emitted, no more than the smallest delay.
  RingTable(const std::vector<Rows>& rows, std::int32_t lag, std::int32_t longest,
            std::size_t lanes, const HotLoops& loops);

  /// Empties the sums.
  void reset();
  /// Takes up what was emitted before step - lag, as far as it is still due.
  void restart(const EventRing& events, std::int64_t step);
  bool reaches(std::size_t part) const { return parts_[part].width != 0; }
  /// Fetches what `deliver` will need first, in a range that is reached.
  void prepare(const EventRing& events, std::int64_t step, std::size_t part) const;
  /// Takes up what was emitted `lag` steps before and adds what is due in `step` to one partition;
  /// concurrently for different ones.
  void deliver(const EventRing& events, std::int64_t step, std::size_t part, const Arena& arena);
  std::size_t bytes() const;
  StorageFormat format() const { return constant_ ? StorageFormat::index32 : StorageFormat::wide; }

 private:
  struct alignas(kLineBytes) Part {
    std::uint64_t base = 0;            ///< position of the first sum in the arena
    std::uint32_t width = 0;           ///< sums of a step: whole lines
    std::vector<std::uint64_t> begin;  ///< by source, and the end
    os::Pages places;                  ///< (delay - 1) * width + target
    os::Pages weights;                 ///< empty if all are the same
    os::Pages sums;                    ///< by lane and step

    std::uint32_t total(std::uint32_t slots) const { return slots * width; }
  };

  void fill(Part& part, const Rows& rows) const;
  std::uint32_t* sums(const Part& part, std::size_t lane) const {
    return part.sums.as<std::uint32_t>() + lane * part.total(slots_);
  }
  std::uint32_t slot(std::int64_t step) const { return static_cast<std::uint32_t>(step % slots_); }
  void scatter(const EventList& fresh, const Part& part, std::uint32_t first,
               std::uint32_t* sums) const;
  void scatter_late(const EventList& events, std::int64_t emitted, std::int64_t step,
                    const Part& part, std::uint32_t* sums) const;

  std::int32_t lag_;
  std::uint32_t slots_;
  std::size_t lanes_;
  const HotLoops& loops_;
  bool constant_ = true;
  std::uint32_t weight_ = 0;
  std::vector<Part> parts_;
};

}  // namespace procgraph
