#include "nodes/columns.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "nodes/parameters.hpp"

namespace procgraph {
namespace {

using Repeated = std::shared_ptr<const Buffer<std::int32_t>>;

/// A chunk of one value. Populations with the same parameters share it, so that it stays in the
/// nearest cache from one to the next.
Repeated repeated(std::int32_t value) {
  static std::mutex mutex;
  static std::unordered_map<std::int32_t, std::weak_ptr<const Buffer<std::int32_t>>> known;
  const std::lock_guard lock(mutex);
  if (Repeated found = known[value].lock()) return found;
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  auto made = std::make_shared<Buffer<std::int32_t>>(PG_KERNEL_CHUNK);
  std::fill_n(made->data(), PG_KERNEL_CHUNK, value);
  known[value] = made;
  return made;
}

}  // namespace

Columns::Columns(const Node& node) : node_(node) {
  for (const NamedTensor& column : node.columns) {
    ColumnValues& values = columns_.emplace_back();
    values.spec = &column;
    set(values, column.values->data, column.values->count == 1);
  }
}

void Columns::set(ColumnValues& column, const void* data, bool common) {
  column.common = common;
  if (common) {
    std::int32_t value;
    std::memcpy(&value, data, sizeof value);
    column.data = repeated(value);
  } else {
    auto values = std::make_shared<Buffer<std::int32_t>>(static_cast<std::size_t>(node_.n));
    std::memcpy(values->data(), data, values->size() * sizeof(std::int32_t));
    column.data = std::move(values);
  }
  ++changes_;
}

bool Columns::common() const {
  return std::all_of(columns_.begin(), columns_.end(), [](const auto& c) { return c.common; });
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
  std::memcpy(out.data.get(), column.data->data(), out.nbytes());
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
