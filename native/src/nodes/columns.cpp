#include "nodes/columns.hpp"

#include <algorithm>
#include <cstring>

#include "nodes/parameters.hpp"

namespace procgraph {

Columns::Columns(const Node& node) : node_(node) {
  for (const NamedTensor& column : node.columns) {
    ColumnValues& values = columns_.emplace_back();
    values.spec = &column;
    set(values, column.values->data, column.values->count == 1);
  }
}

void Columns::set(ColumnValues& column, const void* data, bool common) {
  const auto n = static_cast<std::size_t>(node_.n);
  const std::size_t size = common ? kChunk : n;
  if (column.data.size() != size || column.data.empty()) column.data = Buffer<std::int32_t>(size);
  column.common = common;
  std::memcpy(column.data.data(), data, (common ? 1 : n) * sizeof(std::int32_t));
  if (common) std::fill_n(column.data.data(), kChunk, column.data[0]);
  ++changes_;
}

const ColumnValues* Columns::find(std::string_view section, std::string_view name) const {
  if (section != "column") return nullptr;
  for (const ColumnValues& column : columns_) {
    if (column.spec->name == name) return &column;
  }
  return nullptr;
}

Array Columns::read(const ColumnValues& column) const {
  Array out(column.spec->dtype, {column.common ? 1 : node_.n});
  std::memcpy(out.data.get(), column.data.data(), out.nbytes());
  return out;
}

void Columns::write(const ColumnValues& column, const ArrayView& values) {
  check_values(node_.name, column.spec->name, values, column.spec->dtype, {1, node_.n});
  ColumnValues& own = columns_[static_cast<std::size_t>(&column - columns_.data())];
  set(own, values.data, values.count() == 1);
  own.written = true;
}

std::vector<std::pair<std::string, std::string>> Columns::written() const {
  std::vector<std::pair<std::string, std::string>> names;
  for (const ColumnValues& column : columns_) {
    if (column.written) names.emplace_back("column", column.spec->name);
  }
  return names;
}

}  // namespace procgraph
