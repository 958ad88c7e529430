#include "sparse/bitmask.hpp"

#include <algorithm>
#include <bit>

namespace procgraph {
namespace {

constexpr std::uint64_t kBlock = 512;   // targets
constexpr std::size_t kMostRows = 248;  // that are counted together
constexpr double kTogether = 2;         // spikes of a step that are assumed
// Nanoseconds, see layout.cpp: for a synapse and for a segment of the other format, and for a block
// of a row from memory.
constexpr double kIndex = 0.78;
constexpr double kSegment = 6;
constexpr double kRow = 2.5;

Slot slot_of(const Member& member) {
  return {member.delays()[0], member.lowest()};
}

}  // namespace

bool BitmaskTable::pays(std::span<const Member> members, std::int32_t n_pre, std::uint64_t range,
                        const HotLoops& loops) {
  std::vector<Slot> slots;
  double synapses = 0;
  for (const Member& member : members) {
    if (!member.constant() || member.delays().size() != 1) return false;
    slots.push_back(slot_of(member));
    synapses += static_cast<double>(member.attrs().synapses);
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  const auto kinds = static_cast<double>(slots.size());
  const double own = synapses / n_pre;  // of a spike
  const auto blocks = static_cast<double>((range + kBlock - 1) / kBlock);
  // Where pairs are drawn with repetition, half as many as the density says occur again.
  const double again = own * own / (2 * static_cast<double>(range));
  const double mask = kinds * blocks * (kRow + loops.mask_block_ns / kTogether) +
                      (again + 1) * kIndex + kinds * kSegment;
  return mask < kIndex * own + kinds * kSegment;
}

BitmaskTable::BitmaskTable(const std::vector<Member>& members, std::int32_t n_pre,
                           const Cuts& cuts, const HotLoops& loops, const BuildOptions& options)
    : n_pre_(static_cast<std::size_t>(n_pre)), loops_(loops) {
  std::uint64_t low = UINT64_MAX;
  std::uint64_t high = 0;
  for (const Member& member : members) {
    slots_.push_back(slot_of(member));
    low = std::min(low, member.target());
    high = std::max(high, member.target() + static_cast<std::uint64_t>(member.attrs().n_post));
  }
  std::sort(slots_.begin(), slots_.end());
  slots_.erase(std::unique(slots_.begin(), slots_.end()), slots_.end());
  for (std::size_t p = 0; p + 1 < cuts.size(); ++p) {
    Part part;
    part.begin = std::clamp(cuts[p], low, high);
    part.end = std::clamp(cuts[p + 1], part.begin, high);
    part.words = static_cast<std::size_t>((part.end - part.begin + kBlock - 1) / kBlock * kBlock / 64);
    const std::size_t rows = slots_.size() * n_pre_ + 1;
    part.bits = os::Pages(rows * part.words * sizeof(std::uint64_t));
    parts_.push_back(std::move(part));
  }
  const std::size_t ranges = std::min(n_pre_, static_cast<std::size_t>(std::max(options.threads, 1)));
  std::vector<std::vector<Extra>> found(ranges);
  parallel_for(ranges, options.threads, [&](std::size_t r) {
    found[r] = set_bits(members, {static_cast<std::int32_t>(n_pre_ * r / ranges),
                                  static_cast<std::int32_t>(n_pre_ * (r + 1) / ranges)});
  });
  list_extras(found);
}

std::vector<BitmaskTable::Extra> BitmaskTable::set_bits(const std::vector<Member>& members,
                                                        SourceRange sources) {
  std::vector<Extra> extras;
  for (const Member& member : members) {
    const auto slot = static_cast<std::size_t>(
        std::lower_bound(slots_.begin(), slots_.end(), slot_of(member)) - slots_.begin());
    for_each_synapse(member.attrs(), loops_, sources, [&](const SynapseRun& run) {
      for (std::size_t i = 0; i < run.pre.size(); ++i) {
        if (run.pre[i] < sources.begin || run.pre[i] >= sources.end) continue;
        const std::uint64_t target = member.target() + static_cast<std::uint64_t>(run.post[i]);
        std::size_t p = 0;
        while (target >= parts_[p].end) ++p;
        const std::size_t row = slot * n_pre_ + static_cast<std::size_t>(run.pre[i]);
        const std::uint64_t offset = target - parts_[p].begin;
        std::uint64_t& word = parts_[p].row(row)[offset / 64];
        const std::uint64_t bit = std::uint64_t{1} << (offset % 64);
        if ((word & bit) != 0) {
          extras.push_back({static_cast<std::uint32_t>(row), static_cast<std::int32_t>(offset),
                            static_cast<std::uint32_t>(p)});
        }
        word |= bit;
      }
    });
  }
  return extras;
}

void BitmaskTable::list_extras(const std::vector<std::vector<Extra>>& found) {
  const std::size_t rows = slots_.size() * n_pre_;
  for (Part& part : parts_) part.extra_begin.assign(rows + 1, 0);
  for (const auto& list : found) {
    for (const Extra& extra : list) ++parts_[extra.part].extra_begin[extra.row + 1];
  }
  std::vector<std::vector<std::uint32_t>> next;
  for (Part& part : parts_) {
    for (std::size_t i = 0; i < rows; ++i) part.extra_begin[i + 1] += part.extra_begin[i];
    part.extras.resize(part.extra_begin[rows]);
    next.emplace_back(part.extra_begin.begin(), part.extra_begin.end() - 1);
  }
  for (const auto& list : found) {
    for (const Extra& extra : list) {
      parts_[extra.part].extras[next[extra.part][extra.row]++] = extra.target;
    }
  }
}

bool BitmaskTable::due(const EventRing& events, std::int64_t step, std::size_t lanes) const {
  for (const Slot& slot : slots_) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      if (events.at(step - slot.delay, lane).size() != 0) return true;
    }
  }
  return false;
}

