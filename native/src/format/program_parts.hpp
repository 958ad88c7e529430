#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "format/field.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

struct ReadContext {
  const LoadLimits& limits;
  const std::vector<Tensor>& tensors;
};

/// The tensor that a field refers to by index, checked for its dtype if one is given.
const Tensor* tensor_ref(const Field& field, const ReadContext& context,
                         std::optional<DType> dtype = std::nullopt);
/// As tensor_ref, for a tensor of one of the given numbers of values.
const Tensor* tensor_ref(const Field& field, const ReadContext& context, DType dtype,
                         std::initializer_list<std::int64_t> counts);
/// The least and the greatest of at least one value.
struct Extremes {
  std::int32_t low = 0;
  std::int32_t high = 0;
};
Extremes extremes(std::span<const std::int32_t> values);
/// Checks that every value of an int32 tensor lies in [low, high].
void check_range(const Field& field, const Tensor& tensor, std::int64_t low, std::int64_t high);

/// Reads `attrs` of a node and checks them against the node's ports and states.
Attrs read_attrs(const Field& node, const Node& partial, const ReadContext& context);

/// Attributes of the five kinds of synapse nodes.
std::optional<Attrs> read_synapse_attrs(std::string_view op, const Field& attrs,
                                        const ReadContext& context);

/// Attributes of the connectivity rule `distance`.
void read_distance_rule(const Field& attrs, const ReadContext& context, SparseAttrs& out);
/// Number of the synapses that it makes; once weights and delays are read.
void count_distance_rule(const Field& attrs, const ReadContext& context, SparseAttrs& out);

/// Attributes of a plastic node, checked against its ports, columns and states.
Attrs read_plastic(const Field& node, const Field& attrs, const Node& partial,
                   const ReadContext& context);

/// Reads the channels and checks each against the ports it joins.
std::vector<ChannelSpec> read_channels(const Field& list, const std::vector<Node>& nodes,
                                       const ReadContext& context);

/// Reads the schedule; checks that every action is there exactly once and in a valid order.
std::vector<ScheduleEntry> read_schedule(const Field& list, const std::vector<Node>& nodes,
                                         const std::vector<ChannelSpec>& channels);

}  // namespace procgraph
