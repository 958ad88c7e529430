#pragma once

#include <cstdint>
#include <vector>

#include "engine/arena.hpp"
#include "engine/lines.hpp"
#include "kernels/hot_loops.hpp"
#include "sparse/layout.hpp"
#include "sparse/portion.hpp"

namespace procgraph {

class DeliveryTable;

using Bucket = LineVector<SegmentCursor>;

/// Spikes by the step in which the next segment of each is due.
class alignas(kLineBytes) Calendar {
 public:
  /// Room for segments up to `longest` steps ahead; none are kept.
  void resize(std::int32_t longest);
  void clear();
  Bucket& due(std::int64_t step) {
    return buckets_[static_cast<std::size_t>(static_cast<std::uint64_t>(step) & mask_)];
  }

 private:
  std::uint64_t mask_ = 0;
  LineVector<Bucket> buckets_;
};

/// Delivers from the rows of all tables that store synapses alike: one calendar for all of them,
/// since a bucket of each would hold too few segments to keep the processor busy.
///
/// Partitions are independent of each other: `deliver` may run for all of them at once.
class RowDelivery {
 public:
  /// `first` is one of them, and says how.
  RowDelivery(DeliveryTable& first, std::size_t partitions, std::size_t lanes,
              const HotLoops& loops);

  bool takes(const DeliveryTable& table) const;
  void add(DeliveryTable& table);
  void reset();
  /// Picks up the spikes that were emitted before `step`, as far as they are still due.
  void restart(std::int64_t step);
  /// Takes up what tables are to take up in `step`, and adds what is due then.
  void deliver(std::int64_t step, std::size_t part, Arena& arena, Portion portion);

 private:
  struct alignas(kLineBytes) Partition {
    std::vector<Calendar> calendars;  // by lane
  };

  void deliver_due(std::int64_t step, std::size_t part, std::size_t lane, Arena& arena);
  void run_segments(Bucket& bucket, std::uint32_t* sums);
  /// Marks the sums that a bucket adds to, for event-driven targets.
  void mark(const Bucket& bucket, std::uint64_t base, LineMask* lines) const;
  void forward(Bucket& bucket, std::int64_t step, Calendar& calendar);

  std::size_t lanes_;
  const HotLoops* loops_;
  const Layout* layout_;
  std::vector<DeliveryTable*> tables_;
  std::int32_t longest_ = 0;
  std::vector<Partition> parts_;
};

}  // namespace procgraph
