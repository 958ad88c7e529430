#include "sparse/table.hpp"

#include <algorithm>
#include <bit>

#include "engine/channel.hpp"
#include "format/text.hpp"

namespace procgraph {
namespace {

/// Bytes of a mean row, if the rows of all spikes that are usually under way stay in a near cache,
/// beside a book of weights, until their last segments are due; otherwise 0: rows would drive each
/// other out.
std::size_t fetched_of(const Rows& rows, const Layout& layout, std::int32_t longest) {
  constexpr std::size_t kNear = 512 * 1024;  // bytes
  if (rows.none()) return 0;
  const std::size_t mean = sizeof(std::uint32_t) * rows.used / rows.begin.size();
  const std::size_t spikes = std::max<std::size_t>(rows.begin.size() / 1000, 1);  // of a step
  const std::size_t book = sizeof(std::int32_t) * layout.book.size();
  return book + mean * spikes * static_cast<std::size_t>(longest) <= kNear ? mean : 0;
}

}  // namespace

DeliveryTable::DeliveryTable(Output& source, std::vector<SynapseNode*> nodes, std::size_t lanes,
                             const HotLoops& loops)
    : source_(&source), nodes_(std::move(nodes)), lanes_(lanes), loops_(&loops) {}

void DeliveryTable::remove(const SynapseNode& node) {
  std::erase(nodes_, &node);
  stale_ = true;
}

void DeliveryTable::build(const Cuts& cuts, const Reach& reach, const BuildOptions& options,
                          const std::function<void(double)>& progress) {
  parts_.clear();
  targets_.clear();
  mask_.reset();
  ring_.reset();
  stale_ = true;  // until it is done
  make_rows(cuts, reach, options, progress);
  stale_ = false;
}

void DeliveryTable::make_rows(const Cuts& cuts, const Reach& reach, const BuildOptions& options,
                              const std::function<void(double)>& progress) {
  std::vector<Member> members;
  synapses_ = 0;
  marks_ = false;
  longest_ = 0;
  std::int32_t smallest = INT32_MAX;
  for (SynapseNode* node : nodes_) {
    const Member& member = members.emplace_back(*node);
    synapses_ += member.attrs().synapses;
    Input& target = node->outputs[0].channels[0]->target();
    if (std::find(targets_.begin(), targets_.end(), &target) == targets_.end()) {
      targets_.push_back(&target);
      marks_ |= target.wants_marks;
    }
    if (member.delays().empty()) continue;
    longest_ = std::max(longest_, member.delays().back());
    smallest = std::min(smallest, member.delays().front());
  }
  lag_ = longest_ == 0 ? 1 : std::max(smallest - 1, 1);
  // Masks do not say which targets they reach.
  if (!marks_ && BitmaskTable::pays(members, source_->port().n, *loops_)) {
    mask_ = std::make_unique<BitmaskTable>(members, source_->port().n, cuts, *loops_, options);
    if (progress) progress(1);
    return;
  }
  if (!marks_ && RingTable::pays(members, source_->port().n, lanes_)) {
    TableBuilder rows(members, source_->port().n, cuts, reach_of(members), *loops_, options,
                      Layout{});
    ring_ = std::make_unique<RingTable>(rows.build(progress), lag_, longest_, lanes_, *loops_);
    return;
  }
  Reach own = reach_of(members);
  layout_ = choose_layout(members, source_->port().n, widest(cuts, own));
  if (layout_.format != Format::book32 && layout_.format != Format::wide) {
    // Targets that are numbered as in other tables, if that is as good.
    Layout shared = choose_layout(members, source_->port().n, widest(cuts, reach));
    if (shared.format == layout_.format) {
      layout_ = std::move(shared);
      own = reach;
    }
  }
  TableBuilder builder(members, source_->port().n, cuts, own, *loops_, options, layout_);
  for (Rows& rows : builder.build(progress)) {
    const std::size_t fetched = fetched_of(rows, layout_, longest_);
    parts_.push_back({std::move(rows), fetched});
  }
}

void DeliveryTable::reset() {
  if (ring_ != nullptr) ring_->reset();
  last_due_ = kNever;
  looked_ = 0;
  busy_ = false;
}

void DeliveryTable::restart(std::int64_t step) {
  reset();
  for (std::int32_t age = longest_; age >= 1; --age) {
    if (fired(step - age)) last_due_ = step - age + longest_;
  }
  busy_ = step <= last_due_;
  looked_ = step;
  // What was emitted later is taken up by `deliver`.
  if (ring_ != nullptr) ring_->restart(source_->events, step);
}

bool DeliveryTable::fired(std::int64_t step) const {
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    if (source_->events.at(step, lane).size() != 0) return true;
  }
  return false;
}

