#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/runtime_node.hpp"
#include "synapses/plastic_synapses.hpp"

namespace procgraph {

/// A projection whose weights follow a rule; the order of its step is fixed by the contract.
class PlasticNode final : public RuntimeNode {
 public:
  PlasticNode(const Node& spec, const BuildContext& context);

  std::int64_t synapse_count() const { return static_cast<std::int64_t>(synapses_.size()); }
  /// Bytes of the synapses and of their variables.
  std::size_t storage_bytes() const {
    return synapses_.bytes() + sizeof(float) * variables_.size() * synapses_.size();
  }

  void reset() override;
  void absorb(std::int64_t step) override;
  void emit(std::int64_t step) override;

  Array read_parameter(std::string_view section, std::string_view name) const override;
  void write_parameter(std::string_view section, std::string_view name,
                       const ArrayView& values) override;
  State export_own(std::int64_t step) override;
  void import_own(std::int64_t step, const StateView& state) override;

 protected:
  void compute(std::int64_t) override {}

 private:
  struct Trace {
    const TraceSpec* spec;
    std::vector<float> values;
  };
  /// A rule function with the buffers that its arguments point to.
  struct Function {
    Kernel kernel;
    KernelLayout layout;
    std::vector<std::vector<std::int32_t>> columns;  // bits, repeated for a whole chunk
    std::vector<std::size_t> variables;
    std::vector<std::int32_t> sources;  // trace number of each input, -1 for the modulator
    std::vector<std::vector<float>> gathered_inputs;
    std::vector<std::vector<float>> gathered_states;
    std::vector<const void*> column_pointers;
    std::vector<const void*> input_pointers;
    std::vector<void*> state_pointers;
    std::vector<float> scales;
  };

  void build_function(const RuleFunctionSpec& from, const BuildContext& context);
  void take_events(std::size_t input, std::int64_t step);
  void decay_traces();
  void transmit(std::int64_t step, std::size_t source, std::int32_t payload);
  void join(const std::vector<std::int32_t>& payloads, TraceSpec::Side side);
  void end_epoch();
  /// Runs a function over consecutive places, in place.
  void run_places(Function& function, std::size_t begin, std::size_t end);
  /// Runs a function over the synapses of a target.
  void run_column(Function& function, std::size_t target);
  void call(Function& function, std::size_t n);
  template <class Element>
  void gather_input(Function& function, std::size_t input, std::size_t n, Element pre,
                    Element post);
  void prefetch_next(const Function& function, std::span<const std::uint32_t> places,
                     std::size_t first) const;
  std::vector<float>& values_of(std::string_view name);

  const PlasticAttrs& attrs_;
  PlasticSynapses synapses_;
  std::vector<std::string> names_;             // "w" and the other variables
  std::vector<std::vector<float>> variables_;  // by place
  std::vector<Trace> traces_;
  std::map<std::string, Function, std::less<>> functions_;
  std::vector<std::int32_t> payloads_[2];  // of s_in and post_in, dense
  std::vector<std::int32_t> events_[2];    // elements with a payload
  std::vector<std::int32_t> index_;
  std::vector<std::int32_t> values_;
  std::vector<std::uint32_t> pending_;  // (delay + 1) rows of outputs
  const float* modulator_ = nullptr;
  double factor_;
};

std::unique_ptr<RuntimeNode> make_plastic(const Node& spec, const BuildContext& context);

}  // namespace procgraph
