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
  for (const auto& part : parts_) part->settle(now_);
}

void PlasticNode::read_lane(const Item& item, std::size_t lane, float* to) const {
  for (std::size_t range = 0; range < synapses_.ranges.size(); ++range) {
    PlasticPart& from = part(range, lane);
    const PlasticRows& rows = from.rows();
    if (item.kind == Item::Kind::variable) {
      const float* values = from.variable(item.number);
      for (std::size_t p = 0; p < rows.size(); ++p) to[rows.number.data()[p]] = values[p];
      continue;
    }
    const std::vector<float>& values = from.trace(item.number);
    const bool target = item.kind == Item::Kind::target_trace;
    std::copy(values.begin(), values.end(), to + (target ? rows.first_target : 0));
  }
}

void PlasticNode::write_lane(const Item& item, std::size_t lane, const float* from, bool one) {
  const auto value = [&](std::size_t i) { return from[one ? 0 : i]; };
  for (std::size_t range = 0; range < synapses_.ranges.size(); ++range) {
    PlasticPart& to = part(range, lane);
    const PlasticRows& rows = to.rows();
    if (item.kind == Item::Kind::variable) {
      float* values = to.variable(item.number);
      for (std::size_t p = 0; p < rows.size(); ++p) values[p] = value(rows.number.data()[p]);
      continue;
    }
    std::vector<float>& values = to.trace(item.number);
    const std::size_t first = item.kind == Item::Kind::target_trace ? rows.first_target : 0;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(first + i);
  }
}

/// Weights of a single lane have the shape of the initial ones.
Array PlasticNode::read_parameter(std::string_view section, std::string_view name) const {
  const Item& item = item_of(section, name);
  settle();
  const bool shaped = section == "weights" && lanes() == 1 && attrs_.weights->count != 1;
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
      for (std::size_t range = 0; range < synapses_.ranges.size(); ++range) {
        PlasticPart& from = part(range, lane);
        std::memcpy(to + from.rows().first_target, from.due(step + d),
                    from.rows().targets * sizeof *to);
      }
    }
  }
  out.emplace("pending/a_out", std::move(pending));
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
  for (std::int64_t d = 0; d < delay; ++d) {
    for (std::size_t lane = 0; lane < lanes(); ++lane, from += n) {
      for (std::size_t range = 0; range < synapses_.ranges.size(); ++range) {
        PlasticPart& to = part(range, lane);
        to.mark_due(step + d);
        std::memcpy(to.due(step + d), from + to.rows().first_target,
                    to.rows().targets * sizeof *from);
      }
    }
  }
}

}  // namespace procgraph
