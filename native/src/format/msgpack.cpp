#include "format/msgpack.hpp"

#include <bit>

#include "format/text.hpp"
#include "procgraph/error.hpp"

namespace procgraph::msgpack {
namespace {

constexpr int kMaxDepth = 16;

}  // namespace

class Document::Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::deque<std::vector<Value>>& arena)
      : bytes_(bytes), budget_(bytes.size()), arena_(arena) {}

  Value read(int depth);
  void expect_end() const {
    if (position_ != bytes_.size()) fail("bytes follow the value");
  }

 private:
  [[noreturn]] void fail(const char* problem) const {
    throw Error(ErrorKind::format, text("header byte ", position_), problem);
  }

  std::uint64_t big_endian(std::size_t size) {
    if (bytes_.size() - position_ < size) fail("the value is cut off");
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = (value << 8) | static_cast<std::uint64_t>(bytes_[position_ + i]);
    }
    position_ += size;
    return value;
  }

  static Value of_integer(std::int64_t x) {
    Value v;
    v.type = Type::integer;
    v.integer = x;
    return v;
  }

  static Value of_unsigned(std::uint64_t x) {
    if (x <= static_cast<std::uint64_t>(INT64_MAX)) return of_integer(static_cast<std::int64_t>(x));
    Value v;
    v.type = Type::unsigned_integer;
    v.unsigned_integer = x;
    return v;
  }

  static Value of_real(double x) {
    Value v;
    v.type = Type::real;
    v.real = x;
    return v;
  }

  static Value of_boolean(bool x) {
    Value v;
    v.type = Type::boolean;
    v.boolean = x;
    return v;
  }

  Value read_text(std::uint64_t size) {
    if (bytes_.size() - position_ < size) fail("the text is cut off");
    Value v;
    v.type = Type::text;
    v.size = static_cast<std::uint32_t>(size);
    v.text = reinterpret_cast<const char*>(bytes_.data() + position_);
    position_ += size;
    return v;
  }

  Value read_items(Type type, std::uint64_t size, int depth);
  Value read_signed(unsigned tag);
  Value read_tagged(unsigned tag, int depth);

  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  std::uint64_t budget_;  // values that may still be announced: each takes at least a byte
  std::deque<std::vector<Value>>& arena_;
};

Value Document::Reader::read_items(Type type, std::uint64_t size, int depth) {
  if (depth >= kMaxDepth) fail("nesting is too deep; allowed: 16 levels");
  const std::uint64_t count = type == Type::map ? 2 * size : size;
  if (count > budget_) fail("more items are announced than the header has bytes");
  budget_ -= count;
  auto& items = arena_.emplace_back(count);
  for (auto& item : items) item = read(depth + 1);
  Value v;
  v.type = type;
  v.size = static_cast<std::uint32_t>(size);
  v.items = items.data();
  return v;
}

Value Document::Reader::read_signed(unsigned tag) {
  switch (tag) {
    case 0xD0:
      return of_integer(static_cast<std::int8_t>(big_endian(1)));
    case 0xD1:
      return of_integer(static_cast<std::int16_t>(big_endian(2)));
    case 0xD2:
      return of_integer(static_cast<std::int32_t>(big_endian(4)));
    default:
      return of_integer(static_cast<std::int64_t>(big_endian(8)));
  }
}

Value Document::Reader::read_tagged(unsigned tag, int depth) {
  switch (tag) {
    case 0xC0:
      return {};
    case 0xC2:
    case 0xC3:
      return of_boolean(tag == 0xC3);
    case 0xCA:
      return of_real(std::bit_cast<float>(static_cast<std::uint32_t>(big_endian(4))));
    case 0xCB:
      return of_real(std::bit_cast<double>(big_endian(8)));
    case 0xCC:
    case 0xCD:
    case 0xCE:
    case 0xCF:
      return of_unsigned(big_endian(std::size_t{1} << (tag - 0xCC)));
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3:
      return read_signed(tag);
    case 0xD9:
    case 0xDA:
    case 0xDB:
      return read_text(big_endian(std::size_t{1} << (tag - 0xD9)));
    case 0xDC:
    case 0xDD:
      return read_items(Type::list, big_endian(tag == 0xDC ? 2 : 4), depth);
    case 0xDE:
    case 0xDF:
      return read_items(Type::map, big_endian(tag == 0xDE ? 2 : 4), depth);
    default:
      fail("a MessagePack type that Programs do not use");
  }
}

Value Document::Reader::read(int depth) {
  const auto tag = static_cast<unsigned>(big_endian(1));
  if (tag < 0x80) return of_integer(tag);
  if (tag < 0x90) return read_items(Type::map, tag & 0x0F, depth);
  if (tag < 0xA0) return read_items(Type::list, tag & 0x0F, depth);
  if (tag < 0xC0) return read_text(tag & 0x1F);
  if (tag >= 0xE0) return of_integer(static_cast<std::int64_t>(tag) - 256);
  return read_tagged(tag, depth);
}

Document::Document(std::span<const std::byte> bytes) {
  Reader reader(bytes, arena_);
  root_ = reader.read(0);
  reader.expect_end();
}

}  // namespace procgraph::msgpack
