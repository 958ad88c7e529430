#ifndef _WIN32

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "os/memory.hpp"
#include "os/storage.hpp"
#include "procgraph/error.hpp"

namespace procgraph::os {
namespace {

class Mapping : public Storage {
 public:
  Mapping(void* data, std::size_t size) : data_(data), size_(size) {}
  ~Mapping() override {
    if (size_ != 0) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(data_), size_};
  }

 private:
  void* data_;
  std::size_t size_;
};

[[noreturn]] void fail(const std::string& path, int code) {
  throw Error(ErrorKind::io, path, std::strerror(code));
}

}  // namespace

std::unique_ptr<Storage> map_file(const std::string& utf8_path) {
  const int file = ::open(utf8_path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(utf8_path, errno);
  struct stat status = {};
  void* data = nullptr;
  int code = 0;
  if (fstat(file, &status) != 0) {
    code = errno;
  } else if (!S_ISREG(status.st_mode)) {
    code = EINVAL;
  } else if (status.st_size > 0) {
    data = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) code = errno;
  }
  ::close(file);
  if (code != 0) fail(utf8_path, code);
  return std::make_unique<Mapping>(data, static_cast<std::size_t>(status.st_size));
}

Pages::Pages(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  // A little more than a huge page is rounded up to whole ones, so that small tables stay small.
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  const bool huge = bytes >= kHuge;
  if (huge) bytes_ = (bytes + kHuge - 1) / kHuge * kHuge;
  data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data_ == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (huge) madvise(data_, bytes_, MADV_HUGEPAGE);
#endif
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

SharedLibrary::SharedLibrary(const std::string& utf8_path)
    : handle_(dlopen(utf8_path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) throw Error(ErrorKind::io, utf8_path, dlerror());
}

SharedLibrary::~SharedLibrary() {
  dlclose(handle_);
}

void* SharedLibrary::symbol(const char* name) const {
  return dlsym(handle_, name);
}

}  // namespace procgraph::os

#endif
