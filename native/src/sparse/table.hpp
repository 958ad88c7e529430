#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/arena.hpp"
#include "engine/lines.hpp"
#include "engine/ports.hpp"
#include "procgraph/engine.hpp"
#include "sparse/bitmask.hpp"
#include "sparse/builder.hpp"
#include "sparse/portion.hpp"
#include "sparse/ring.hpp"

namespace procgraph {

/// All merged projections of one source port: rows, and the spikes on their way along them.
///
/// A spike is a cursor in the bucket of the step in which its next segment is due. Partitions are
/// independent of each other: `deliver` may run for all of them at once.
class DeliveryTable {
 public:
  DeliveryTable(Output& source, std::vector<SynapseNode*> nodes, std::size_t lanes,
                const HotLoops& loops);

  Output& source() const { return *source_; }
  const std::vector<SynapseNode*>& nodes() const { return nodes_; }
  void remove(const SynapseNode& node);
  bool stale() const { return stale_; }

  /// Makes the rows; spikes are forgotten.
  void build(const Cuts& cuts, const BuildOptions& options,
             const std::function<void(double)>& progress);
  /// Picks up the spikes that the source emitted before `step`, as far as they are still due.
  void restart(std::int64_t step);
  void reset();

  /// Fetches the lists of the step before, which come from another thread's cache.
  void fetch_events(std::int64_t step) const;
  /// Looks for spikes since it was last called, before any partition delivers. Returns the last
  /// step in which one is due.
  std::int64_t look(std::int64_t step);
  std::int64_t last_due() const { return last_due_; }
  /// True while the sums of targets may change.
  bool busy() const { return busy_; }
  /// True if that has changed.
  bool set_busy(bool busy) { return std::exchange(busy_, busy) != busy; }
  bool reaches(const Input& target) const;
  /// Fetches what `deliver` will need first.
  void prepare(std::int64_t step, std::size_t part) const;
  /// Then, the begins of the rows of new spikes: they come in while others are under way.
  void fetch_rows(std::int64_t step, std::size_t part) const;
  /// Takes up what the source emitted in the step before and adds what is due in `step`.
  void deliver(std::int64_t step, std::size_t part, Arena& arena, Portion portion);

  TableStorage storage() const;

 private:
  using Bucket = LineVector<SegmentCursor>;
  struct alignas(kLineBytes) Calendar {
    LineVector<Bucket> buckets;  // by step modulo their number
  };
  struct alignas(kLineBytes) Partition {
    Rows rows;
    std::size_t fetched;              // bytes of a new spike's row that are fetched at once
    std::vector<Calendar> calendars;  // by lane
  };

  static constexpr std::int64_t kNever = INT64_MIN;

  bool fired(std::int64_t step) const;
  void deliver_rows(std::int64_t step, std::size_t part, Arena& arena, Portion portion);
  std::size_t bucket_of(std::int64_t step) const {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(step) & bucket_mask_);
  }
  void absorb(std::int64_t emitted, std::int64_t due_from, Partition& part, std::size_t lane);
  void run_segments(Bucket& bucket, std::uint32_t* sums);
  /// Marks the sums that a bucket adds to, for event-driven targets.
  void mark(const Bucket& bucket, std::size_t base, LineMask* lines) const;
  void forward(Bucket& bucket, std::int64_t step, Calendar& calendar);
  const std::uint32_t* after(const std::uint32_t* segment) const {
    return segment + layout_.header_words() + layout_.body_words(segment[0]);
  }

  Output* source_;
  std::vector<SynapseNode*> nodes_;
  std::vector<Input*> targets_;
  std::size_t lanes_;
  const HotLoops* loops_;
  Layout layout_;
  // Instead of rows, where one is faster.
  std::unique_ptr<BitmaskTable> mask_;
  std::unique_ptr<RingTable> ring_;
  std::vector<Partition> parts_;
  std::uint64_t bucket_mask_ = 0;
  std::int32_t longest_ = 0;  // largest delay
  std::int64_t last_due_ = kNever;
  std::int64_t looked_ = 0;  // spikes of earlier steps are in `last_due_`
  bool busy_ = false;
  std::int64_t synapses_ = 0;
  bool marks_ = false;  // a target is event-driven
  bool stale_ = true;
};

}  // namespace procgraph
