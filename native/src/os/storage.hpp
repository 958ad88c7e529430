#pragma once

#include <memory>
#include <string>

#include "procgraph/program.hpp"

namespace procgraph::os {

/// Maps a file read-only. The mapping is private: the caller must not change the file meanwhile.
/// Throws Error (`io`).
std::unique_ptr<Storage> map_file(const std::string& utf8_path);

/// A shared library that stays loaded as long as the object lives.
class SharedLibrary {
 public:
  explicit SharedLibrary(const std::string& utf8_path);
  ~SharedLibrary();
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  /// Address of an exported symbol, or null.
  void* symbol(const char* name) const;

 private:
  void* handle_;
};

}  // namespace procgraph::os
