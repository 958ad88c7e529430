#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/hot_loops.hpp"
#include "os/memory.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// Zeroed numbers on large pages.
template <class T>
class PagedArray {
 public:
  PagedArray() = default;
  explicit PagedArray(std::size_t size) : size_(size) {
    if (size > PTRDIFF_MAX / sizeof(T)) throw std::bad_alloc();
    pages_ = os::Pages(size * sizeof(T));
  }
  T* data() const { return pages_.as<T>(); }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
  os::Pages pages_;
};

/// The synapses of a plastic node, sorted by source. "Place" is a position in that order, "number"
/// one in the Program's.
struct PlasticRows {
  std::size_t targets = 0;
  std::vector<std::size_t> row_begin;  // by source, with the end as last entry
  PagedArray<std::int32_t> post;
  PagedArray<std::uint32_t> number;
  PagedArray<std::int32_t> delay;  // empty if all are equal

  std::size_t size() const { return post.size(); }
  std::size_t bytes() const {
    return sizeof(std::size_t) * row_begin.size() +
           sizeof(std::uint32_t) * (post.size() + number.size() + delay.size());
  }
  std::pair<std::size_t, std::size_t> row(std::size_t source) const {
    return {row_begin[source], row_begin[source + 1]};
  }
};

struct PlasticSynapses {
  PlasticRows rows;
  std::vector<float> drawn;  // initial weights by number, where drawn
};

PlasticSynapses list_synapses(const PlasticAttrs& attrs, const HotLoops& loops);

}  // namespace procgraph
