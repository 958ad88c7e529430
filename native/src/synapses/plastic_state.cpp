#include <algorithm>
#include <cstring>

#include "format/text.hpp"
#include "nodes/parameters.hpp"
#include "synapses/plastic_node.hpp"

namespace procgraph {

const PlasticNode::Item* PlasticNode::find(std::string_view name) const {
  const auto found = std::find_if(items_.begin(), items_.end(),
                                  [name](const auto& item) { return item.first == name; });
  return found == items_.end() ? nullptr : &found->second;
}

const PlasticNode::Item& PlasticNode::item_of(std::string_view section,
                                              std::string_view name) const {
  const bool weights = section == "weights";
  const Item* item = find(weights ? "w" : name);
  if ((!weights && section != "state") || item == nullptr) no_parameter(section, name);
  return *item;
}

/// What the synapses have yet to learn, they learn now; this changes nothing that can be seen.
void PlasticNode::settle() const {
  for (std::size_t lane = 0; lane < lanes(); ++lane) settle_lane(lane, now_);
}

void PlasticNode::settle_lane(std::size_t lane, std::int64_t now) const {
  part(0, lane).rest(0, static_cast<std::size_t>(attrs_.n_pre), now - 1);
  lanes_[lane]->sources.end(now - 1);
  if (lanes_[lane]->modulators) lanes_[lane]->modulators->restart(now);
  for (std::size_t p = 0; p < part_count(); ++p) part(p, lane).rested(now);
}

void PlasticNode::read_lane(const Item& item, std::size_t lane, float* to) const {
  if (item.kind == Item::Kind::variable) {
    const float* values = lanes_[lane]->variables[item.number].data();
    const std::uint32_t* number = synapses_.rows.number.data();
    for (std::size_t p = 0; p < item.n; ++p) to[number[p]] = values[p];
    return;
  }
  const bool source = item.kind == Item::Kind::source_trace;
  const std::vector<float>& values =
      source ? lanes_[lane]->sources.after(item.number) : part(0, lane).trace(item.number);
  std::copy(values.begin(), values.end(), to);
}

void PlasticNode::write_lane(const Item& item, std::size_t lane, const float* from, bool one) {
  const auto value = [&](std::size_t i) { return from[one ? 0 : i]; };
  if (item.kind == Item::Kind::variable) {
    float* values = lanes_[lane]->variables[item.number].data();
    const std::uint32_t* number = synapses_.rows.number.data();
    for (std::size_t p = 0; p < item.n; ++p) values[p] = value(number[p]);
    return;
  }
  const auto set = [&](std::vector<float>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(i);
  };
  if (item.kind == Item::Kind::source_trace) return set(lanes_[lane]->sources.after(item.number));
  for (std::size_t p = 0; p < part_count(); ++p) set(part(p, lane).trace(item.number));
}

/// Weights of a single lane have the shape of the initial ones, unless these are one for all or
/// drawn.
Array PlasticNode::read_parameter(std::string_view section, std::string_view name) const {
  const Item& item = item_of(section, name);
  settle();
  const bool shaped = section == "weights" && lanes() == 1 &&
                      static_cast<std::size_t>(attrs_.weights->count) == item.n;
  const std::vector<std::int64_t> flat{static_cast<std::int64_t>(lanes()),
                                       static_cast<std::int64_t>(item.n)};
  Array out(DType::float32, shaped ? attrs_.weights->shape : flat);
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    read_lane(item, lane, out.as<float>() + lane * item.n);
  }
  return out;
}

void PlasticNode::write_parameter(std::string_view section, std::string_view name,
                                  const ArrayView& values) {
  const Item& item = item_of(section, name);
  const auto n = static_cast<std::int64_t>(item.n);
  const auto all = n * static_cast<std::int64_t>(lanes());
  check_values(spec().name, name, values, DType::float32, {all, n, section == "weights" ? 1 : all});
  settle();
  const auto* data = static_cast<const float*>(values.data);
  for (std::size_t lane = 0; lane < lanes(); ++lane) {
    const bool every_lane = values.count() == all;
    write_lane(item, lane, data + (every_lane ? lane * item.n : 0), values.count() == 1);
  }
}

