#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "builder.hpp"

/// Events of a source, in ascending order of ticks.
struct Event {
  std::int64_t tick;
  std::int32_t index;
  std::int32_t payload;
};

NodeSpec event_source(Builder& b, const std::string& name, std::int64_t n,
                      const std::vector<Event>& events, std::int64_t depth = 1,
                      std::int64_t cycle = 0);
NodeSpec elementwise(const std::string& name, const std::string& kernel, std::int64_t n,
                     std::int64_t draws);
NodeSpec lif(Builder& b, const std::string& name, std::int64_t n, float decay = 0.9f,
             float v_th = 1.0f, std::int32_t ref_steps = 2, std::int64_t scale = 16);
NodeSpec bernoulli(Builder& b, const std::string& name, std::int64_t n, double probability);
NodeSpec copier(Builder& b, const std::string& name, std::int64_t n);
NodeSpec host(const std::string& name, std::int64_t n, std::int64_t period, std::int64_t phase = 0);
/// A synapse node with its two ports; attributes are up to the caller.
NodeSpec synapse(const std::string& name, const std::string& op, std::int64_t n_pre,
                 std::int64_t n_post, std::int64_t scale = 16);
NodeSpec dense(Builder& b, const std::string& name, std::int64_t n_pre, std::int64_t n_post,
               const std::vector<float>& weights, std::int64_t delay, std::int64_t scale = 16);

/// Sources and targets of sparse synapses.
struct Pairs {
  std::vector<std::int32_t> pre;
  std::vector<std::int32_t> post;
  std::vector<float> weights;
  std::vector<std::int32_t> delays;
};
NodeSpec sparse(Builder& b, const std::string& name, std::int64_t n_pre, std::int64_t n_post,
                const Pairs& pairs);
/// How synapses learn.
struct Learning {
  bool dendritic = false;
  bool joined = false;
};
/// Sparse synapses that learn from both sides and, every seven steps, from a modulator. With
/// dendritic delays they see trace and modulator at events of the target, too.
NodeSpec plastic(Builder& b, const std::string& name, std::int64_t n_pre, std::int64_t n_post,
                 const Pairs& pairs, Learning learning);

/// Random events: about `per_tick` a tick, payloads -3 ... 3.
std::vector<Event> random_events(Sequence& random, std::int64_t ticks, std::int64_t n,
                                 std::int64_t per_tick);

/// Noise that drives a population through synapses that learn, `synapses` a source on average;
/// `recurrent`: the population also drives itself, through synapses that do not.
Builder plastic_network(std::int64_t n, std::int64_t synapses, double probability,
                        Learning learning = {}, bool recurrent = false);

/// A Program with a bit of everything, for round trips and the fuzzer.
Builder small_network();
