#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Writes MessagePack: enough for Programs.
class Packer {
 public:
  Packer& map(std::size_t size) { return head(0xDE, size); }
  Packer& list(std::size_t size) { return head(0xDC, size); }
  Packer& nil() { return byte(0xC0); }
  Packer& boolean(bool value) { return byte(value ? 0xC3 : 0xC2); }
  Packer& integer(std::int64_t value) {
    byte(0xD3);
    return big_endian(static_cast<std::uint64_t>(value), 8);
  }
  Packer& uint64(std::uint64_t value) {
    byte(0xCF);
    return big_endian(value, 8);
  }
  Packer& real(double value) {
    byte(0xCB);
    return big_endian(std::bit_cast<std::uint64_t>(value), 8);
  }
  Packer& str(std::string_view value) {
    byte(0xDA);
    big_endian(value.size(), 2);
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }

  Packer& field(std::string_view key, std::int64_t value) { return str(key).integer(value); }
  Packer& text(std::string_view key, std::string_view value) { return str(key).str(value); }
  Packer& ints(std::string_view key, const std::vector<std::int64_t>& values) {
    str(key).list(values.size());
    for (const auto value : values) integer(value);
    return *this;
  }

  const std::string& bytes() const { return bytes_; }

 private:
  Packer& byte(unsigned value) {
    bytes_.push_back(static_cast<char>(value));
    return *this;
  }
  Packer& big_endian(std::uint64_t value, int size) {
    for (int i = size - 1; i >= 0; --i) byte(static_cast<unsigned>(value >> (8 * i)) & 0xFF);
    return *this;
  }
  Packer& head(unsigned tag, std::size_t size) {
    byte(tag);
    return big_endian(size, 2);
  }

  std::string bytes_;
};
