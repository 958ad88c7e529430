#include "sparse/layout.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <set>
#include <unordered_set>

#include "sparse/costs.hpp"
#include "sparse/member.hpp"

namespace procgraph {
namespace {

constexpr std::uint32_t kBookBits = 15;  // 128 KiB of weights still leave the sums their cache

struct Weights {
  std::int32_t low = 0;
  std::int32_t high = 0;
  std::uint32_t bits = 0;
  bool constant = true;  // within each member
};

Weights weights_of(std::span<const Member> members) {
  Weights out;
  for (const Member& member : members) {
    out.low = std::min(out.low, member.lowest());
    out.high = std::max(out.high, member.highest());
    out.bits |= static_cast<std::uint32_t>(member.bits());
    out.constant &= member.constant();
  }
  return out;
}

bool packs(Layout& layout, const Weights& weights) {
  if (layout.target_bits > 31) return false;
  const auto zeros = static_cast<std::uint32_t>(std::countr_zero(weights.bits | 1u << 31));
  layout.zero_bits = std::min(zeros, layout.target_bits);
  const std::int64_t reach = std::int64_t{1} << (31 - layout.target_bits);
  return (weights.low >> layout.zero_bits) >= -reach && (weights.high >> layout.zero_bits) < reach;
}

bool fits_book(Layout& layout, std::span<const Member> members) {
  if (layout.target_bits > 31) return false;
  const std::size_t room = std::size_t{1} << std::min(32 - layout.target_bits, kBookBits);
  std::unordered_set<std::int32_t> seen;
  for (const Member& member : members) {
    if (!member.collect_weights(seen, room)) return false;
  }
  layout.book.assign(seen.begin(), seen.end());
  std::sort(layout.book.begin(), layout.book.end());
  return true;
}

}  // namespace

StorageFormat Layout::stored_as() const {
  switch (format) {
    case Format::packed32:
      return StorageFormat::packed32;
    case Format::book32:
      return StorageFormat::book32;
    case Format::index16:
      return StorageFormat::index16;
    case Format::index32:
      return StorageFormat::index32;
    case Format::wide:
      break;
  }
  return StorageFormat::wide;
}

Layout choose_layout(std::span<const Member> members, std::int32_t n_pre, std::uint64_t range) {
  const Weights weights = weights_of(members);
  std::set<std::int32_t> delays;
  std::set<Slot> slots;
  double synapses = 0;
  for (const Member& member : members) {
    synapses += static_cast<double>(member.attrs().synapses);
    for (const std::int32_t d : member.delays()) {
      delays.insert(d);
      slots.insert({d, member.lowest()});
    }
  }
  Layout best;
  double least = std::numeric_limits<double>::infinity();
  const auto consider = [&](const Layout& layout, double each, std::size_t kinds) {
    const double segments =
        std::min(synapses, static_cast<double>(n_pre) * static_cast<double>(kinds));
    const double time = each * synapses + cost::kSegment * segments;
    if (time >= least) return;
    best = layout;
    least = time;
  };
  const auto bits = static_cast<std::uint32_t>(std::bit_width(range > 0 ? range - 1 : 0));
  Layout packed{Format::packed32, std::max(bits, 1u)};
  Layout book{Format::book32, std::max(bits, 1u)};
  if (packs(packed, weights)) {
    consider(packed, cost::kPacked, delays.size());
  } else if (fits_book(book, members)) {  // never better than packed
    consider(book, cost::kBook, delays.size());
  }
  consider({Format::wide, 32}, cost::kWide, delays.size());
  if (weights.constant && range <= 65536) {
    consider({Format::index16, bits}, cost::kIndex16, slots.size());
  } else if (weights.constant) {
    consider({Format::index32, bits}, cost::kIndex32, slots.size());
  }
  return best;
}

}  // namespace procgraph
