#include <algorithm>
#include <cstring>

#include "format/text.hpp"
#include "nodes/parameters.hpp"
#include "synapses/plastic_node.hpp"

namespace procgraph {
namespace {

Array row(std::size_t n) {
  return Array(DType::float32, {1, static_cast<std::int64_t>(n)});
}

}  // namespace

Array PlasticNode::read_parameter(std::string_view section, std::string_view name) const {
  if (section == "weights") name = "w";
  for (std::size_t v = 0; v < names_.size(); ++v) {
    if (names_[v] != name || (section != "weights" && section != "state")) continue;
    Array out = section == "weights" && attrs_.weights->count != 1
                    ? Array(DType::float32, attrs_.weights->shape)
                    : row(synapses_.size());
    for (std::size_t place = 0; place < synapses_.size(); ++place) {
      out.as<float>()[synapses_.number()[place]] = variables_[v][place];
    }
    return out;
  }
  for (const Trace& trace : traces_) {
    if (section != "state" || trace.spec->name != name) continue;
    Array out = row(trace.values.size());
    std::memcpy(out.data.get(), trace.values.data(), out.nbytes());
    return out;
  }
  no_parameter(section, name);
}

std::vector<float>& PlasticNode::values_of(std::string_view name) {
  for (std::size_t v = 0; v < names_.size(); ++v) {
    if (names_[v] == name) return variables_[v];
  }
  for (Trace& trace : traces_) {
    if (trace.spec->name == name) return trace.values;
  }
  no_parameter("state", name);
}

void PlasticNode::write_parameter(std::string_view section, std::string_view name,
                                  const ArrayView& values) {
  if (section == "weights") name = "w";
  if (section != "weights" && section != "state") no_parameter(section, name);
  std::vector<float>& to = values_of(name);
  const auto count = static_cast<std::int64_t>(to.size());
  check_values(spec().name, name, values, DType::float32,
               {count, section == "weights" ? 1 : count});
  const auto* data = static_cast<const float*>(values.data);
  const bool by_number = to.size() == synapses_.size() &&
                         names_.end() != std::find(names_.begin(), names_.end(), name);
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = data[values.count() == 1 ? 0 : by_number ? synapses_.number()[i] : i];
  }
}

State PlasticNode::export_own(std::int64_t step) {
  State out;
  for (const auto& name : names_) out.emplace(text("state/", name), read_parameter("state", name));
  for (const Trace& trace : traces_) {
    out.emplace(text("state/", trace.spec->name), read_parameter("state", trace.spec->name));
  }
  const std::int64_t delay = attrs_.delays.common;
  const auto n = static_cast<std::int64_t>(outputs[0].n());
  Array pending(DType::int32, {delay, 1, n});
  for (std::int64_t d = 0; d < delay; ++d) {
    const auto from = static_cast<std::size_t>((step + d) % (delay + 1)) * outputs[0].n();
    std::memcpy(pending.as<std::int32_t>() + d * n, pending_.data() + from,
                outputs[0].n() * sizeof(std::int32_t));
  }
  out.emplace("pending/a_out", std::move(pending));
  return out;
}

void PlasticNode::import_own(std::int64_t step, const StateView& state) {
  for (const auto& [key, values] : state) {
    if (key.starts_with("state/"))
      write_parameter("state", std::string_view(key).substr(6), values);
  }
  const auto& pending = state.at("pending/a_out");
  const std::int64_t delay = attrs_.delays.common;
  const auto* from = static_cast<const std::int32_t*>(pending.data);
  for (std::int64_t d = 0; d < delay; ++d) {
    const auto to = static_cast<std::size_t>((step + d) % (delay + 1)) * outputs[0].n();
    std::memcpy(pending_.data() + to, from + d * static_cast<std::int64_t>(outputs[0].n()),
                outputs[0].n() * sizeof(std::int32_t));
  }
}

}  // namespace procgraph