void BitmaskTable::deliver(const EventRing& events, std::int64_t step, std::size_t lanes,
                           std::size_t part, std::uint32_t* arena, std::size_t stride) {
  Part& own = parts_[part];
  const auto lines = static_cast<std::size_t>((own.end - own.begin + 15) / 16);
  if (lines == 0) return;
  for (std::size_t s = 0; s < slots_.size(); ++s) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const EventList& due = events.at(step - slots_[s].delay, lane);
      std::uint32_t* sums = arena + lane * stride + own.begin;
      const auto weight = static_cast<std::uint32_t>(slots_[s].weight);
      own.rows.clear();
      for (std::size_t e = 0; e < due.size(); ++e) {
        const std::size_t row = s * n_pre_ + static_cast<std::size_t>(due.index()[e]);
        if (due.payload()[e] == 1) {
          own.rows.push_back(own.row(row));
          loops_.prefetch(own.row(row));
          loops_.prefetch(&own.extra_begin[row]);
        } else {
          add_each(own, row, weight * static_cast<std::uint32_t>(due.payload()[e]), sums);
        }
      }
      // Rows of zeros fill up the last eight.
      while (own.rows.size() % 8 != 0) own.rows.push_back(own.row(slots_.size() * n_pre_));
      for (std::size_t first = 0; first < own.rows.size(); first += kMostRows) {
        loops_.add_masks(sums, own.rows.data() + first, std::min(kMostRows, own.rows.size() - first),
                         lines, weight);
      }
      for (std::size_t e = 0; e < due.size(); ++e) {
        const std::size_t row = s * n_pre_ + static_cast<std::size_t>(due.index()[e]);
        const std::uint32_t begin = own.extra_begin[row];
        loops_.add_targets(sums, own.extras.data() + begin, own.extra_begin[row + 1] - begin,
                           weight * static_cast<std::uint32_t>(due.payload()[e]));
      }
    }
  }
}

/// Payloads other than 1 are rare: their bits one by one.
void BitmaskTable::add_each(const Part& part, std::size_t row, std::uint32_t value,
                            std::uint32_t* sums) const {
  const std::uint64_t* words = part.row(row);
  for (std::size_t w = 0; w < part.words; ++w) {
    for (std::uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
      sums[64 * w + static_cast<std::size_t>(std::countr_zero(bits))] += value;
    }
  }
}

std::size_t BitmaskTable::bytes() const {
  std::size_t out = 0;
  for (const Part& part : parts_) {
    out += part.bits.size() + sizeof(std::uint32_t) * (part.extra_begin.size() + part.extras.size());
  }
  return out;
}

}  // namespace procgraph
