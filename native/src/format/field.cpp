#include "format/field.hpp"

#include "format/text.hpp"
#include "procgraph/error.hpp"

namespace procgraph {

using msgpack::Type;

void Field::fail(const std::string& problem) const {
  throw Error(ErrorKind::format, where_, problem);
}

void Field::expect(Type type, const char* what) const {
  if (value_->type != type) fail(text("is not ", what));
}

std::optional<Field> Field::find(std::string_view key) const {
  expect(Type::map, "a map");
  for (std::uint32_t i = 0; i < value_->size; ++i) {
    const msgpack::Value& k = value_->items[2 * i];
    if (k.type != Type::text || k.str() != key) continue;
    Field found(value_->items[2 * i + 1], text(where_, ".", key));
    if (found.is_null()) return std::nullopt;
    return found;
  }
  return std::nullopt;
}

Field Field::at(std::string_view key) const {
  auto found = find(key);
  if (!found) fail(text("has no '", key, "'"));
  return *found;
}

std::size_t Field::size() const {
  expect(Type::list, "a list");
  return value_->size;
}

void Field::expect_size(std::size_t wanted) const {
  if (size() != wanted) fail(text("has ", size(), " items; allowed: ", wanted));
}

Field Field::at(std::size_t index) const {
  if (index >= size()) fail(text("has no item ", index));
  return {value_->items[index], text(where_, "[", index, "]")};
}

std::int64_t Field::integer(std::int64_t low, std::int64_t high) const {
  if (value_->type == Type::unsigned_integer) {
    fail(text("is ", value_->unsigned_integer, "; allowed: ", low, " ... ", high));
  }
  expect(Type::integer, "an integer");
  if (value_->integer < low || value_->integer > high) {
    fail(text("is ", value_->integer, "; allowed: ", low, " ... ", high));
  }
  return value_->integer;
}

std::int32_t Field::int32(std::int64_t low, std::int64_t high) const {
  return static_cast<std::int32_t>(integer(low, high < INT32_MAX ? high : INT32_MAX));
}

std::uint64_t Field::uint64() const {
  if (value_->type == Type::unsigned_integer) return value_->unsigned_integer;
  return static_cast<std::uint64_t>(integer(0, INT64_MAX));
}

double Field::real() const {
  if (value_->type == Type::integer) return static_cast<double>(value_->integer);
  expect(Type::real, "a number");
  return value_->real;
}

bool Field::boolean() const {
  expect(Type::boolean, "true or false");
  return value_->boolean;
}

std::string_view Field::str() const {
  expect(Type::text, "a text");
  return value_->str();
}

}  // namespace procgraph
