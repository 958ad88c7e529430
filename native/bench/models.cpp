#include "models.hpp"

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "kernels/isa.hpp"

std::int32_t Values::bits() const {
  if (!is_float) return static_cast<std::int32_t>(value);
  const auto x = static_cast<float>(value);
  std::int32_t out;
  std::memcpy(&out, &x, sizeof out);
  return out;
}

const pg_kernel_entry& builtin_kernel(const std::string& name) {
  for (const auto* entry = procgraph::select_isa().kernels(); entry->name != nullptr; ++entry) {
    if (name == entry->name) return *entry;
  }
  throw std::runtime_error("no kernel " + name);
}

Model lif_model(std::int64_t n) {
  const double decay = std::exp(-1.0 / 20.0);
  return {.kernel = "LIF",
          .n = n,
          .columns = {{"v_th", true, 1.0},
                      {"v_reset", true, 0.0},
                      {"decay", true, decay},
                      {"drive", true, 1.1 * (1 - decay)},
                      {"ref_steps", false, 2}},
          .states = {{"v", true, 0.0}, {"refractory", false, 0}},
          .has_input = true,
          .draws = 0,
          .limit = 1};
}

Model izhikevich(std::int64_t n) {
  return {.kernel = "Izhikevich",
          .n = n,
          .columns = {{"c", true, -65.0},
                      {"d", true, 8.0},
                      {"v_peak", true, 30.0},
                      {"half", true, 0.5},
                      {"square", true, 0.02},
                      {"linear", true, 3.5},
                      {"constant", true, 150.0},
                      {"keep", true, 0.98},
                      {"pull", true, 0.004}},
          .states = {{"v", true, -65.0}, {"u", true, -13.0}},
          .has_input = true,
          .draws = 0,
          .limit = 1};
}

Model poisson(std::int64_t n, double mean) {
  Model model{.kernel = "PoissonSource",
              .n = n,
              .columns = {},
              .states = {},
              .has_input = false,
              .draws = 1,
              .limit = 24};
  double term = std::exp(-mean);
  double sum = 0;
  for (int k = 0; k < 24; ++k) {
    sum += term;
    term *= mean / (k + 1);
    const double threshold = std::rint(std::min(sum, 1.0) * 2147483648.0) - 1;
    model.columns.push_back({"cdf." + std::to_string(k), false, threshold});
  }
  return model;
}

NodeSpec node_of(Builder& b, const std::string& name, const Model& model) {
  NodeSpec node{.name = name, .op = "elementwise", .n = model.n};
  node.attr_count = 4;
  node.attrs = [kernel = model.kernel, hash = std::string(builtin_kernel(model.kernel).hash),
                draws = model.draws](Packer& out) {
    out.text("kernel", kernel).text("hash", hash).field("draws", draws).text("execution", "clock");
  };
  if (model.has_input) {
    node.inputs = {{.name = "a_in", .kind = "current", .n = model.n, .scale = 20}};
  }
  node.outputs = {{.name = "s_out", .n = model.n, .limit = model.limit}};
  const auto add = [&](std::vector<ValueSpec>& to, const Values& v) {
    if (v.is_float) {
      to.push_back({v.name, "float32", b.tensor<float>({static_cast<float>(v.value)})});
    } else {
      to.push_back({v.name, "int32", b.tensor<std::int32_t>({static_cast<std::int32_t>(v.value)})});
    }
  };
  for (const Values& column : model.columns) add(node.columns, column);
  for (const Values& state : model.states) add(node.states, state);
  return node;
}

std::shared_ptr<const procgraph::Program> background_program(std::int64_t n, std::int64_t delay) {
  Builder b;
  const int p = b.node(node_of(b, "a", poisson(n, 1.6)));
  NodeSpec one = synapse("b", "one_to_one", n, n, 20);
  one.inputs[0].limit = 24;
  one.attr_count = 3;
  one.attrs = [=, w = b.tensor<float>({0.01f})](Packer& out) {
    out.field("n", n).field("weights", w).field("delay", delay);
  };
  const int s = b.node(one);
  const int l = b.node(node_of(b, "c", lif_model(n)));
  b.join({.src = p, .dst = s});
  b.join({.src = s, .dst = l});
  for (const int node : {p, s, l}) b.schedule(node);
  return b.load();
}
