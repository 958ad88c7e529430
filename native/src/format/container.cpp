#include "format/container.hpp"

#include <algorithm>
#include <cstring>

#include "format/crc32.hpp"
#include "format/text.hpp"
#include "procgraph/error.hpp"
#include "procgraph/version.hpp"

namespace procgraph {
namespace {

constexpr std::size_t kPreamble = 32;
constexpr std::size_t kAlignment = 64;

template <class T>
T load(std::span<const std::byte> file, std::size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

[[noreturn]] void fail(const char* entity, const std::string& problem) {
  throw Error(ErrorKind::format, entity, problem);
}

/// Number of values, or an error where the product leaves int64.
std::int64_t element_count(const Field& where, const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent != 0 && count > INT64_MAX / extent / 8) where.fail("the shape is too large");
    count *= extent;
  }
  return count;
}

Tensor read_tensor(const Field& entry, std::span<const std::byte> file) {
  const auto size = static_cast<std::int64_t>(file.size());
  Tensor tensor;
  const auto name = entry.at("dtype").str();
  const auto dtype = parse_dtype(name);
  if (!dtype) entry.fail(text("unknown dtype '", name.substr(0, 32), "'"));
  tensor.dtype = *dtype;
  const Field shape = entry.at("shape");
  if (shape.size() > 8) shape.fail("has more than 8 dimensions");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    tensor.shape.push_back(shape.at(i).integer(0, INT64_MAX));
  }
  tensor.count = element_count(shape, tensor.shape);
  const std::int64_t offset = entry.at("offset").integer(kPreamble, size);
  const std::int64_t nbytes = entry.at("nbytes").integer(0, size - offset);
  if (offset % static_cast<std::int64_t>(kAlignment) != 0) {
    entry.fail(text("offset is ", offset, "; allowed: multiples of 64"));
  }
  const auto expected = tensor.count * static_cast<std::int64_t>(item_size(tensor.dtype));
  if (nbytes != expected) entry.fail(text("nbytes is ", nbytes, "; allowed: ", expected));
  tensor.data = file.data() + offset;
  const std::uint64_t crc = entry.at("crc").uint64();
  if (crc != crc32({tensor.data, static_cast<std::size_t>(nbytes)})) {
    entry.fail("the checksum does not match: the file is damaged");
  }
  const auto is_bool = [](std::byte value) { return value <= std::byte{1}; };
  if (tensor.dtype == DType::boolean && !std::all_of(tensor.data, tensor.data + nbytes, is_bool)) {
    entry.fail("has other values than true and false");
  }
  return tensor;
}

}  // namespace

std::span<const std::byte> container_header(std::span<const std::byte> file,
                                            const LoadLimits& limits) {
  if (file.size() < kPreamble) {
    fail("file", text("has ", file.size(), " bytes; a Program has at least ", kPreamble));
  }
  if (std::memcmp(file.data(), "PROCGRPH", 8) != 0) fail("file", "is not a procgraph file");
  const auto version = load<std::uint32_t>(file, 8);
  if (version != kContainerVersion) {
    fail("container version", text("is ", version, "; allowed: ", kContainerVersion));
  }
  const auto header_size = load<std::uint64_t>(file, 16);
  const auto file_size = load<std::uint64_t>(file, 24);
  if (file_size != file.size()) {
    fail("file length", text("is ", file.size(), "; the file says ", file_size));
  }
  const auto allowed = std::min<std::uint64_t>(file.size() - kPreamble,
                                               static_cast<std::uint64_t>(limits.header_bytes));
  if (header_size > allowed) {
    fail("header length", text("is ", header_size, "; allowed: 0 ... ", allowed));
  }
  const auto header = file.subspan(kPreamble, static_cast<std::size_t>(header_size));
  if (load<std::uint32_t>(file, 12) != crc32(header)) {
    fail("header", "the checksum does not match: the file is damaged");
  }
  return header;
}

std::vector<Tensor> read_tensors(const Field& table, std::span<const std::byte> file) {
  std::vector<Tensor> tensors;
  tensors.reserve(table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    tensors.push_back(read_tensor(table.at(i), file));
  }
  return tensors;
}

}  // namespace procgraph
