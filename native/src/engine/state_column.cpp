#include "engine/state_column.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "engine/lines.hpp"

namespace procgraph {
namespace {

std::size_t in_page(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at) % kApartBytes;
}

}  // namespace

StateColumn::StateColumn(const NamedTensor& name, std::size_t size, std::size_t lanes)
    : spec(&name), n(size), count_(lanes * size), runs_{{0, 0}}, data_(bytes()) {}

void StateColumn::keep_apart(const std::vector<std::size_t>& places) {
  std::vector<Run> runs{{0, 0}};
  for (const std::size_t place : places) {
    runs.push_back({place, place * item() + runs.size() * kApartBytes});
  }
  if (runs.size() == 1 && runs_.size() == 1) return;
  Buffer<std::byte> values(bytes());
  read(values.data());
  const std::size_t begin = in_page(data_.data() + runs_[0].offset);
  data_ = Buffer<std::byte>(bytes() + runs.size() * kApartBytes);
  const std::size_t shift = (begin + kApartBytes - in_page(data_.data())) % kApartBytes;
  for (Run& run : runs) run.offset += shift;
  runs_ = std::move(runs);
  write(values.data());
}

std::byte* StateColumn::at(std::size_t place) {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), place,
                                      [](std::size_t x, const Run& run) { return x < run.first; });
  const Run& run = *(after - 1);
  return data_.data() + run.offset + (place - run.first) * item();
}

void StateColumn::read(std::byte* out) const {
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    std::memcpy(out + runs_[r].first * item(), data_.data() + runs_[r].offset, run_bytes(r));
  }
}

void StateColumn::write(const std::byte* values) {
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    std::memcpy(data_.data() + runs_[r].offset, values + runs_[r].first * item(), run_bytes(r));
  }
}

}  // namespace procgraph