State PlasticNode::export_own(std::int64_t step) {
  State out;
  for (const auto& [name, item] : items_) {
    out.emplace(text("state/", name), read_parameter("state", name));
  }
  const std::int64_t delay = attrs_.delays.largest;
  const auto n = static_cast<std::int64_t>(outputs[0].n());
  Array pending(DType::int32, {delay, static_cast<std::int64_t>(lanes()), n});
  auto* to = pending.as<std::int32_t>();
  for (std::int64_t d = 0; d < delay; ++d) {
    for (std::size_t lane = 0; lane < lanes(); ++lane, to += n) {
      auto* sums = reinterpret_cast<std::uint32_t*>(to);
      std::fill_n(sums, n, 0U);
      for (std::size_t p = 0; p < part_count(); ++p) {
        const std::uint32_t* due = part(p, lane).due(step + d);
        for (std::size_t j = 0; j < outputs[0].n(); ++j) sums[j] += due[j];
      }
    }
  }
  out.emplace("pending/a_out", std::move(pending));
  if (attrs_.dendritic) export_seen(step, out);
  return out;
}

void PlasticNode::import_own(std::int64_t step, const StateView& state) {
  for (const auto& [key, values] : state) {
    if (key.starts_with("state/"))
      write_parameter("state", std::string_view(key).substr(6), values);
  }
  const std::int64_t delay = attrs_.delays.largest;
  const auto n = static_cast<std::int64_t>(outputs[0].n());
  const auto* from = static_cast<const std::int32_t*>(state.at("pending/a_out").data);
  for (const auto& part : parts_) part->forget_due();
  for (std::int64_t d = 0; d < delay; ++d) {
    for (std::size_t lane = 0; lane < lanes(); ++lane, from += n) {
      part(0, lane).mark_due(step + d);
      std::memcpy(part(0, lane).due(step + d), from, outputs[0].n() * sizeof *from);
    }
  }
  if (attrs_.dendritic) import_seen(step, state);
}

/// Calls `each` for the last steps before `step`, the oldest first, and all lanes, with the place
/// that the targets of both have in a checkpoint.
template <class Each>
void PlasticNode::for_past(std::int64_t step, Each&& each) const {
  const std::int64_t reach = std::min<std::int64_t>(attrs_.delays.largest, step);
  for (std::int64_t age = reach - 1; age >= 0; --age) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      each(step - 1 - age, lane, (static_cast<std::size_t>(age) * lanes() + lane) * outputs[0].n());
    }
  }
}

/// What there was of the targets in the last steps, by age: of that, events may be on their way.
void PlasticNode::export_seen(std::int64_t step, State& out) {
  const std::size_t n = outputs[0].n();
  const std::vector<std::int64_t> shape{attrs_.delays.largest, static_cast<std::int64_t>(lanes()),
                                        static_cast<std::int64_t>(n)};
  Array posts(DType::int32, shape);
  std::fill_n(posts.as<std::int32_t>(), posts.count(), 0);
  for_past(step, [&](std::int64_t past, std::size_t lane, std::size_t begin) {
    const Arrivals events = past_posts(past).of(lane);
    for (std::size_t e = 0; e < events.elements.size(); ++e) {
      posts.as<std::int32_t>()[begin + static_cast<std::size_t>(events.elements[e])] =
          events.payloads[e];
    }
  });
  out.emplace("history/post_in", std::move(posts));
  for (const auto& [name, item] : items_) {
    if (item.kind != Item::Kind::target_trace) continue;
    Array seen(DType::float32, shape);
    std::fill_n(seen.as<float>(), seen.count(), 0.0f);
    for_past(step,
             [&, number = item.number](std::int64_t past, std::size_t lane, std::size_t begin) {
               std::copy_n(part(0, lane).unjoined().row(number, past), n, seen.as<float>() + begin);
             });
    out.emplace(text("seen/", name), std::move(seen));
  }
}

void PlasticNode::import_seen(std::int64_t step, const StateView& state) {
  const std::size_t n = outputs[0].n();
  for (const auto& [name, item] : items_) {
    if (item.kind != Item::Kind::target_trace) continue;
    const auto* from = static_cast<const float*>(state.at(text("seen/", name)).data);
    for_past(step,
             [&, number = item.number](std::int64_t past, std::size_t lane, std::size_t begin) {
               for (std::size_t p = 0; p < part_count(); ++p) {
                 std::copy_n(from + begin, n, part(p, lane).unjoined().row(number, past));
               }
             });
  }
  const auto* posts = static_cast<const std::int32_t*>(state.at("history/post_in").data);
  for_past(step, [&](std::int64_t past, std::size_t lane, std::size_t begin) {
    if (lane == 0) past_posts(past).clear(lanes());
    const std::size_t count =
        loops_.compact(posts + begin, n, 0, INT32_MAX, index_.data(), values_.data());
    past_posts(past).add(lane, index_.data(), values_.data(), count);
    for (std::size_t p = 0; p < part_count(); ++p) {
      part(p, lane).recall(past, past_posts(past).of(lane));
    }
  });
}

}  // namespace procgraph
