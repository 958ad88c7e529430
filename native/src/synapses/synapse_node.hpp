#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "engine/runtime_node.hpp"
#include "synapses/projection.hpp"

namespace procgraph {

class SparseTables;

/// Absorbs events into a short history and emits what is due as a current.
class SynapseNode final : public RuntimeNode {
 public:
  SynapseNode(const Node& spec, const BuildContext& context);

  void finish_build() override;
  void reset() override;
  void seek(std::int64_t step, std::uint64_t seed) override;
  void absorb(std::int64_t step) override;
  void emit(std::int64_t step) override;
  const Input* emit_target() const override;
  double cost(Action action) const override;
  /// Builds what a node that is not merged needs. The tables must know which ones are.
  void join_tables(SparseTables& tables);
  /// Someone looks at the output: it is computed for itself from now on.
  void work_alone();

  /// A sparse node whose synapses may be delivered together with others of its source.
  bool mergeable() const;
  bool merged() const { return merged_; }
  void set_merged(bool merged) { merged_ = merged; }
  /// Makes the synapses anew at every event instead of storing them; before they are built.
  void make_procedural() { procedural_ = true; }
  /// Starts to work for itself at `step`, from what the source still knows.
  void take_history(std::int64_t step);

  Array read_parameter(std::string_view section, std::string_view name) const override;
  void write_parameter(std::string_view section, std::string_view name,
                       const ArrayView& values) override;
  std::vector<std::pair<std::string, std::string>> written_parameters() const override;
  void materialise(std::int64_t step) override;
  History history() override;

  // Dense events, see engine/dense_events.hpp.
  /// True if payloads may bypass the history: one channel in, one out, element by element.
  bool passes_dense() const;
  Input* passes_into() const;
  std::span<const std::int32_t> diagonal() const { return projection_->diagonal(); }
  /// From now on payloads come from `rows`, `delay` steps late; null: from the channel again.
  void pass_dense(DenseRows* rows, std::int32_t delay);
  /// Fills the history from the rows.
  void list_dense(std::int64_t last);
  bool idle(Action) const override { return rows_ != nullptr || merged_; }
  bool takes_by_table() const override { return merged_; }

  /// Of a node that is not merged.
  Projection::Storage storage() const { return projection_->storage(); }

  /// Worst case of one step, per target: sum of |weight| * payload bound, and rounded summands.
  const Projection::Load& load() const;

 protected:
  void compute(std::int64_t) override {}

 private:
  void note_events(std::int64_t step) { last_events_.store(step, std::memory_order_relaxed); }
  void collect(std::int64_t step);
  void emit_to_ring(std::int64_t step);
  void emit_merged(std::int64_t step);
  void update_fusion();
  void build_projection();
  void check_finite(std::span<const float> weights) const;
  std::vector<std::int32_t> quantised(std::span<const float> weights) const;
  void add_load(Projection::Load& total, const Channel& channel, const Projection::Load& own) const;
  Projection::Load load_of(std::span<const float> weights) const;
  void check_bound(std::span<const float> weights) const;
  std::int64_t weight_count() const;
  /// Weights now; those that are drawn go through `drawn`.
  std::span<const float> current_weights(std::vector<float>& drawn) const;
  Output& source() const;

  const SynapseAttrs& attrs_;
  std::unique_ptr<Projection> projection_;
  EventRing history_;
  Channel* fused_ = nullptr;
  DenseRows* rows_ = nullptr;  // of the source, where events are dense
  std::int32_t rows_delay_ = 0;
  SparseTables* tables_ = nullptr;
  bool merged_ = false;
  bool procedural_ = false;
  // No later step has left events in the history. Emission may look while absorption of the same
  // step writes: with delays of a step or more, both values lead to the same.
  std::atomic<std::int64_t> last_events_ = 0;
  std::int64_t stored_step_ = -1;  // step whose emission lies in the ring although it was fused
  std::vector<float> written_;     // weights set at run time
  mutable std::optional<Projection::Load> load_;
  Buffer<std::int32_t> index_;
  Buffer<std::int32_t> payload_;
};

}  // namespace procgraph
