#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/events.hpp"
#include "engine/lines.hpp"
#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

class Channel;
class RuntimeNode;

/// Where products of payloads and weights go: sums[i] = base[i] + product i, and base[i] = 0. A
/// null base counts as zeros, and `sums` itself is added to.
struct Products {
  const std::int32_t* weights;  ///< one for all where `common`
  bool common;
  std::uint32_t* sums;
  std::uint32_t* base;
};

/// Payloads that depend on nothing but the step, so that they can be made whenever they are needed.
class Draw {
 public:
  virtual ~Draw() = default;
  /// Writes those of elements [begin, begin + n) to `out`; returns how many are not zero. `begin`
  /// is a multiple of 8.
  virtual std::size_t payloads(std::int64_t step, std::size_t lane, std::size_t begin,
                               std::size_t n, std::int32_t* out) const = 0;
  /// Adds them, weighted.
  virtual std::size_t add(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n,
                          const Products& to) const = 0;
};

/// Payloads of the last steps, one per element, of an output whose events are only taken up element
/// by element: kept in rows, or drawn by the only one who takes them, in the same step.
class DenseRows {
 public:
  DenseRows(std::int32_t depth, std::size_t lanes, std::size_t n)
      : ring_(depth), lanes_(lanes), n_(n), data_(ring_.slots() * lanes * n) {}
  /// Draws the payloads from step `first` on; older ones stay in the list of events.
  DenseRows(const Draw& draw, std::int64_t first, std::size_t n)
      : draw_(&draw), first_(first), n_(n) {}

  /// Null if the payloads are kept.
  const Draw* draw() const { return draw_; }
  /// What was drawn before `step` has been listed: it may be drawn differently from now on.
  void draw_from(std::int64_t step) { first_ = step; }
  std::int32_t* row(std::int64_t step, std::size_t lane) {
    return data_.data() + (ring_.of(step) * lanes_ + lane) * n_;
  }
  void list(std::int64_t step, std::size_t lane, EventList& events);
  /// Back to step 0.
  void reset() {
    data_.zero();
    first_ = 0;
  }

 private:
  const Draw* draw_ = nullptr;
  std::int64_t first_ = 0;
  RingIndex ring_;
  std::size_t lanes_ = 0;
  std::size_t n_;
  Buffer<std::int32_t> data_;
};

class Output;

/// A one-to-one synapse node seen from its target: `weights`, one or as many as elements, times
/// what `rows` holds since `delay` steps.
struct DenseFeed {
  DenseRows* rows;
  Output* source;
  std::int32_t delay;
  std::span<const std::int32_t> weights;
};

/// What a port has emitted in the last steps.
class alignas(kLineBytes) Output {
 public:
  Output(const OutputPort& port, std::int32_t lanes);

  /// Copies elements [begin, end) of an array from the step before.
  void keep(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t end);
  /// Empties the slot of `step`; an array keeps the value that it held in the step before.
  void begin(std::int64_t step);
  void reset();

  std::int32_t* current(std::int64_t step, std::size_t lane) {
    return reinterpret_cast<std::int32_t*>(slot(step)) + lane * n();
  }
  std::byte* array(std::int64_t step, std::size_t lane) { return slot(step) + lane * lane_bytes(); }
  /// A silent current slot counts as zeros, whatever its memory holds.
  bool silent(std::int64_t step) const {
    return silent_[ring_.of(step)].load(std::memory_order_relaxed);
  }
  /// Threads that say the same may do so at the same time.
  void set_silent(std::int64_t step, bool silent) {
    std::atomic<bool>& is_silent = silent_[ring_.of(step)];
    if (is_silent.load(std::memory_order_relaxed) != silent) {
      is_silent.store(silent, std::memory_order_relaxed);
    }
  }
  /// Makes the memory of a silent slot zeros.
  void clear_current(std::int64_t step);

  const OutputPort& port() const { return *port_; }
  std::size_t n() const { return static_cast<std::size_t>(port_->n); }
  std::size_t lanes() const { return lanes_; }
  std::size_t lane_bytes() const { return n() * item_size(port_->dtype); }
  void count(std::int64_t step);
  /// Writes the dense rows up to `last` to `events` as well.
  void list_dense(std::int64_t last);
  /// Keeps the events of the last `depth` steps, if that is more than the port asks for.
  void retain(std::int32_t depth);
  std::int32_t retained() const { return retained_; }

  EventRing events;
  /// Where set, holds the events instead of `events` (see dense_events.hpp).
  std::unique_ptr<DenseRows> dense;
  RuntimeNode* owner = nullptr;
  std::vector<Channel*> channels;
  int recorders = 0;

 private:
  void silence();
  std::byte* slot(std::int64_t step) { return ring_bytes_.data() + ring_.of(step) * slot_bytes_; }

  const OutputPort* port_;
  std::size_t lanes_;
  RingIndex ring_;
  std::int32_t retained_;
  std::size_t slot_bytes_ = 0;
  Buffer<std::byte> ring_bytes_;
  std::unique_ptr<std::atomic<bool>[]> silent_;  // by slot

