#include "sparse/bitmask.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "sparse/costs.hpp"
#include "sparse/layout.hpp"

namespace procgraph {
namespace {

constexpr std::uint64_t kBlock = 512;   // targets
constexpr std::size_t kMostRows = 248;  // that are counted together
// Nanoseconds, measured with bench/masks.cpp and on whole networks on one core of a Zen 5 server:
// for an index, and for a block of a row.
constexpr double kIndex = 0.5;
constexpr double kRow = 2.5;
constexpr std::size_t kHeaderBytes = kIndexHeaderWords * sizeof(std::uint32_t);

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
  Extras found(ranges);
  parallel_for(ranges, options.threads, [&](std::size_t r) {
    found[r] = set_bits({static_cast<std::int32_t>(n_pre_ * r / ranges),
                         static_cast<std::int32_t>(n_pre_ * (r + 1) / ranges)});
  });
  for (Matrix& matrix : matrices_) {
    for (Part& part : matrix.parts) make_room(part, found);
    matrix.members.clear();
  }
  for (const auto& list : found) {
    for (const Extra& extra : list) store(extra);
  }
}

void BitmaskTable::add_parts(Matrix& matrix, const Cuts& cuts) const {
  const auto [low, high] = reach(matrix.members);
  for (const Reach& range : cuts.ranges()) {
    Part part;
    part.begin = std::clamp(range.begin, low, high);
    part.end = std::clamp(range.end, part.begin, high);
    const std::uint64_t blocks = (part.end - part.begin + kBlock - 1) / kBlock;
    part.weight = static_cast<std::uint32_t>(matrix.slot.weight);
    part.words = static_cast<std::size_t>(blocks * (kBlock / 64));
    part.memory = os::Pages((n_pre_ + 1) * part.words * sizeof(std::uint64_t));
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

/// Places a segment before each row of a part, for all extras of a source if these are not many
/// more than elsewhere.
void BitmaskTable::make_room(Part& part, const Extras& found) const {
  constexpr std::size_t kLargest = 2;  // of bits, that a segment takes
  std::vector<std::size_t> counts(n_pre_);
  for (const auto& list : found) {
    for (const Extra& extra : list) {
      if (extra.part == &part) ++counts[extra.source];
    }
  }
  const std::size_t most = *std::max_element(counts.begin(), counts.end());
  if (most == 0) return;
  const std::size_t bytes = kHeaderBytes + most * part.index_bytes();
  const os::Pages bits = std::move(part.memory);
  part.front =
      std::min((bytes + kLineBytes - 1) / kLineBytes * (kLineBytes / sizeof(std::uint64_t)),
               kLargest * part.words);
  part.memory = os::Pages((n_pre_ + 1) * (part.front + part.words) * sizeof(std::uint64_t));
  for (std::size_t source = 0; source < n_pre_; ++source) {
    std::copy_n(bits.as<std::uint64_t>() + source * part.words, part.words, part.row(source));
  }
}

void BitmaskTable::store(const Extra& extra) {
  Part& part = *extra.part;
  std::uint32_t* const segment = part.segment(extra.source);
  const std::size_t room = (part.front * sizeof(std::uint64_t) - kHeaderBytes) / part.index_bytes();
  segment[2] = part.weight;
  if (segment[0] == room) {
    part.rest[extra.source].push_back(extra.target);
    segment[1] = extra.source + 1;
    return;
  }
  const std::uint32_t place = segment[0]++;
  if (part.narrow()) {
    reinterpret_cast<std::uint16_t*>(segment + kIndexHeaderWords)[place] =
        static_cast<std::uint16_t>(extra.target);
  } else {
    segment[kIndexHeaderWords + place] = static_cast<std::uint32_t>(extra.target);
  }
}

bool BitmaskTable::reaches(std::size_t part) const {
  return std::any_of(matrices_.begin(), matrices_.end(),
                     [=](const Matrix& matrix) { return matrix.parts[part].words != 0; });
}

void BitmaskTable::deliver(const EventRing& events, std::int64_t step, std::size_t lanes,
                           std::size_t part, const Arena& arena, Portion portion) {
  for (Matrix& matrix : matrices_) {
    const Portion own_portion = matrix.slot.delay == 1 ? Portion::fresh : Portion::known;
    if (portion != Portion::all && portion != own_portion) continue;
    Part& own = matrix.parts[part];
    for (std::size_t lane = 0; lane < lanes && own.words != 0; ++lane) {
      if (matrix.slot.delay > 2) fetch_next(events, step - matrix.slot.delay + 1, lane);
      own.rows.clear();
      own.segments.clear();
      std::uint32_t* const sums = arena.at(lane, own.begin);
      events.each(step - matrix.slot.delay, lane,
                  [&](const EventList& due) { take(due, own, sums); });
      add_rows(own, sums);
      add_extras(own, sums);
    }
  }
}

/// Fetches the events that are due in the step after, and finds out where those of the next are:
/// other threads have written some of them.
void BitmaskTable::fetch_next(const EventRing& events, std::int64_t step, std::size_t lane) const {
  events.each(step, lane, [&](const EventList& next) {
    const std::size_t bytes = next.size() * sizeof(std::int32_t);
    loops_.prefetch_range(next.index(), bytes);
    loops_.prefetch_range(next.payload(), bytes);
  });
  events.each(step + 1, lane, [&](const EventList& after) { loops_.prefetch(&after); });
}

/// Lists the rows of events, and fetches their begins.
void BitmaskTable::take(const EventList& due, Part& part, std::uint32_t* sums) const {
  const std::size_t fetched =
      (part.front + std::min<std::size_t>(part.words, kMaskBlocksAhead * kBlock / 64)) *
      sizeof(std::uint64_t);
  for (std::size_t e = 0; e < due.size(); ++e) {
    const auto source = static_cast<std::size_t>(due.index()[e]);
    const std::int32_t payload = due.payload()[e];
    loops_.prefetch_range(part.segment(source), fetched);
    if (part.front != 0) part.segments.push_back({part.segment(source), 0, payload});
    if (payload == 1) {
      part.rows.push_back(part.row(source));
    } else {
      add_each(part, source, part.weight * static_cast<std::uint32_t>(payload), sums);
    }
  }
}

void BitmaskTable::add_rows(Part& part, std::uint32_t* sums) const {
  const std::size_t count = part.rows.size();
  while (part.rows.size() % 8 != 0) part.rows.push_back(part.row(n_pre_));
  const auto lines = static_cast<std::size_t>((part.end - part.begin + 15) / 16);
  for (std::size_t first = 0; first < count; first += kMostRows) {
    loops_.add_masks(sums, part.rows.data() + first, std::min(kMostRows, count - first), lines,
                     part.weight);
  }
}

/// They have come in while the bits were counted.
void BitmaskTable::add_extras(Part& part, std::uint32_t* sums) const {
  std::size_t kept = 0;
  for (SegmentCursor cursor : part.segments) {
    cursor.count = cursor.at[0];
    if (cursor.at[1] != 0) {
      const std::vector<std::int32_t>& rest = part.rest.at(cursor.at[1] - 1);
      loops_.add_targets(sums, rest.data(), rest.size(),
                         part.weight * static_cast<std::uint32_t>(cursor.payload));
    }
    if (cursor.count != 0) part.segments[kept++] = cursor;
  }
  if (part.narrow()) {
    loops_.deliver_index16(sums, part.segments.data(), kept);
  } else {
    loops_.deliver_index32(sums, part.segments.data(), kept);
  }
}

/// Payloads other than 1 are rare: their bits one by one.
void BitmaskTable::add_each(const Part& part, std::size_t source, std::uint32_t value,
                            std::uint32_t* sums) {
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
      out += part.memory.size();
      for (const auto& [source, rest] : part.rest) out += rest.size() * sizeof(std::int32_t);
    }
  }
  return out;
}

}  // namespace procgraph
