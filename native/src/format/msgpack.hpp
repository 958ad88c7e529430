#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace procgraph::msgpack {

enum class Type : std::uint8_t { nil, boolean, integer, unsigned_integer, real, text, list, map };

/// One decoded value; 16 bytes. Children and text belong to the Document.
struct Value {
  Type type = Type::nil;
  std::uint32_t size = 0;  ///< bytes of a text, items of a list, pairs of a map
  union {
    bool boolean;
    std::int64_t integer;
    std::uint64_t unsigned_integer;  ///< only above the range of int64
    double real;
    const char* text;
    const Value* items;  ///< a map holds key, value, key, value ...
  };

  Value() : integer(0) {}
  std::string_view str() const { return {text, size}; }
};

/// Decodes one value that fills `bytes` exactly. Memory is bounded by 16 bytes per input byte and
/// nesting by 16 levels, whatever the input. `bytes` must outlive the Document. Throws Error.
class Document {
 public:
  explicit Document(std::span<const std::byte> bytes);
  const Value& root() const { return root_; }

 private:
  class Reader;
  std::deque<std::vector<Value>> arena_;
  Value root_;
};

}  // namespace procgraph::msgpack
