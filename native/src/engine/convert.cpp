#include "engine/convert.hpp"

#include <cstring>

namespace procgraph {
namespace {

struct Job {
  const std::byte* from;
  std::byte* to;
  std::size_t n;
  std::span<const std::int32_t> src;
  std::span<const std::int32_t> dst;
};

template <class From, class To>
void run(const Job& job) {
  const auto* from = reinterpret_cast<const From*>(job.from);
  auto* to = reinterpret_cast<To*>(job.to);
  if (job.src.empty()) {
    for (std::size_t i = 0; i < job.n; ++i) to[i] = static_cast<To>(from[i]);
    return;
  }
  for (std::size_t m = 0; m < job.src.size(); ++m) {
    to[static_cast<std::size_t>(job.dst[m])] =
        static_cast<To>(from[static_cast<std::size_t>(job.src[m])]);
  }
}

using Function = void (*)(const Job&);

template <class From>
Function to_type(DType to) {
  switch (to) {
    case DType::int16:
      return run<From, std::int16_t>;
    case DType::uint16:
      return run<From, std::uint16_t>;
    case DType::int32:
      return run<From, std::int32_t>;
    case DType::float32:
      return run<From, float>;
    default:
      return nullptr;
  }
}

/// Widening conversions, and int32 to float32 (to nearest even); null for all others.
Function find(DType from, DType to) {
  switch (from) {
    case DType::boolean:
    case DType::uint8:
      return to_type<std::uint8_t>(to);
    case DType::int8:
      return to == DType::uint16 ? nullptr : to_type<std::int8_t>(to);
    case DType::int16:
      return to == DType::int32 || to == DType::float32 ? to_type<std::int16_t>(to) : nullptr;
    case DType::uint16:
      return to == DType::int32 || to == DType::float32 ? to_type<std::uint16_t>(to) : nullptr;
    case DType::int32:
      return to == DType::float32 ? run<std::int32_t, float> : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace

bool convertible(DType from, DType to) {
  const bool byte = from == DType::boolean && (to == DType::uint8 || to == DType::int8);
  return from == to || byte || find(from, to) != nullptr;
}

void convert(const std::byte* from, DType from_type, std::byte* to, DType to_type, std::size_t n,
             std::span<const std::int32_t> src, std::span<const std::int32_t> dst) {
  if (const Function function = find(from_type, to_type); function != nullptr) {
    function({from, to, n, src, dst});
    return;
  }
  const std::size_t item = item_size(to_type);
  if (src.empty()) {
    std::memcpy(to, from, n * item);
    return;
  }
  for (std::size_t m = 0; m < src.size(); ++m) {
    std::memcpy(to + static_cast<std::size_t>(dst[m]) * item,
                from + static_cast<std::size_t>(src[m]) * item, item);
  }
}

}  // namespace procgraph
