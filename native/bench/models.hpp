#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graphs.hpp"
#include "procgraph/kernel.h"

/// One value for all elements.
struct Values {
  std::string name;
  bool is_float;
  double value;

  std::int32_t bits() const;
};

/// A population of a built-in model.
struct Model {
  std::string kernel;
  std::int64_t n;
  std::vector<Values> columns;
  std::vector<Values> states;
  bool has_input;
  std::int64_t draws;
  std::int64_t limit;  // of a payload
};

/// Driven by a bias: about one spike in 50 steps.
Model lif_model(std::int64_t n);
Model izhikevich(std::int64_t n);
Model poisson(std::int64_t n, double mean);
/// Poisson source, one-to-one synapses, neurons: the background of a cortical network.
std::shared_ptr<const procgraph::Program> background_program(std::int64_t n, std::int64_t delay);
NodeSpec node_of(Builder& b, const std::string& name, const Model& model);
/// Throws where there is no such kernel.
const pg_kernel_entry& builtin_kernel(const std::string& name);
