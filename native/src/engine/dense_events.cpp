#include "engine/dense_events.hpp"

#include <algorithm>
#include <cstring>

#include "engine/channel.hpp"
#include "synapses/synapse_node.hpp"

namespace procgraph {
namespace {

constexpr std::int32_t kMaxRows = 64;
constexpr std::int64_t kMaxElements = 1 << 26;  // of all rows

bool every_step(const Node& node) {
  const auto* attrs = std::get_if<ElementwiseAttrs>(&node.attrs);
  return node.period == 1 && attrs != nullptr && !attrs->event_driven;
}

/// The synapse node behind a channel if payloads can pass through it element by element.
SynapseNode* diagonal_target(const Channel& channel) {
  auto* synapse = dynamic_cast<SynapseNode*>(channel.target().owner);
  if (synapse == nullptr || !channel.divisible() || !synapse->passes_dense()) return nullptr;
  return every_step(synapse->passes_into()->owner->spec()) ? synapse : nullptr;
}

std::int32_t whole_delay(const Channel& channel, const SynapseNode& synapse) {
  return channel.spec().delay + synapse.spec().synapse()->delays.common;
}

/// Rows that have to be kept; 0 if the events have to be listed.
std::int32_t rows_needed(const Output& output) {
  const OutputPort& port = output.port();
  const bool graded = port.kind == PortKind::events && port.limit > 1;
  if (!graded || output.recorders > 0 || output.channels.empty()) return 0;
  if (!every_step(output.owner->spec()) || output.owner->caller_only()) return 0;
  std::int32_t rows = port.depth;
  for (const Channel* channel : output.channels) {
    const SynapseNode* synapse = diagonal_target(*channel);
    if (synapse == nullptr) return 0;
    rows = std::max(rows, whole_delay(*channel, *synapse) + 1);
  }
  const std::int64_t elements =
      std::int64_t{rows} * port.n * static_cast<std::int64_t>(output.lanes());
  return rows <= kMaxRows && elements <= kMaxElements ? rows : 0;
}

/// True if the payloads are taken once, in the step in which they are emitted: they need not go
/// through memory.
bool taken_at_once(const Output& output) {
  if (output.channels.size() != 1 || output.owner->draw() == nullptr) return false;
  const Channel& only = *output.channels[0];
  return whole_delay(only, *diagonal_target(only)) == 0;
}

void fill(std::int32_t* row, const EventList& events) {
  for (std::size_t e = 0; e < events.size(); ++e) row[events.index()[e]] = events.payload()[e];
}

bool equal(const std::int32_t* row, std::size_t n, const EventList& events) {
  std::vector<std::int32_t> other(n);
  fill(other.data(), events);
  return std::memcmp(row, other.data(), n * sizeof *row) == 0;
}

/// Rows of all payloads that are still to arrive; none where histories contradict each other, which
/// only a made-up checkpoint can do.
std::unique_ptr<DenseRows> rows_of(Output& output, std::int32_t count, std::int64_t last) {
  auto rows = std::make_unique<DenseRows>(count, output.lanes(), output.n());
  std::int32_t known = output.port().depth;  // ages
  for (std::size_t lane = 0; lane < output.lanes(); ++lane) {
    for (std::int32_t age = 0; age < known; ++age) {
      fill(rows->row(last - age, lane), output.events.at(last - age, lane));
    }
  }
  for (const Channel* channel : output.channels) {
    SynapseNode& synapse = *diagonal_target(*channel);
    if (!channel->target().clean()) return nullptr;
    const std::int32_t ages = synapse.spec().synapse()->delays.common;
    const std::int32_t shift = channel->spec().delay;
    for (std::int32_t age = 0; age < ages; ++age) {
      for (std::size_t lane = 0; lane < output.lanes(); ++lane) {
        std::int32_t* row = rows->row(last - age - shift, lane);
        const EventList& events = synapse.history().ring->at(last - age, lane);
        if (age + shift >= known) {
          fill(row, events);
        } else if (!equal(row, output.n(), events)) {
          return nullptr;
        }
      }
    }
    known = std::max(known, ages + shift);
  }
  return rows;
}

void remove_feeds(Input& input, const DenseRows* rows) {
  std::erase_if(input.feeds, [rows](const DenseFeed& feed) { return feed.rows == rows; });
}

}  // namespace

bool is_undrawn(const Output& output) {
  return output.dense && output.dense->draw() != nullptr && output.owner->draw() == nullptr;
}

bool use_dense_events(Output& output, std::int64_t last) {
  const bool changed = is_undrawn(output);
  if (changed) use_listed_events(output, last);
  const std::int32_t count = output.dense ? 0 : rows_needed(output);
  if (count == 0) return changed;
  auto rows = rows_of(output, count, last);
  if (rows == nullptr) return changed;
  if (taken_at_once(output)) {
    rows = std::make_unique<DenseRows>(*output.owner->draw(), last + 1, output.n());
  }
  for (const Channel* channel : output.channels) {
    std::vector<DenseFeed>& feeds = diagonal_target(*channel)->passes_into()->feeds;
    feeds.reserve(feeds.size() + output.channels.size());  // from here on nothing needs memory
  }
  output.dense = std::move(rows);
  for (const Channel* channel : output.channels) {
    SynapseNode& synapse = *diagonal_target(*channel);
    synapse.pass_dense(output.dense.get(), channel->spec().delay);
    synapse.passes_into()->feeds.push_back(
        {output.dense.get(), &output, whole_delay(*channel, synapse), synapse.diagonal()});
  }
  return true;
}

void use_listed_events(Output& output, std::int64_t last) {
  if (!output.dense) return;
  output.list_dense(last);
  const auto target_of = [](const Channel* channel) -> SynapseNode& {
    return dynamic_cast<SynapseNode&>(*channel->target().owner);
  };
  for (const Channel* channel : output.channels) target_of(channel).list_dense(last);
  for (const Channel* channel : output.channels) {
    SynapseNode& synapse = target_of(channel);
    synapse.pass_dense(nullptr, 0);
    remove_feeds(*synapse.passes_into(), output.dense.get());
  }
  output.dense.reset();
}

}  // namespace procgraph