 public:
  /// Number of events. Apart from what others read all the time.
  alignas(kLineBytes) std::int64_t emitted = 0;
};

/// Where the channels into a port meet.
class Input {
 public:
  Input(const InputPort& port, std::int32_t lanes) : port_(&port), lanes_(lanes) {}

  /// Position of the first sum in the engine's arena.
  void set_offset(std::size_t offset) { offset_ = offset; }
  /// Memory of the sums; lanes lie `stride` apart, and there are `gap` sums before each of the
  /// elements in `apart`.
  void place(std::uint32_t* sums, std::size_t stride, std::size_t gap,
             std::vector<std::size_t> apart) {
    sums_ = sums;
    stride_ = stride;
    gap_ = gap;
    apart_ = std::move(apart);
  }
  void place_marks(LineMask* marks, std::size_t stride) {
    marks_ = wants_marks ? marks + offset_ / kSumsPerLine : nullptr;
    mark_stride_ = stride;
  }
  /// Of an event-driven node: which sums of a lane something may have been added to. Empty for
  /// others.
  std::span<LineMask> marks(std::size_t lane) const {
    if (marks_ == nullptr) return {};
    return {marks_ + lane * mark_stride_, lines_of(n())};
  }
  void mark_all(std::size_t lane) const {
    for (LineMask& mark : marks(lane)) mark = kWholeLine;
  }
  /// Position of the first sum in the arena.
  std::size_t offset() const { return offset_; }
  bool summed() const { return port_->kind != PortKind::array && !channels.empty(); }
  /// Called once all channels are there.
  void allocate();
  void pull(std::int64_t step);
  /// Pulls only the channels that a part cannot pull for itself.
  void pull_indivisible(std::int64_t step);
  /// The only channel, if its events arrive as they were emitted, in one step and to the same
  /// elements, and nothing else is there; null otherwise.
  const Channel* plain_events() const;
  /// At a tick: what waits in bounded channels joins the sums.
  void drain();
  /// Sums of a lane, about to be changed, of an input whose elements do not lie apart: only those
  /// of nodes that follow their delivery do.
  std::uint32_t* sums(std::size_t lane) {
    clean_ = false;
    return sums_ + lane * stride_;
  }
  void copy_sums(std::size_t lane, std::int32_t* out) const;
  void put_sums(std::size_t lane, const std::int32_t* values);
  /// True if all sums are zero because nothing has arrived since they were cleared.
  bool clean() const { return clean_; }
  void mark_clean() {
    if (clean_ == expects_) clean_ = !expects_;
  }
  void mark_dirty() { clean_ = false; }
  /// A delivery table adds to the sums, at the begin of a step.
  bool delivered() const { return delivered_; }
  void mark_delivered() { delivered_ = true; }
  /// Whether spikes are on their way in the tables. While there are the sums do
  /// not count as clean, rather than change their mark, which all threads look at, twice a step.
  /// `after_step`: the step before was run, nothing was set since.
  void expect(bool spikes, bool after_step);
  /// Sums of a lane from an element on, up to the next that lies apart, for a part of a divided
  /// tick, which reports changes to its node.
  std::uint32_t* sums_of_part(std::size_t lane, std::size_t begin) const {
    std::uint32_t* out = sums_ + lane * stride_ + begin;
    for (const std::size_t first : apart_) out += begin >= first ? gap_ : 0;
    return out;
  }
  void clear();
  /// Values of an array input in `step`.
  const std::byte* held(std::int64_t step, std::size_t lane);
  /// Brings the values of `step` through the index map of an array input, if there is one.
  void gather(std::int64_t step);
  /// As `held`, once gathered.
  const std::byte* gathered(std::int64_t step, std::size_t lane) const;

  const InputPort& port() const { return *port_; }
  std::size_t n() const { return static_cast<std::size_t>(port_->n); }

  RuntimeNode* owner = nullptr;
  std::vector<Channel*> channels;
  std::vector<DenseFeed> feeds;
  bool wants_marks = false;

 private:
  /// Calls `each(first, count)` for elements that do not lie apart.
  template <class Each>
  void for_runs(Each&& each) const {
    for (std::size_t i = 0; i <= apart_.size(); ++i) {
      const std::size_t first = i == 0 ? 0 : apart_[i - 1];
      each(first, (i == apart_.size() ? n() : apart_[i]) - first);
    }
  }

  const InputPort* port_;
  std::int32_t lanes_;
  std::uint32_t* sums_ = nullptr;
  std::size_t offset_ = 0;
  std::size_t stride_ = 0;
  std::size_t gap_ = 0;
  std::vector<std::size_t> apart_;
  LineMask* marks_ = nullptr;
  std::size_t mark_stride_ = 0;
  Buffer<std::byte> values_;  // an array input without a channel, or with an index map
  bool clean_ = true;
  bool delivered_ = false;
  bool expects_ = false;
};

}  // namespace procgraph
