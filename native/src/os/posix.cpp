#ifndef _WIN32

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>
#include <string>

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

#if defined(__APPLE__)
std::size_t free_memory() {
  std::uint64_t bytes = 0;
  std::size_t size = sizeof bytes;
  // What is free hardly says what could be; half of all is a careful guess.
  if (sysctlbyname("hw.memsize", &bytes, &size, nullptr, 0) != 0) return SIZE_MAX;
  return static_cast<std::size_t>(bytes / 2);
}
#else
namespace {

/// The number in a file of the kernel, behind `key` where there is one; SIZE_MAX if there is none.
std::size_t number_in(const char* path, const std::string& key = "") {
  std::ifstream file(path);
  std::string word;
  while (!key.empty() && word != key && file >> word) {
  }
  std::size_t number = 0;
  return file >> number ? number : SIZE_MAX;
}

}  // namespace

std::size_t free_memory() {
  const std::size_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
  const std::size_t all = kilobytes == SIZE_MAX ? SIZE_MAX : 1024 * kilobytes;
  // Of a container.
  const std::size_t most = number_in("/sys/fs/cgroup/memory.max");
  const std::size_t taken = number_in("/sys/fs/cgroup/memory.current");
  if (most == SIZE_MAX || taken == SIZE_MAX) return all;
  return std::min(all, most - std::min(most, taken));
}
#endif

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
