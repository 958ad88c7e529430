#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/buffer.hpp"
#include "kernels/chunk.hpp"
#include "procgraph/engine.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// Values that a kernel reads: one for all elements, repeated for a whole chunk, or one each.
struct ColumnValues {
  const NamedTensor* spec = nullptr;
  bool common = false;
  bool written = false;
  std::shared_ptr<const Buffer<std::int32_t>> data;  // bits of float32 or int32
};

/// The columns of an element-wise node.
class Columns {
 public:
  explicit Columns(const Node& node);

  const std::vector<ColumnValues>& all() const { return columns_; }
  /// Whether each is one value for all elements.
  bool common() const;
  /// Counts the times that values came to lie elsewhere.
  int changes() const { return changes_; }
  /// Null if `section` is not "column" or there is none of that name.
  const ColumnValues* find(std::string_view section, std::string_view name) const;
  Array read(const ColumnValues& column) const;
  /// Takes one value for all elements, or one each.
  void write(const ColumnValues& column, const ArrayView& values);
  /// The (section, name) of those that were written.
  std::vector<std::pair<std::string, std::string>> written() const;

 private:
  void set(ColumnValues& column, const void* data, bool common);

  const Node& node_;
  std::vector<ColumnValues> columns_;
  int changes_ = 0;
};

}  // namespace procgraph
