#include "sparse/bitmask.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "sparse/costs.hpp"

namespace procgraph {
namespace {

constexpr std::uint64_t kBlock = 512;   // targets
constexpr std::size_t kMostRows = 248;  // that are counted together
// Nanoseconds, measured with bench/masks.cpp and on whole networks on one core of a Zen 5 server:
// for an index, and for a block of a row.
constexpr double kIndex = 0.5;
constexpr double kRow = 2.5;

Slot slot_of(const Member& member) {
  return {member.delays()[0], member.lowest()};
}

/// Positions of the arena that the members reach.
std::pair<std::uint64_t, std::uint64_t> reach(const std::vector<const Member*>& members) {
  std::uint64_t low = UINT64_MAX;
  std::uint64_t high = 0;
  for (const Member* member : members) {
    low = std::min(low, member->target());
    high = std::max(high, member->target() + static_cast<std::uint64_t>(member->attrs().n_post));
  }
  return {low, high};
}

/// The members by delay and weight.
std::map<Slot, std::vector<const Member*>> sorted(std::span<const Member> members) {
  std::map<Slot, std::vector<const Member*>> out;
  for (const Member& member : members) out[slot_of(member)].push_back(&member);
  return out;
}

}  // namespace

bool BitmaskTable::pays(std::span<const Member> members, std::int32_t n_pre,
                        const HotLoops& loops) {
  for (const Member& member : members) {
    if (!member.constant() || member.delays().size() != 1) return false;
  }
  const double together = std::max(1.0, cost::kActive * n_pre);
  double bits = 0;
  double indices = 0;
  for (const auto& [slot, own] : sorted(members)) {
    const auto [low, high] = reach(own);
    const auto range = static_cast<double>(high - low);
    double synapses = 0;  // of a source
    for (const Member* member : own) {
      synapses += static_cast<double>(member->attrs().synapses) / n_pre;
    }
    const double blocks = std::ceil(range / kBlock);
    // Drawn with repetition, half as many pairs as the density says occur again.
    const double again = synapses * synapses / (2 * range) + 1;
    bits += blocks * (kRow + loops.mask_block_ns / together) + again * kIndex;
    indices += synapses * kIndex;
  }
  return bits < indices;
}

BitmaskTable::BitmaskTable(const std::vector<Member>& members, std::int32_t n_pre, const Cuts& cuts,
                           const HotLoops& loops, const BuildOptions& options)
    : n_pre_(static_cast<std::size_t>(n_pre)), loops_(loops) {
  for (auto& [slot, own] : sorted(members)) {
    add_parts(matrices_.emplace_back(Matrix{slot, own, {}}), cuts);
  }
  const auto threads = static_cast<std::size_t>(std::max(options.threads, 1));
  const std::size_t ranges = std::min(n_pre_, threads);
  std::vector<std::vector<Extra>> found(ranges);
  parallel_for(ranges, options.threads, [&](std::size_t r) {
    found[r] = set_bits({static_cast<std::int32_t>(n_pre_ * r / ranges),
                         static_cast<std::int32_t>(n_pre_ * (r + 1) / ranges)});
  });
  list_extras(found);
  for (Matrix& matrix : matrices_) matrix.members.clear();
}

void BitmaskTable::add_parts(Matrix& matrix, const Cuts& cuts) const {
  const auto [low, high] = reach(matrix.members);
  for (const Reach& range : cuts.ranges()) {
    Part part;
    part.begin = std::clamp(range.begin, low, high);
    part.end = std::clamp(range.end, part.begin, high);
    const std::uint64_t blocks = (part.end - part.begin + kBlock - 1) / kBlock;
    part.words = static_cast<std::size_t>(blocks * (kBlock / 64));
    part.bits = os::Pages((n_pre_ + 1) * part.words * sizeof(std::uint64_t));
    part.extra_begin.resize(n_pre_ + 1);
    matrix.parts.push_back(std::move(part));
  }
}

/// Sets the bits of the synapses from `sources`; returns those that are set already.
std::vector<BitmaskTable::Extra> BitmaskTable::set_bits(SourceRange sources) {
  std::vector<Extra> extras;
  for (Matrix& matrix : matrices_) {
    for (const Member* member : matrix.members) {
      for_each_synapse(member->attrs(), loops_, sources, [&](const SynapseRun& run) {
        for (std::size_t i = 0; i < run.pre.size(); ++i) {
          if (run.pre[i] < sources.begin || run.pre[i] >= sources.end) continue;
          const std::uint64_t target = member->target() + static_cast<std::uint64_t>(run.post[i]);
          Part* part = matrix.parts.data();
          while (target >= part->end) ++part;
          const std::uint64_t offset = target - part->begin;
          std::uint64_t& word = part->row(static_cast<std::size_t>(run.pre[i]))[offset / 64];
          const std::uint64_t bit = std::uint64_t{1} << (offset % 64);
          if ((word & bit) != 0) {
            extras.push_back(
                {static_cast<std::uint32_t>(run.pre[i]), static_cast<std::int32_t>(offset), part});
          }
          word |= bit;
        }
      });
    }
  }
  return extras;
}

void BitmaskTable::list_extras(const std::vector<std::vector<Extra>>& found) {
  // Each source's end first; taking places from there moves it to the begin.
  for (const auto& list : found) {
    for (const Extra& extra : list) ++extra.part->extra_begin[extra.source];
  }
  for (Matrix& matrix : matrices_) {
    for (Part& part : matrix.parts) {
      std::uint32_t sum = 0;
      for (std::uint32_t& begin : part.extra_begin) begin = sum += begin;
      part.extras.resize(sum);
    }
  }
  for (const auto& list : found) {
    for (const Extra& extra : list) {
      extra.part->extras[--extra.part->extra_begin[extra.source]] = extra.target;
    }
  }
}

bool BitmaskTable::reaches(std::size_t part) const {
  return std::any_of(matrices_.begin(), matrices_.end(),
                     [=](const Matrix& matrix) { return matrix.parts[part].words != 0; });
}

void BitmaskTable::deliver(const EventRing& events, std::int64_t step, std::size_t lanes,
                           std::size_t part, std::uint32_t* arena, std::size_t stride,
                           Portion portion) {
  for (Matrix& matrix : matrices_) {
    const Portion own_portion = matrix.slot.delay == 1 ? Portion::fresh : Portion::known;
    if (portion != Portion::all && portion != own_portion) continue;
    Part& own = matrix.parts[part];
    for (std::size_t lane = 0; lane < lanes && own.words != 0; ++lane) {
      if (matrix.slot.delay > 2) fetch_next(events, step - matrix.slot.delay + 1, lane);
      deliver(events.at(step - matrix.slot.delay, lane), own,
              static_cast<std::uint32_t>(matrix.slot.weight), arena + lane * stride + own.begin);
    }
  }
}

/// Fetches the events that are due in the step after, and finds out where those of the next are:
/// other threads have written some of them.
void BitmaskTable::fetch_next(const EventRing& events, std::int64_t step, std::size_t lane) const {
  const EventList& next = events.at(step, lane);
  const std::size_t bytes = next.size() * sizeof(std::int32_t);
  loops_.prefetch_range(next.index(), bytes);
  loops_.prefetch_range(next.payload(), bytes);
  loops_.prefetch(&events.at(step + 1, lane));
}

void BitmaskTable::deliver(const EventList& due, Part& part, std::uint32_t weight,
                           std::uint32_t* sums) const {
  if (due.size() == 0) return;
  part.rows.clear();
  for (std::size_t e = 0; e < due.size(); ++e) {
    const auto source = static_cast<std::size_t>(due.index()[e]);
    if (due.payload()[e] == 1) {
      part.rows.push_back(part.row(source));
      loops_.prefetch_range(
          part.row(source),
          std::min<std::size_t>(part.words * sizeof(std::uint64_t), kMaskBlocksAhead * kBlock / 8));
      loops_.prefetch(&part.extra_begin[source]);
    } else {
      add_each(part, source, weight * static_cast<std::uint32_t>(due.payload()[e]), sums);
    }
  }
  prefetch_extras(part, due);
  const std::size_t count = part.rows.size();
  while (part.rows.size() % 8 != 0) part.rows.push_back(part.row(n_pre_));
  const auto lines = static_cast<std::size_t>((part.end - part.begin + 15) / 16);
  for (std::size_t first = 0; first < count; first += kMostRows) {
    loops_.add_masks(sums, part.rows.data() + first, std::min(kMostRows, count - first), lines,
                     weight);
  }
  for (std::size_t e = 0; e < due.size(); ++e) {
    const auto source = static_cast<std::size_t>(due.index()[e]);
    const std::uint32_t begin = part.extra_begin[source];
    loops_.add_targets(sums, part.extras.data() + begin, part.extra_begin[source + 1] - begin,
                       weight * static_cast<std::uint32_t>(due.payload()[e]));
  }
}

/// They come in while the bits are counted.
void BitmaskTable::prefetch_extras(const Part& part, const EventList& due) const {
  constexpr std::uint32_t kLine = 16;
  for (std::size_t e = 0; e < due.size(); ++e) {
    const auto source = static_cast<std::size_t>(due.index()[e]);
    const std::uint32_t begin = part.extra_begin[source];
    const std::uint32_t end = std::min(part.extra_begin[source + 1], begin + 8 * kLine);
    for (std::uint32_t i = begin; i < end; i += kLine) loops_.prefetch(part.extras.data() + i);
  }
}

/// Payloads other than 1 are rare: their bits one by one.
void BitmaskTable::add_each(const Part& part, std::size_t source, std::uint32_t value,
                            std::uint32_t* sums) const {
  const std::uint64_t* words = part.row(source);
  for (std::size_t w = 0; w < part.words; ++w) {
    for (std::uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
      sums[64 * w + static_cast<std::size_t>(std::countr_zero(bits))] += value;
    }
  }
}

std::size_t BitmaskTable::bytes() const {
  std::size_t out = 0;
  for (const Matrix& matrix : matrices_) {
    for (const Part& part : matrix.parts) {
      out +=
          part.bits.size() + sizeof(std::uint32_t) * (part.extra_begin.size() + part.extras.size());
    }
  }
  return out;
}

}  // namespace procgraph
