#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/buffer.hpp"
#include "kernels/hot_loops.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// The synapses of a plastic node: sorted by source for transmission, with an index by target.
/// "Place" is a position in that order, "number" one in the Program's.
class PlasticSynapses {
 public:
  PlasticSynapses(const PlasticAttrs& attrs, const HotLoops& loops);

  std::size_t size() const { return number_.size(); }
  std::size_t bytes() const {
    return sizeof(std::size_t) * (row_begin_.size() + column_begin_.size()) +
           sizeof(std::uint32_t) * (pre_.size() + post_.size() + number_.size() +
                                    by_target_.size() + sources_by_target_.size());
  }
  /// Places of the synapses of a source.
  std::pair<std::size_t, std::size_t> row(std::size_t source) const {
    return {row_begin_[source], row_begin_[source + 1]};
  }
  /// Places of the synapses of a target, ascending.
  std::span<const std::uint32_t> column(std::size_t target) const {
    return {by_target_.data() + column_begin_[target],
            column_begin_[target + 1] - column_begin_[target]};
  }
  /// Sources of the synapses of a target, in the same order.
  std::span<const std::int32_t> column_sources(std::size_t target) const {
    return {sources_by_target_.data() + column_begin_[target],
            column_begin_[target + 1] - column_begin_[target]};
  }
  /// Initial weights by number, where they are drawn.
  const std::vector<float>& drawn() const { return drawn_; }
  const std::int32_t* pre() const { return pre_.data(); }
  const std::int32_t* post() const { return post_.data(); }
  const std::uint32_t* number() const { return number_.data(); }

 private:
  void sort_by_source(std::size_t n_pre, std::span<const std::int32_t> pre,
                      std::span<const std::int32_t> post);
  void index_by_target(std::size_t n_post);

  std::vector<std::size_t> row_begin_;
  std::vector<std::size_t> column_begin_;
  std::vector<std::int32_t> pre_;
  std::vector<std::int32_t> post_;
  std::vector<std::uint32_t> number_;
  std::vector<std::uint32_t> by_target_;
  std::vector<std::int32_t> sources_by_target_;
  std::vector<float> drawn_;
};

}  // namespace procgraph
