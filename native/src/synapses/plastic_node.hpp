#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/runtime_node.hpp"
#include "synapses/plastic_lane.hpp"
#include "synapses/plastic_part.hpp"

namespace procgraph {

/// A projection whose weights follow a rule. Threads share the sources that have events in a step:
/// each visits their rows and adds to sums of its own.
class PlasticNode final : public RuntimeNode {
 public:
  PlasticNode(const Node& spec, const BuildContext& context);

  std::int64_t synapse_count() const;
  /// Bytes of the synapses and of their variables in all lanes.
  std::size_t storage_bytes() const;

  void reset() override;
  void seek(std::int64_t step, std::uint64_t seed) override;
  void absorb(std::int64_t step) override;
  void emit(std::int64_t step) override;

  void divide(int threads, const Cuts* cuts) override;
  int parts(Action action) const override;
  int thread_of(Action action, int part) const override;
  const Input* emits_as_cut() const override;
  bool has_prologue() const override { return true; }
  bool has_epochs() const override { return has_epochs_; }
  void prologue(std::int64_t step) override;
  void run_part(Action action, std::int64_t step, int part) override;
  void epilogue(Action action, std::int64_t step) override;
  bool caller_only() const override;
  double cost(Action action) const override;

  Array read_parameter(std::string_view section, std::string_view name) const override;
  void write_parameter(std::string_view section, std::string_view name,
                       const ArrayView& values) override;
  State export_own(std::int64_t step) override;
  void import_own(std::int64_t step, const StateView& state) override;

 protected:
  void compute(std::int64_t) override {}

 private:
  /// A variable or a trace, by its name.
  struct Item {
    enum class Kind : std::uint8_t { variable, source_trace, target_trace } kind;
    std::size_t number;
    std::size_t n;  ///< values of one lane
  };
  /// Targets that a thread emits to.
  struct Range {
    std::size_t begin;
    std::size_t end;
    int thread;
  };
  /// Events of an input in this step, lane by lane.
  struct Events {
    std::vector<std::int32_t> elements;
    std::vector<std::int32_t> payloads;
    std::vector<std::size_t> begins;  // of the lanes, and the end
    void clear(std::size_t lanes);
    /// Adds those of a lane, one lane after the other.
    void add(std::size_t lane, const std::int32_t* index, const std::int32_t* payload,
             std::size_t count);
    Arrivals of(std::size_t lane) const;
  };

  void check_places() const;
  std::size_t parts_worth(const BuildContext& context) const;
  void run_all(Action action, std::int64_t step);
  void take_events(std::size_t input, std::int64_t step);
  const float* modulator(std::int64_t step, std::size_t lane);
  void absorb_part(std::int64_t step, std::size_t number);
  void end_epoch(std::int64_t step, std::size_t number);
  void cut_emission(const Input& target, const Cuts& cuts);
  void cut_emission_evenly();
  bool silent(std::int64_t step) const;
  void emit_range(std::int64_t step, std::size_t begin, std::size_t end);
  const Item* find(std::string_view name) const;
  const Item& item_of(std::string_view section, std::string_view name) const;
  std::size_t part_count() const { return parts_.size() / lanes(); }
  PlasticPart& part(std::size_t number, std::size_t lane) const {
    return *parts_[number * lanes() + lane];
  }
  void settle() const;
  void settle_lane(std::size_t lane, std::int64_t now) const;
  template <class Each>
  void for_past(std::int64_t step, Each&& each) const;
  void export_seen(std::int64_t step, State& out);
  void import_seen(std::int64_t step, const StateView& state);
  Events& past_posts(std::int64_t step) {
    return past_posts_[static_cast<std::size_t>(step) % past_posts_.size()];
  }
  void read_lane(const Item& item, std::size_t lane, float* to) const;
  void write_lane(const Item& item, std::size_t lane, const float* from, bool one);
  float initial(std::size_t variable, std::size_t number) const;

  const PlasticAttrs& attrs_;
  PlasticSynapses synapses_;
  bool has_epochs_ = false;
  bool hosted_ = false;  // some function belongs to the host language
  std::vector<std::unique_ptr<PlasticLane>> lanes_;
  std::vector<std::unique_ptr<PlasticPart>> parts_;  // by number and lane
  std::vector<std::size_t> row_cuts_;                // ranges of rows with about as many synapses
  std::vector<Range> emitted_;                       // parts of the emission
  std::vector<std::pair<std::string, Item>> items_;  // variables, "w" first, then traces
  Events events_[2];                                 // of s_in and post_in
  std::vector<Events> past_posts_;  // of post_in in the last steps, if delays are dendritic
  std::vector<std::int32_t> index_;
  std::vector<std::int32_t> values_;
  std::int64_t now_ = 0;  // the next step
};

std::unique_ptr<RuntimeNode> make_plastic(const Node& spec, const BuildContext& context);

}  // namespace procgraph
