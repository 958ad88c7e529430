// What a node of synapses does, beside what the list of its synapses says.
#pragma once

#include <cstdint>
#include <vector>

#include "graphs.hpp"

namespace procgraph {

struct Synapse {
  std::int64_t pre;
  std::int64_t post;
  float weight;
  std::int64_t delay;
};

/// Runs source -> synapse node and compares every current; then again without a recorder on the
/// current, where it is added straight to the target, and where no synapse may be stored.
void check_node(Builder& b, NodeSpec node, const std::vector<Synapse>& synapses, std::int64_t n_pre,
                std::int64_t n_post);

std::vector<float> random_weights(Sequence& random, std::int64_t count);

}  // namespace procgraph
