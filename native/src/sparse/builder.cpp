#include "sparse/builder.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "procgraph/error.hpp"

namespace procgraph {
namespace {

constexpr std::uint64_t kLine = 16;       // sums in a cache line
constexpr std::int64_t kSmall = 1 << 16;  // synapses that are not worth a thread
// Counters and rows of a range should stay in the caches while its synapses are placed.
constexpr std::size_t kRangeBytes = std::size_t{1} << 20;
constexpr std::size_t kMostRanges = 8;
constexpr std::uint64_t kEndWords = 2;  // behind the last segment of a row
// Places are 32-bit numbers.
constexpr std::uint64_t kMostWords = std::uint64_t{1} << 31;

std::vector<Reach> parts_of(const Cuts& cuts, const Reach& reach) {
  std::vector<Reach> out;
  for (const Reach& range : cuts.ranges()) {
    const std::uint64_t begin = std::clamp(range.begin, reach.begin, reach.end);
    out.push_back({begin, std::clamp(range.end, begin, reach.end)});
  }
  return out;
}

}  // namespace

Reach reach_of(const std::vector<Member>& members) {
  Reach out{members[0].target(), 0};
  for (const Member& member : members) {
    out.begin = std::min(out.begin, member.target());
    out.end =
        std::max(out.end, member.target() + static_cast<std::uint64_t>(member.attrs().n_post));
  }
  return out;
}

std::uint64_t widest(const Cuts& cuts, const Reach& reach) {
  std::uint64_t most = 0;
  for (const Reach& part : parts_of(cuts, reach)) most = std::max(most, part.end - part.begin);
  return most;
}

TableBuilder::TableBuilder(std::vector<Member>& members, std::int32_t n_pre, const Cuts& cuts,
                           const Reach& reach, const HotLoops& loops, const BuildOptions& options,
                           Layout layout)
    : members_(members),
      n_pre_(n_pre),
      loops_(loops),
      options_(options),
      layout_(std::move(layout)),
      reach_(reach),
      parts_(parts_of(cuts, reach)) {
  find_partitions();
  find_slots();
  for (Member& member : members_) member.prepare(slots_, layout_);
  cut_ranges();
}

void TableBuilder::find_partitions() {
  if (parts_.size() == 1) return;
  // Inputs and cuts begin at whole lines.
  part_of_.resize(static_cast<std::size_t>((reach_.end - reach_.begin + kLine - 1) / kLine));
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    for (std::uint64_t at = parts_[p].begin; at < parts_[p].end; at += kLine) {
      part_of_[static_cast<std::size_t>((at - reach_.begin) / kLine)] =
          static_cast<std::uint16_t>(p);
    }
  }
}

void TableBuilder::find_slots() {
  for (const Member& member : members_) {
    for (const std::int32_t d : member.delays()) {
      slots_.push_back({d, layout_.weight_in_header() ? member.lowest() : 0});
    }
  }
  std::sort(slots_.begin(), slots_.end());
  slots_.erase(std::unique(slots_.begin(), slots_.end()), slots_.end());
}

void TableBuilder::cut_ranges() {
  std::int64_t synapses = 0;
  for (const Member& member : members_) synapses += member.attrs().synapses;
  const auto n = static_cast<std::size_t>(n_pre_);
  const std::size_t bytes = n * slots_.size() * parts_.size() * sizeof(std::uint32_t);
  std::size_t count = 1;
  if (synapses > kSmall) {
    const auto threads = static_cast<std::size_t>(std::max(options_.threads, 1));
    count = std::clamp(bytes / kRangeBytes, std::size_t{1}, kMostRanges);
    count = (count + threads - 1) / threads * threads;
  }
  count = std::min(count, n);
  for (std::size_t r = 0; r < count; ++r) {
    ranges_.push_back(
        {{static_cast<std::int32_t>(n * r / count), static_cast<std::int32_t>(n * (r + 1) / count)},
         std::vector<std::uint64_t>(parts_.size())});
  }
  counters_ = os::Pages(bytes);
}

/// Calls `synapse(source, slot, target, weight code)` for the synapses of a range; targets are
/// positions in the arena.
template <class Synapse>
void TableBuilder::scan(const Range& range, bool weights, Synapse&& synapse) {
  std::array<std::uint16_t, kSynapseRun> slots;
  std::array<std::uint32_t, kSynapseRun> codes{};
  std::array<std::uint16_t, kSynapseRun> own;
  const auto sources = static_cast<std::uint32_t>(range.sources.end - range.sources.begin);
  for (const Member& member : members_) {
    const std::uint64_t target = member.target();
    for_each_synapse(member.attrs(), loops_, range.sources, [&](const SynapseRun& run) {
      // Chosen without branches: which ones they are cannot be predicted.
      std::size_t chosen = 0;
      for (std::size_t i = 0; i < run.pre.size(); ++i) {
        own[chosen] = static_cast<std::uint16_t>(i);
        const auto local = static_cast<std::uint32_t>(run.pre[i] - range.sources.begin);
        chosen += static_cast<std::size_t>(local < sources);
      }
      member.decode_slots(run, {own.data(), chosen}, slots.data());
      if (weights) member.decode_weights(run, {own.data(), chosen}, codes.data());
      for (std::size_t c = 0; c < chosen; ++c) {
        const std::size_t i = own[c];
        synapse(static_cast<std::size_t>(run.pre[i]), slots[c],
                target + static_cast<std::uint64_t>(run.post[i]), codes[c]);
      }
    });
  }
}