void DeliveryTable::fetch_events(std::int64_t step) const {
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    source_->events.each(step - lag_, lane,
                         [&](const EventList& events) { loops_->prefetch(&events); });
  }
}

std::int64_t DeliveryTable::look(std::int64_t step) {
  const std::int64_t first = std::max(looked_, step - longest_);
  looked_ = step;
  for (std::int64_t emitted = step - 1; emitted >= first; --emitted) {
    if (fired(emitted)) return last_due_ = emitted + longest_;
  }
  return last_due_;
}

bool DeliveryTable::reaches(const Input& target) const {
  return std::find(targets_.begin(), targets_.end(), &target) != targets_.end();
}

bool DeliveryTable::reaches(std::size_t part) const {
  if (mask_ != nullptr) return mask_->reaches(part);
  return ring_ != nullptr ? ring_->reaches(part) : !parts_[part].rows.none();
}

void DeliveryTable::absorb(std::int64_t emitted, std::int64_t due_from, std::size_t part,
                           std::size_t lane, Calendar& calendar) const {
  const auto& [rows, fetched] = parts_[part];
  if (rows.none()) return;
  source_->events.each(emitted, lane, [&, &own = rows, bytes = fetched](const EventList& events) {
    for (std::size_t e = 0; e < events.size(); ++e) {
      const std::uint32_t* at = own.row(static_cast<std::size_t>(events.index()[e]));
      std::int64_t due = emitted + at[1];
      while (at[0] != 0 && due < due_from) {
        at = after(at);
        due += at[1];
      }
      if (at[0] == 0) continue;
      calendar.due(due).push_back({at, at[0], events.payload()[e]});
      loops_->prefetch_range(at, bytes);
    }
  });
}

void DeliveryTable::prepare(std::int64_t step, std::size_t part) const {
  if (mask_ != nullptr) return;
  if (ring_ != nullptr) return ring_->prepare(source_->events, step, part);
  const Rows& rows = parts_[part].rows;
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    source_->events.each(step - lag_, lane, [&](const EventList& fresh) {
      for (std::size_t e = 0; e < fresh.size(); ++e) {
        loops_->prefetch(&rows.begin[static_cast<std::size_t>(fresh.index()[e])]);
      }
    });
  }
}

void DeliveryTable::fetch_rows(std::int64_t step, std::size_t part) const {
  if (!has_rows()) return;
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    source_->events.each(step - lag_, lane, [&](const EventList& fresh) {
      for (std::size_t e = 0; e < fresh.size(); ++e) {
        loops_->prefetch(parts_[part].rows.row(static_cast<std::size_t>(fresh.index()[e])));
      }
    });
  }
}

void DeliveryTable::deliver(std::int64_t step, std::size_t part, const Arena& arena,
                            Portion portion) {
  if (!busy_) return;
  if (ring_ != nullptr) {
    if (!takes_up(portion)) return;
    ring_->deliver(source_->events, step, part, arena);
  } else if (mask_ != nullptr) {
    mask_->deliver(source_->events, step, lanes_, part, arena, portion);
  }
}

TableStorage DeliveryTable::storage() const {
  TableStorage out;
  out.source = text(source_->owner->spec().name, ".", source_->port().name);
  for (const SynapseNode* node : nodes_) {
    out.projections.push_back(node->spec().name);
    out.counts.push_back(std::get<SparseAttrs>(node->spec().attrs).synapses);
  }
  out.synapses = synapses_;
  if (mask_ != nullptr) out.bytes = static_cast<std::int64_t>(mask_->bytes());
  if (ring_ != nullptr) out.bytes = static_cast<std::int64_t>(ring_->bytes());
  for (const Partition& part : parts_) {
    out.bytes += static_cast<std::int64_t>(4 * part.rows.used + 8 * part.rows.begin.size());
  }
  out.format = storage_name(mask_ != nullptr   ? StorageFormat::bitmask
                            : ring_ != nullptr ? ring_->format()
                                               : layout_.stored_as());
  out.delivery = ring_ != nullptr ? "ring" : "table";
  return out;
}

}  // namespace procgraph
