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
#include "sparse/row_delivery.hpp"

namespace procgraph {

/// All merged projections of one source port: rows of segments, from which a RowDelivery delivers,
/// or what is faster than these. Partitions are independent of each other.
class DeliveryTable {
 public:
  DeliveryTable(Output& source, std::vector<SynapseNode*> nodes, std::size_t lanes,
                const HotLoops& loops);

  Output& source() const { return *source_; }
  const std::vector<SynapseNode*>& nodes() const { return nodes_; }
  void remove(const SynapseNode& node);
  bool stale() const { return stale_; }

  /// Makes the rows; spikes are forgotten. `reach` is where all tables deliver to.
  void build(const Cuts& cuts, const Reach& reach, const BuildOptions& options,
             const std::function<void(double)>& progress);
  /// Picks up the spikes that the source emitted before `step`, as far as they are still due.
  void restart(std::int64_t step);
  void reset();

  /// Spikes are taken up so many steps after they were emitted: a step before the first is due, if
  /// there is one.
  std::int32_t lag() const { return lag_; }
  /// Whether spikes are taken up with that portion of a step.
  bool takes_up(Portion portion) const {
    return portion == Portion::all || (portion == Portion::fresh) == (lag_ == 1);
  }
  /// Fetches the lists that are taken up next, which come from another thread's cache.
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
  /// Whether something is delivered to a range of the arena.
  bool reaches(std::size_t part) const;
  // While busy, in a range that is reached:
  /// Fetches what `deliver` will need first.
  void prepare(std::int64_t step, std::size_t part) const;
  /// Then, the begins of the rows of new spikes: they come in while others are under way.
  void fetch_rows(std::int64_t step, std::size_t part) const;
  /// Unless it has rows: takes up what the source has emitted and adds what is due in `step`.
  void deliver(std::int64_t step, std::size_t part, const Arena& arena, Portion portion);

  bool has_rows() const { return mask_ == nullptr && ring_ == nullptr; }
  const Layout& layout() const { return layout_; }
  const Rows& rows(std::size_t part) const { return parts_[part].rows; }
  /// The largest delay.
  std::int32_t longest() const { return longest_; }
  /// A target is event-driven.
  bool marks() const { return marks_; }
  /// Puts the spikes of one step where their first segments due from `due_from` on belong.
  void absorb(std::int64_t emitted, std::int64_t due_from, std::size_t part, std::size_t lane,
              Calendar& calendar) const;

  TableStorage storage() const;

 private:
  struct Partition {
    Rows rows;
    std::size_t fetched;  // bytes of a new spike's row that are fetched at once
  };

  static constexpr std::int64_t kNever = INT64_MIN;

  void make_rows(const Cuts& cuts, const Reach& reach, const BuildOptions& options,
                 const std::function<void(double)>& progress);
  bool fired(std::int64_t step) const;
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
  std::int32_t longest_ = 0;
  std::int32_t lag_ = 1;
  std::int64_t last_due_ = kNever;
  std::int64_t looked_ = 0;  // spikes of earlier steps are in `last_due_`
  bool busy_ = false;
  std::int64_t synapses_ = 0;
  bool marks_ = false;
  bool stale_ = true;
};

}  // namespace procgraph
