#include <vector>

#include "engine/convert.hpp"
#include "format/program_parts.hpp"
#include "format/text.hpp"

namespace procgraph {
namespace {

Policy read_policy(const Field& field) {
  const auto name = field.str();
  if (name == "drop_newest") return Policy::drop_newest;
  if (name == "drop_oldest") return Policy::drop_oldest;
  if (name == "latest") return Policy::latest;
  if (name == "error") return Policy::error;
  if (name == "block") return Policy::block;
  field.fail("is no policy; allowed: drop_newest, drop_oldest, latest, error, block");
}

void check_kinds(const Field& field, const OutputPort& out, const InputPort& in) {
  if (out.kind != in.kind)
    field.fail(text("joins '", out.name, "' to '", in.name, "' of another kind"));
  if (out.kind == PortKind::array && !convertible(out.dtype, in.dtype)) {
    field.fail(text("joins ", dtype_name(out.dtype), " to ", dtype_name(in.dtype)));
  }
  if (out.kind == PortKind::current && out.scale != in.scale) {
    field.fail(text("joins scale ", out.scale, " to scale ", in.scale));
  }
}

/// An array element takes one value: nothing could say which of two.
void check_distinct(const Field& map, const Tensor& targets, std::int64_t n) {
  std::vector<bool> taken(static_cast<std::size_t>(n));
  for (const std::int32_t target : targets.as<std::int32_t>()) {
    if (taken[static_cast<std::size_t>(target)])
      map.fail(text("routes two elements to element ", target, " of an array"));
    taken[static_cast<std::size_t>(target)] = true;
  }
}

void read_map(const Field& field, ChannelSpec& channel, const OutputPort& out, const InputPort& in,
              const ReadContext& context) {
  const auto map = field.find("map");
  if (!map) {
    if (out.n != in.n) field.fail(text("joins ", out.n, " to ", in.n, " elements without a map"));
    return;
  }
  map->expect_size(2);
  channel.map_src = tensor_ref(map->at(std::size_t{0}), context, DType::int32);
  channel.map_dst =
      tensor_ref(map->at(std::size_t{1}), context, DType::int32, {channel.map_src->count});
  if (channel.map_src->count > INT32_MAX) map->fail("has more than 2^31 - 1 entries");
  check_range(*map, *channel.map_src, 0, out.n - 1);
  check_range(*map, *channel.map_dst, 0, in.n - 1);
  if (in.kind == PortKind::array) check_distinct(*map, *channel.map_dst, in.n);
}

void read_bound(const Field& field, ChannelSpec& channel, PortKind kind) {
  const auto capacity = field.find("capacity");
  if (!capacity) return;
  if (kind != PortKind::events) field.fail("only events channels can have a capacity");
  channel.capacity = capacity->integer(1, INT32_MAX);
  channel.policy = read_policy(field.at("policy"));
}

ChannelSpec read_channel(Field field, const std::vector<Node>& nodes, const ReadContext& context) {
  const auto last = static_cast<std::int64_t>(nodes.size()) - 1;
  ChannelSpec channel;
  const Field src = field.at("src");
  const Field dst = field.at("dst");
  src.expect_size(2);
  dst.expect_size(2);
  channel.src_node = src.at(std::size_t{0}).int32(0, last);
  channel.dst_node = dst.at(std::size_t{0}).int32(0, last);
  const Node& from = nodes[static_cast<std::size_t>(channel.src_node)];
  const Node& to = nodes[static_cast<std::size_t>(channel.dst_node)];
  channel.src_port = src.at(1).int32(0, static_cast<std::int64_t>(from.outputs.size()) - 1);
  channel.dst_port = dst.at(1).int32(0, static_cast<std::int64_t>(to.inputs.size()) - 1);
  const OutputPort& out = from.outputs[static_cast<std::size_t>(channel.src_port)];
  const InputPort& in = to.inputs[static_cast<std::size_t>(channel.dst_port)];
  field.rename(text("channel '", from.name, ".", out.name, "' -> '", to.name, ".", in.name, "'"));
  channel.delay = field.at("delay").int32(to.is_host() ? 1 : 0, out.depth - 1);
  check_kinds(field, out, in);
  read_map(field, channel, out, in, context);
  read_bound(field, channel, out.kind);
  return channel;
}

void check_one_array_channel(const Field& list, const std::vector<ChannelSpec>& channels,
                             const std::vector<Node>& nodes) {
  std::vector<std::vector<bool>> taken(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) taken[i].resize(nodes[i].inputs.size());
  for (const auto& channel : channels) {
    const auto node = static_cast<std::size_t>(channel.dst_node);
    const auto port = static_cast<std::size_t>(channel.dst_port);
    if (nodes[node].inputs[port].kind != PortKind::array) continue;
    if (taken[node][port]) {
      list.fail(text("array input '", nodes[node].name, ".", nodes[node].inputs[port].name,
                     "' has more than one channel"));
    }
    taken[node][port] = true;
  }
}

Action read_action(const Field& field) {
  const auto name = field.str();
  if (name == "tick") return Action::tick;
  if (name == "absorb") return Action::absorb;
  if (name == "emit") return Action::emit;
  field.fail("is no action; allowed: tick, absorb, emit");
}

/// Places of a node's actions in the schedule; -1 where there is none.
struct Places {
  std::int64_t pull = -1;  ///< tick or absorb
  std::int64_t push = -1;  ///< tick or emit
};

void place(const Field& field, Action action, const Node& node, Places& places,
           std::int64_t position) {
  const bool synapse = node.synapse() != nullptr;
  if (node.is_host() || synapse == (action == Action::tick)) {
    field.fail(text("this action does not fit node '", node.name, "'"));
  }
  std::int64_t& slot = action == Action::emit ? places.push : places.pull;
  if (slot >= 0) field.fail(text("node '", node.name, "' stands there twice"));
  slot = position;
  if (action == Action::tick) places.push = position;
}

void check_order(const Field& list, const std::vector<Node>& nodes,
                 const std::vector<ChannelSpec>& channels, const std::vector<Places>& places) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].is_host()) continue;
    if (places[i].pull < 0 || places[i].push < 0) {
      list.fail(text("node '", nodes[i].name, "' is missing"));
    }
    const auto* synapse = nodes[i].synapse();
    if (synapse != nullptr && synapse->delays.smallest == 0 && places[i].push < places[i].pull) {
      list.fail(text("node '", nodes[i].name, "' emits before it absorbs"));
    }
  }
  for (const auto& channel : channels) {
    const auto src = static_cast<std::size_t>(channel.src_node);
    const auto dst = static_cast<std::size_t>(channel.dst_node);
    if (channel.delay > 0 || nodes[src].is_host()) continue;
    if (places[src].push >= places[dst].pull) {
      list.fail(text("node '", nodes[dst].name, "' comes before '", nodes[src].name,
                     "', which feeds it without delay"));
    }
  }
}

}  // namespace

std::vector<ChannelSpec> read_channels(const Field& list, const std::vector<Node>& nodes,
                                       const ReadContext& context) {
  std::vector<ChannelSpec> channels;
  channels.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    channels.push_back(read_channel(list.at(i), nodes, context));
  }
  check_one_array_channel(list, channels, nodes);
  return channels;
}

std::vector<ScheduleEntry> read_schedule(const Field& list, const std::vector<Node>& nodes,
                                         const std::vector<ChannelSpec>& channels) {
  std::vector<ScheduleEntry> schedule;
  std::vector<Places> places(nodes.size());
  schedule.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Field entry = list.at(i);
    entry.expect_size(2);
    const Action action = read_action(entry.at(std::size_t{0}));
    const auto node = entry.at(1).int32(0, static_cast<std::int64_t>(nodes.size()) - 1);
    const auto at = static_cast<std::size_t>(node);
    place(entry, action, nodes[at], places[at], static_cast<std::int64_t>(i));
    schedule.push_back({action, node});
  }
  check_order(list, nodes, channels, places);
  return schedule;
}

}  // namespace procgraph
