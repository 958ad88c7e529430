#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace procgraph {

/// Zero-initialised, 64-byte aligned memory of fixed size.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size > PTRDIFF_MAX / sizeof(T)) throw std::bad_alloc();
    data_.reset(static_cast<T*>(::operator new(size * sizeof(T) + 64, std::align_val_t{64})));
    zero();
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }
  void zero() {
    if (size_ != 0) std::memset(static_cast<void*>(data()), 0, size_ * sizeof(T));
  }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace procgraph
