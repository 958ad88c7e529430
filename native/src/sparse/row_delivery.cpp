#include "sparse/row_delivery.hpp"

#include <algorithm>
#include <bit>

#include "sparse/table.hpp"

namespace procgraph {
namespace {

/// Segments of both can be delivered by one loop.
bool alike(const Layout& a, const Layout& b) {
  if (a.format != b.format || a.format == Format::book32) return false;
  return a.format != Format::packed32 ||
         (a.target_bits == b.target_bits && a.zero_bits == b.zero_bits);
}

}  // namespace

void Calendar::resize(std::int32_t longest) {
  mask_ = std::bit_ceil(static_cast<std::uint64_t>(longest) + 1) - 1;
  buckets_.assign(static_cast<std::size_t>(mask_) + 1, {});
}

void Calendar::clear() {
  for (Bucket& bucket : buckets_) bucket.clear();
}

RowDelivery::RowDelivery(DeliveryTable& first, std::size_t partitions, std::size_t lanes,
                         const HotLoops& loops)
    : lanes_(lanes), loops_(&loops), layout_(&first.layout()), parts_(partitions) {
  for (Partition& part : parts_) part.calendars.resize(lanes);
  add(first);
}

bool RowDelivery::takes(const DeliveryTable& table) const {
  const DeliveryTable& first = *tables_.front();
  if (!alike(*layout_, table.layout()) || first.marks() != table.marks()) return false;
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    if (first.rows(part).base != table.rows(part).base) return false;
  }
  return true;
}

void RowDelivery::add(DeliveryTable& table) {
  tables_.push_back(&table);
  longest_ = std::max(longest_, table.longest());
  for (Partition& part : parts_) {
    for (Calendar& calendar : part.calendars) calendar.resize(longest_);
  }
}

void RowDelivery::reset() {
  for (Partition& part : parts_) {
    for (Calendar& calendar : part.calendars) calendar.clear();
  }
}

void RowDelivery::restart(std::int64_t step) {
  reset();
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    for (std::size_t lane = 0; lane < lanes_; ++lane) {
      Calendar& calendar = parts_[part].calendars[lane];
      for (const DeliveryTable* table : tables_) {
        // What was emitted later is taken up by `deliver`.
        for (std::int32_t age = table->lag() + 1; age <= table->longest(); ++age) {
          table->absorb(step - age, step, part, lane, calendar);
        }
      }
    }
  }
}

void RowDelivery::deliver(std::int64_t step, std::size_t part, Arena& arena, Portion portion) {
  const auto busy = [](const DeliveryTable* table) { return table->busy(); };
  if (std::none_of(tables_.begin(), tables_.end(), busy)) return;
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    Calendar& calendar = parts_[part].calendars[lane];
    deliver_due(step, part, lane, arena);
    for (const DeliveryTable* table : tables_) {
      if (!table->busy() || !table->takes_up(portion)) continue;
      table->absorb(step - table->lag(), step, part, lane, calendar);
    }
    deliver_due(step, part, lane, arena);
  }
}

void RowDelivery::deliver_due(std::int64_t step, std::size_t part, std::size_t lane, Arena& arena) {
  Calendar& calendar = parts_[part].calendars[lane];
  Bucket& bucket = calendar.due(step);
  if (bucket.empty()) return;
  const auto base = static_cast<std::size_t>(tables_.front()->rows(part).base);
  std::uint32_t* const sums = arena.at(lane, base);
  while (!bucket.empty()) {
    if (tables_.front()->marks()) mark(bucket, lane * arena.stride() + base, arena.marks());
    run_segments(bucket, sums);
    forward(bucket, step, calendar);
  }
}

void RowDelivery::run_segments(Bucket& bucket, std::uint32_t* sums) {
  const Layout& layout = *layout_;
  switch (layout.format) {
    case Format::packed32:
      loops_->deliver_packed(sums, bucket.data(), bucket.size(), layout.target_mask(),
                             layout.weight_shift());
      break;
    case Format::book32:
      loops_->deliver_book(sums, bucket.data(), bucket.size(), layout.target_mask(),
                           layout.target_bits, layout.book.data());
      break;
    case Format::index16:
      loops_->deliver_index16(sums, bucket.data(), bucket.size());
      break;
    case Format::index32:
      loops_->deliver_index32(sums, bucket.data(), bucket.size());
      break;
    case Format::wide:
      loops_->deliver_wide(sums, bucket.data(), bucket.size());
      break;
  }
}

void RowDelivery::mark(const Bucket& bucket, std::uint64_t base, LineMask* lines) const {
  for (const SegmentCursor& cursor : bucket) {
    const std::uint32_t* words = cursor.at + layout_->header_words();
    for (std::uint32_t m = 0; m < cursor.count; ++m)
      set_mark(lines, static_cast<std::size_t>(base) + layout_->target(words, m));
  }
}

/// Sends cursors on to the segments that they stand at; those still due in `step` stay.
void RowDelivery::forward(Bucket& bucket, std::int64_t step, Calendar& calendar) {
  std::size_t kept = 0;
  for (const SegmentCursor& cursor : bucket) {
    const std::uint32_t count = cursor.at[0];
    const std::uint32_t steps = cursor.at[1];
    const SegmentCursor next{cursor.at, count, cursor.payload};
    if (count == 0) continue;
    if (steps != 0) {
      calendar.due(step + steps).push_back(next);
    } else {
      bucket[kept++] = next;
    }
  }
  bucket.resize(kept);
}

}  // namespace procgraph
