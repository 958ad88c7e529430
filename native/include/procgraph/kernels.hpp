#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "procgraph/dtype.hpp"
#include "procgraph/kernel.h"

namespace procgraph {

/// Types of what a kernel's arguments point to, in the same order.
struct KernelLayout {
  std::vector<DType> columns;
  std::vector<DType> states;
  std::vector<DType> inputs;
  std::vector<DType> outputs;  ///< per component
  int draws = 0;
};

/// A kernel in the host language. May throw; the run then stops with that exception.
using KernelCallback = std::function<void(const pg_kernel_args&, const KernelLayout&)>;

struct Kernel {
  pg_kernel_fn fn = nullptr;
  std::shared_ptr<const KernelCallback> callback;  ///< used where `fn` is null
  std::string layout = {};  ///< as in pg_kernel_entry; empty where anything goes
};

/// Throws Error (`format`) where `owner` would call a kernel with other arguments than it takes.
void check_layout(const Kernel& kernel, const std::string& owner, const KernelLayout& layout);

/// Kernels of users; the built-in ones are known without. All members are thread-safe.
class KernelRegistry {
 public:
  /// The registry of this OS process.
  static KernelRegistry& process();

  KernelRegistry();
  ~KernelRegistry();
  KernelRegistry(const KernelRegistry&) = delete;
  KernelRegistry& operator=(const KernelRegistry&) = delete;

  /// Loads a shared library that exports `pg_kernel_table` and keeps it loaded; returns the name
  /// and hash of each kernel. Throws Error (`io`, `device`).
  std::vector<std::pair<std::string, std::string>> load(const std::string& path);
  /// Adds a kernel, or replaces the one of the same name and hash for engines made later.
  void add(const std::string& name, const std::string& hash, Kernel kernel);
  /// Throws Error (`device`) if there is no such kernel, or only one of another hash.
  Kernel find(std::string_view name, std::string_view hash) const;
  bool has(std::string_view name, std::string_view hash) const;

 private:
  /// Collects the hashes of other kernels of that name in `others`.
  std::optional<Kernel> look_up(std::string_view name, std::string_view hash,
                                std::string& others) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Name of the instruction set that engines use here. Throws Error (`device`).
const char* best_isa();

}  // namespace procgraph
