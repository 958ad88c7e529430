#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <cstdint>
#include <new>

#include "os/memory.hpp"
#include "os/storage.hpp"
#include "procgraph/error.hpp"

namespace procgraph::os {
namespace {

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw Error(ErrorKind::io, path,
              std::string(what) + " (Windows error " + std::to_string(GetLastError()) + ")");
}

std::wstring wide(const std::string& utf8) {
  const int size =
      MultiByteToWideChar(CP_UTF8, 0, utf8.data(), static_cast<int>(utf8.size()), nullptr, 0);
  std::wstring out(static_cast<std::size_t>(size), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, utf8.data(), static_cast<int>(utf8.size()), out.data(), size);
  return out;
}

class Mapping : public Storage {
 public:
  Mapping(HANDLE mapping, const void* data, std::size_t size)
      : mapping_(mapping), data_(data), size_(size) {}
  ~Mapping() override {
    if (data_ != nullptr) UnmapViewOfFile(data_);
    if (mapping_ != nullptr) CloseHandle(mapping_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(data_), size_};
  }

 private:
  HANDLE mapping_;
  const void* data_;
  std::size_t size_;
};

std::unique_ptr<Storage> map_handle(HANDLE file, const std::string& path) {
  LARGE_INTEGER size = {};
  if (!GetFileSizeEx(file, &size)) fail(path, "its size could not be read");
  if (size.QuadPart == 0) return std::make_unique<Mapping>(nullptr, nullptr, 0);
  HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (mapping == nullptr) fail(path, "could not be mapped");
  const void* data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
  if (data == nullptr) {
    CloseHandle(mapping);
    fail(path, "could not be mapped");
  }
  return std::make_unique<Mapping>(mapping, data, static_cast<std::size_t>(size.QuadPart));
}

}  // namespace

std::unique_ptr<Storage> map_file(const std::string& utf8_path) {
  HANDLE file = CreateFileW(wide(utf8_path).c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                            OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) fail(utf8_path, "could not be opened");
  struct Closer {
    HANDLE handle;
    ~Closer() { CloseHandle(handle); }
  } closer{file};
  return map_handle(file, utf8_path);
}

// Huge pages would need a privilege that users do not have.
std::size_t free_memory() {
  MEMORYSTATUSEX status = {};
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) != 0 ? static_cast<std::size_t>(status.ullAvailPhys)
                                            : SIZE_MAX;
}

Pages::Pages(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  data_ = VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (data_ == nullptr) throw std::bad_alloc();
}

Pages::~Pages() {
  if (data_ != nullptr) VirtualFree(data_, 0, MEM_RELEASE);
}

SharedLibrary::SharedLibrary(const std::string& utf8_path)
    : handle_(LoadLibraryW(wide(utf8_path).c_str())) {
  if (handle_ == nullptr) fail(utf8_path, "could not be loaded");
}

SharedLibrary::~SharedLibrary() {
  FreeLibrary(static_cast<HMODULE>(handle_));
}

void* SharedLibrary::symbol(const char* name) const {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), name));
}

}  // namespace procgraph::os

#endif