void TableBuilder::count(Range& range) {
  if (parts_.size() == 1) {
    scan(range, false, [&](std::size_t source, std::size_t slot, std::uint64_t, std::uint32_t) {
      ++counter(source, slot, 0);
    });
  } else {
    scan(range, false,
         [&](std::size_t source, std::size_t slot, std::uint64_t target, std::uint32_t) {
           ++counter(source, slot,
                     part_of_[static_cast<std::size_t>((target - reach_.begin) / kLine)]);
         });
  }
  measure(range);
}

void TableBuilder::measure(Range& range) {
  for (auto source = static_cast<std::size_t>(range.sources.begin);
       source < static_cast<std::size_t>(range.sources.end); ++source) {
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      std::uint64_t words = kEndWords;
      for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
        const std::size_t n = counter(source, slot, part);
        if (n != 0) words += layout_.header_words() + layout_.body_words(n);
      }
      range.words[part] += words;
    }
  }
}

/// Turns the counters of a range into the places of its synapses.
void TableBuilder::write_headers(const Range& range, Rows& rows, std::size_t part,
                                 std::uint64_t at) {
  auto* words = rows.words.as<std::uint32_t>();
  const std::uint32_t per_word = layout_.format == Format::index16 ? 2 : 1;
  for (auto source = static_cast<std::size_t>(range.sources.begin);
       source < static_cast<std::size_t>(range.sources.end); ++source) {
    rows.begin[source] = at;
    std::int32_t delay = 0;
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      std::uint32_t& place = counter(source, slot, part);
      const std::uint32_t n = place;
      if (n == 0) continue;
      words[at] = n;
      words[at + 1] = static_cast<std::uint32_t>(slots_[slot].delay - delay);
      if (layout_.weight_in_header())
        words[at + 2] = static_cast<std::uint32_t>(slots_[slot].weight);
      delay = slots_[slot].delay;
      at += layout_.header_words();
      place = static_cast<std::uint32_t>(at) * per_word;
      at += layout_.body_words(n);
    }
    at += kEndWords;
  }
}

template <Format format>
void TableBuilder::fill(const Range& range, std::vector<Rows>& rows) {
  constexpr bool kPacked = format == Format::packed32 || format == Format::book32;
  constexpr bool kWeights = kPacked || format == Format::wide;
  const bool one = parts_.size() == 1;
  scan(range, kWeights,
       [&](std::size_t source, std::size_t slot, std::uint64_t target, std::uint32_t weight) {
         const std::size_t part =
             one ? 0 : part_of_[static_cast<std::size_t>((target - reach_.begin) / kLine)];
         const auto offset = static_cast<std::uint32_t>(target - parts_[part].begin);
         std::uint32_t& place = counter(source, slot, part);
         auto* words = rows[part].words.as<std::uint32_t>();
         if constexpr (kPacked) {
           words[place++] = offset | weight;
         } else if constexpr (format == Format::index16) {
           reinterpret_cast<std::uint16_t*>(words)[place++] = static_cast<std::uint16_t>(offset);
         } else if constexpr (format == Format::index32) {
           words[place++] = offset;
         } else {
           words[place] = offset;
           words[place + 1] = weight;
           place += 2;
         }
       });
}

void TableBuilder::place(Range& range, std::vector<Rows>& rows, std::vector<std::uint64_t> at) {
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    if (!rows[part].none()) write_headers(range, rows[part], part, at[part]);
  }
  switch (layout_.format) {
    case Format::packed32:
      fill<Format::packed32>(range, rows);
      break;
    case Format::book32:
      fill<Format::book32>(range, rows);
      break;
    case Format::index16:
      fill<Format::index16>(range, rows);
      break;
    case Format::index32:
      fill<Format::index32>(range, rows);
      break;
    case Format::wide:
      fill<Format::wide>(range, rows);
      break;
  }
}

std::vector<Rows> TableBuilder::build(const std::function<void(double)>& progress) {
  std::atomic<std::size_t> done{0};
  const auto report = [&] {
    if (progress) progress(static_cast<double>(done) / static_cast<double>(2 * ranges_.size()));
  };
  parallel_for(
      ranges_.size(), options_.threads,
      [&](std::size_t r) {
        count(ranges_[r]);
        ++done;
      },
      report);
  std::vector<Rows> rows(parts_.size());
  std::vector<std::vector<std::uint64_t>> at(ranges_.size());
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    rows[part].base = parts_[part].begin;
    std::uint64_t used = 0;
    for (std::size_t r = 0; r < ranges_.size(); ++r) {
      at[r].push_back(used);
      used += ranges_[r].words[part];
    }
    if (used == kEndWords * static_cast<std::uint64_t>(n_pre_)) continue;
    rows[part].begin.resize(static_cast<std::size_t>(n_pre_));
    rows[part].used = used;
    if (rows[part].used > kMostWords) {
      throw Error(ErrorKind::argument, "engine",
                  "one source port has more than 8 GiB of synapses for one thread; divide its "
                  "Process into several, use more threads, or draw them again at every spike "
                  "(storage='procedural')");
    }
    const std::size_t beyond = layout_.body_words(kShortSegment);
    const std::size_t room = static_cast<std::size_t>(rows[part].used) + beyond;
    rows[part].words = os::Pages(room * sizeof(std::uint32_t));
  }
  parallel_for(
      ranges_.size(), options_.threads,
      [&](std::size_t r) {
        place(ranges_[r], rows, at[r]);
        ++done;
      },
      report);
  report();
  return rows;
}

}  // namespace procgraph
