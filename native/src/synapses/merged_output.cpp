#include <map>
#include <vector>

#include "engine/channel.hpp"
#include "random/rules.hpp"
#include "synapses/quantise.hpp"
#include "synapses/synapse_node.hpp"
#include "synapses/values.hpp"

namespace procgraph {

/// The output of one step, from the synapses themselves: rows of a table hold those of all nodes.
void SynapseNode::emit_merged(std::int64_t step) {
  struct Due {
    std::int32_t delay;
    std::int32_t payload;
    std::size_t lane;
  };
  std::map<std::int32_t, std::vector<Due>> due;  // by source element
  const std::int32_t channel_delay = inputs[0].channels[0]->spec().delay;
  for (std::int32_t d = attrs_.delays.smallest; d <= attrs_.delays.largest; ++d) {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      const EventList& events = source().events.at(step - d - channel_delay, lane);
      for (std::size_t e = 0; e < events.size(); ++e) {
        due[events.index()[e]].push_back({d, events.payload()[e], lane});
      }
    }
  }
  Output& output = outputs[0];
  output.set_silent(step, due.empty());
  if (due.empty()) return;
  output.clear_current(step);
  std::vector<const std::vector<Due>*> row(inputs[0].n());
  for (const auto& [element, list] : due) row[static_cast<std::size_t>(element)] = &list;
  const auto& attrs = std::get<SparseAttrs>(spec().attrs);
  const SynapseValues values(attrs);
  const Quantiser quantiser(output.port().scale);
  for_each_synapse(attrs, loops_, {}, [&](const SynapseRun& run) {
    for (std::size_t i = 0; i < run.pre.size(); ++i) {
      const auto* list = row[static_cast<std::size_t>(run.pre[i])];
      if (list == nullptr) continue;
      const std::int32_t delay = values.delay(run, i);
      const auto q = static_cast<std::uint32_t>(quantiser(values.weight(run, i)));
      for (const Due& entry : *list) {
        if (entry.delay != delay) continue;
        auto* sums = reinterpret_cast<std::uint32_t*>(output.current(step, entry.lane));
        sums[run.post[i]] += q * static_cast<std::uint32_t>(entry.payload);
      }
    }
  });
}

}  // namespace procgraph
