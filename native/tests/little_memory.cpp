// Apart from what allocates: compilers take a pair of functions that they see through for a
// mistake.
#include "little_memory.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace little_memory {
namespace {

constexpr std::int64_t kAll = -1;

std::atomic<std::int64_t> left{kAll};
std::atomic<bool> refused{false};

void* allocate(std::size_t bytes, std::size_t alignment) {
  std::int64_t before = left.load(std::memory_order_relaxed);
  while (before > 0 && !left.compare_exchange_weak(before, before - 1)) {
  }
  if (before == 0) {
    refused = true;
    throw std::bad_alloc();
  }
  const std::size_t units = (bytes + alignment - 1) / alignment;
  void* memory = std::aligned_alloc(alignment, units == 0 ? alignment : units * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void give(std::int64_t allocations) {
  left = allocations;
}
bool give_all() {
  left = kAll;
  return refused.exchange(false);
}

}  // namespace little_memory

void* operator new(std::size_t bytes) {
  return little_memory::allocate(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return little_memory::allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
