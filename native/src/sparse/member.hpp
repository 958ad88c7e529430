#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "random/rules.hpp"
#include "sparse/layout.hpp"
#include "synapses/quantise.hpp"
#include "synapses/synapse_node.hpp"

namespace procgraph {

/// One kind of segment of a table: its delay and, where segments have one, its weight.
struct Slot {
  std::int32_t delay = 0;
  std::int32_t weight = 0;

  friend auto operator<=>(const Slot&, const Slot&) = default;
};

/// A projection on its way into a delivery table.
class Member {
 public:
  explicit Member(SynapseNode& node);

  SynapseNode& node() const { return *node_; }
  const SparseAttrs& attrs() const { return *attrs_; }
  /// Distinct effective delays, ascending: channel and synapse together.
  const std::vector<std::int32_t>& delays() const { return delays_; }
  /// Position of the target's first sum in the arena.
  std::uint64_t target() const { return target_; }

  bool constant() const { return low_ == high_; }
  std::int32_t lowest() const { return low_; }
  std::int32_t highest() const { return high_; }
  std::int32_t bits() const { return bits_; }  ///< all weights or-ed together

  /// Adds all weights to `seen`; false once there are more than `most`.
  bool collect_weights(std::unordered_set<std::int32_t>& seen, std::size_t most) const;

  /// Prepares decoding for a table with these segments.
  void prepare(const std::vector<Slot>& slots, const Layout& layout);
  /// Places of synapses in a run.
  using Chosen = std::span<const std::uint16_t>;
  /// Numbers of the segments of chosen synapses of a run, one after the other.
  void decode_slots(const SynapseRun& run, Chosen chosen, std::uint16_t* slots) const;
  /// Their weight bits, as the layout stores them.
  void decode_weights(const SynapseRun& run, Chosen chosen, std::uint32_t* codes) const;

 private:
  void find_delays();
  void find_weights();
  std::uint32_t code(std::int32_t q) const;

  SynapseNode* node_;
  const SparseAttrs* attrs_;
  std::int32_t channel_delay_;
  std::uint64_t target_;
  Quantiser quantise_;
  std::vector<std::int32_t> delays_;
  std::int32_t low_ = 0;
  std::int32_t high_ = 0;
  std::int32_t bits_ = 0;
  Layout layout_;
  std::vector<std::uint16_t> slot_of_delay_;  // by synapse delay
  std::vector<std::uint16_t> slot_of_draw_;   // by the low half of the drawn word
  std::vector<std::uint32_t> code_of_draw_;   // by the high half
  std::uint16_t common_slot_ = 0;
  std::uint32_t common_code_ = 0;
};

}  // namespace procgraph
