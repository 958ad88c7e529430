#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/events.hpp"
#include "engine/lines.hpp"
#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"
#include "procgraph/storage.hpp"

namespace procgraph {

/// The synapses of one node in the layout that delivers them fastest. Stateless but for weights:
/// history and sums belong to the node, so that one projection serves all lanes.
class Projection {
 public:
  virtual ~Projection() = default;

  /// Distinct delays, ascending.
  const std::vector<std::int32_t>& delays() const { return delays_; }

  /// Adds the synapses of delay number `delay` of all elements in `due` to the targets' sums.
  virtual void deliver(const EventList& due, std::size_t delay, std::uint32_t* sums) const = 0;

  /// Marks the sums that `deliver` adds to, or more than those.
  virtual void mark(const EventList&, std::size_t, std::span<LineMask> lines) const {
    std::fill(lines.begin(), lines.end(), kWholeLine);
  }

  /// Takes over quantised weights, in the order of the Program's tensor. The span holds one weight
  /// where the Program has a common one.
  virtual void set_weights(std::span<const std::int32_t> weights) = 0;

  /// Takes over the quantised weights that the Program draws from, where it need not know each
  /// synapse's own; false if it must.
  virtual bool set_weight_table(std::span<const std::int32_t>) { return false; }

  /// Where source i has exactly one synapse, with target i and a common delay: its weight, or one
  /// for all. Empty for others. Stays valid when weights are set.
  virtual std::span<const std::int32_t> diagonal() const { return {}; }

  /// Layout, number of synapses, and the bytes that they take.
  struct Storage {
    StorageFormat format;
    std::int64_t synapses;
    std::size_t bytes;
  };
  virtual Storage storage() const = 0;

  /// Per target: sum of |weight| and number of synapses, for the check against overflow.
  struct Load {
    std::vector<double> weight;
    std::vector<double> synapses;
  };
  virtual Load load(std::span<const float> weights) const = 0;

 protected:
  /// `drawn`: values that delays are drawn from, instead of `delays`.
  explicit Projection(const Delays& delays, const Tensor* drawn = nullptr);
  std::size_t delay_number(std::int32_t delay) const;

 private:
  std::vector<std::int32_t> delays_;
};

/// Load of a sparse node with these weights, or with those of the Program.
Projection::Load sparse_load(const SparseAttrs& attrs, const HotLoops& loops,
                             std::span<const float> weights);

std::unique_ptr<Projection> make_dense(const DenseAttrs& attrs, const HotLoops& loops);
std::unique_ptr<Projection> make_sparse(const SparseAttrs& attrs, const HotLoops& loops);
std::unique_ptr<Projection> make_procedural(const SparseAttrs& attrs, const HotLoops& loops);
std::unique_ptr<Projection> make_one_to_one(const OneToOneAttrs& attrs);
std::unique_ptr<Projection> make_all_to_all(const AllToAllAttrs& attrs, const HotLoops& loops);
std::unique_ptr<Projection> make_conv2d(const Conv2dAttrs& attrs);

}  // namespace procgraph
