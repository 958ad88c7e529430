#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "format/msgpack.hpp"

namespace procgraph {

/// A header value together with where it stands, so that every complaint names the place, the
/// value and what is allowed.
class Field {
 public:
  Field(const msgpack::Value& value, std::string where)
      : value_(&value), where_(std::move(where)) {}

  /// Item of a map; an absent one is an error.
  Field at(std::string_view key) const;
  /// Item of a map; nothing where it is absent or null.
  std::optional<Field> find(std::string_view key) const;
  /// Item of a list.
  Field at(std::size_t index) const;
  std::size_t size() const;
  /// Size of a list that must have exactly `size` items.
  void expect_size(std::size_t size) const;

  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  std::int32_t int32(std::int64_t low, std::int64_t high) const;
  std::uint64_t uint64() const;
  double real() const;
  bool boolean() const;
  std::string_view str() const;
  bool is_null() const { return value_->type == msgpack::Type::nil; }

  const std::string& where() const { return where_; }
  void rename(std::string where) { where_ = std::move(where); }
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  void expect(msgpack::Type type, const char* what) const;

  const msgpack::Value* value_;
  std::string where_;
};

}  // namespace procgraph
