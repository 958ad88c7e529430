#include "synapses/segments.hpp"

#include <algorithm>

namespace procgraph {

Segments::Segments(std::int32_t n_pre, const std::vector<std::int32_t>& delays,
                   const HotLoops& loops)
    : loops_(loops),
      n_pre_(static_cast<std::size_t>(n_pre)),
      delays_(delays),
      row_begin_(n_pre_ + 1),
      weights_(1) {}

void Segments::build(std::int64_t count,
                     const std::function<void(const SegmentVisitor&)>& visit_all) {
  visit_all([&](const ListedSynapse& synapse) {
    ++row_begin_[static_cast<std::size_t>(synapse.source) + 1];
  });
  for (std::size_t i = 0; i < n_pre_; ++i) row_begin_[i + 1] += row_begin_[i];
  std::vector<std::uint32_t> number_of(delays_.empty() ? 0 : std::size_t(delays_.back()) + 1);
  for (std::size_t i = 0; i < delays_.size(); ++i) {
    number_of[static_cast<std::size_t>(delays_[i])] = static_cast<std::uint32_t>(i);
  }
  std::vector<Entry> entries(static_cast<std::size_t>(count));
  std::vector<std::size_t> next(row_begin_.begin(), row_begin_.end() - 1);
  visit_all([&](const ListedSynapse& synapse) {
    entries[next[static_cast<std::size_t>(synapse.source)]++] = {
        static_cast<std::uint32_t>(synapse.number), synapse.target,
        number_of[static_cast<std::size_t>(synapse.delay)]};
  });
  sort_rows(entries);
}

void Segments::sort_rows(std::vector<Entry>& entries) {
  targets_.resize(entries.size());
  order_.resize(entries.size());
  segment_begin_.assign(n_pre_ + 1, 0);
  segment_delay_.clear();
  segment_end_.clear();
  for (std::size_t i = 0; i < n_pre_; ++i) {
    const std::span<Entry> row(entries.data() + row_begin_[i], row_begin_[i + 1] - row_begin_[i]);
    // By target within a segment: neighbouring sums share cache lines.
    std::sort(row.begin(), row.end(), [](const Entry& a, const Entry& b) {
      if (a.delay != b.delay) return a.delay < b.delay;
      return a.target != b.target ? a.target < b.target : a.number < b.number;
    });
    add_segments(i, row);
  }
}

void Segments::add_segments(std::size_t source, std::span<const Entry> row) {
  for (std::size_t m = 0; m < row.size(); ++m) {
    const std::size_t place = row_begin_[source] + m;
    targets_[place] = row[m].target;
    order_[place] = row[m].number;
    if (m + 1 < row.size() && row[m + 1].delay == row[m].delay) continue;
    segment_delay_.push_back(row[m].delay);
    segment_end_.push_back(place + 1);
  }
  segment_begin_[source + 1] = segment_delay_.size();
}

Segments::Range Segments::find(std::size_t source, std::size_t delay) const {
  if (delays_.size() == 1) return {row_begin_[source], row_begin_[source + 1]};
  const std::size_t first = segment_begin_[source];
  const std::size_t last = segment_begin_[source + 1];
  // Long rows have all delays: the segment is then where its number says.
  std::size_t at = first + delay;
  if (at >= last || segment_delay_[at] != delay) {
    const auto begin = segment_delay_.begin();
    at = static_cast<std::size_t>(std::lower_bound(begin + static_cast<std::ptrdiff_t>(first),
                                                   begin + static_cast<std::ptrdiff_t>(last),
                                                   static_cast<std::uint32_t>(delay)) -
                                  begin);
    if (at == last || segment_delay_[at] != delay) return {0, 0};
  }
  return {at == first ? row_begin_[source] : segment_end_[at - 1], segment_end_[at]};
}

void Segments::deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const {
  const bool common = weights_.size() == 1;
  for (std::size_t e = 0; e < due.size(); ++e) {
    const Range range = find(static_cast<std::size_t>(due.index()[e]), delay);
    const auto payload = static_cast<std::uint32_t>(due.payload()[e]);
    const std::size_t size = range.end - range.begin;
    if (size == 0) continue;
    const std::int32_t* targets = targets_.data() + range.begin;
    if (common) {
      loops_.add_targets(sums, targets, size, payload * static_cast<std::uint32_t>(weights_[0]));
    } else {
      loops_.add_segment(sums, targets, weights_.data() + range.begin, size, payload);
    }
  }
}

std::size_t Segments::bytes() const {
  return sizeof(std::size_t) * (row_begin_.size() + segment_begin_.size() + segment_end_.size()) +
         sizeof(std::uint32_t) *
             (segment_delay_.size() + targets_.size() + weights_.size() + order_.size());
}

void Segments::mark(const EventList& due, std::size_t delay, std::span<LineMask> lines) const {
  for (std::size_t e = 0; e < due.size(); ++e) {
    const Range range = find(static_cast<std::size_t>(due.index()[e]), delay);
    for (std::size_t i = range.begin; i < range.end; ++i) {
      set_mark(lines.data(), static_cast<std::size_t>(targets_[i]));
    }
  }
}

void Segments::set_weights(std::span<const std::int32_t> weights) {
  if (weights.size() == 1) {
    weights_.assign(1, weights[0]);
    return;
  }
  weights_.resize(weights.size());
  for (std::size_t i = 0; i < order_.size(); ++i) weights_[i] = weights[order_[i]];
}

}  // namespace procgraph
