#include <map>
#include <mutex>

#include "format/text.hpp"
#include "kernels/isa.hpp"
#include "os/storage.hpp"
#include "procgraph/error.hpp"
#include "procgraph/kernels.hpp"

namespace procgraph {

void check_layout(const Kernel& kernel, const std::string& owner, const KernelLayout& layout) {
  std::string given;
  for (const auto* part : {&layout.columns, &layout.states, &layout.inputs, &layout.outputs}) {
    for (std::size_t i = 0; i < part->size(); ++i) {
      given += text(i == 0 ? "" : ",", dtype_name((*part)[i]));
    }
    given += ";";
  }
  given += std::to_string(layout.draws);
  if (kernel.layout.empty() || kernel.layout == given) return;
  throw Error(ErrorKind::format, owner,
              text("hands its kernel ", given, "; allowed: ", kernel.layout,
                   " (columns; states; inputs; outputs; draws)"));
}

struct KernelRegistry::Impl {
  mutable std::mutex mutex;
  std::map<std::pair<std::string, std::string>, Kernel> kernels;
  std::vector<std::unique_ptr<os::SharedLibrary>> libraries;
};

KernelRegistry::KernelRegistry() : impl_(std::make_unique<Impl>()) {}
KernelRegistry::~KernelRegistry() = default;

KernelRegistry& KernelRegistry::process() {
  // Never destroyed: engines of other static objects may outlive any order of destruction.
  static auto* const registry = new KernelRegistry;
  return *registry;
}

std::vector<std::pair<std::string, std::string>> KernelRegistry::load(const std::string& path) {
  auto library = std::make_unique<os::SharedLibrary>(path);
  const auto table = reinterpret_cast<pg_kernel_table_fn>(library->symbol("pg_kernel_table"));
  if (table == nullptr) {
    throw Error(ErrorKind::device, path, "does not export pg_kernel_table");
  }
  std::vector<std::pair<std::string, std::string>> loaded;
  std::vector<Kernel> kernels;
  for (const pg_kernel_entry* entry = table(); entry != nullptr && entry->name != nullptr;
       ++entry) {
    if (entry->hash == nullptr || entry->layout == nullptr || entry->fn == nullptr) {
      throw Error(ErrorKind::device, path,
                  text("has a kernel '", entry->name, "' without hash, layout or function"));
    }
    kernels.push_back({entry->fn, nullptr, entry->layout});
    loaded.emplace_back(entry->name, entry->hash);
  }
  {
    // Before its kernels are known: they must not outlive it, whatever fails.
    const std::lock_guard lock(impl_->mutex);
    impl_->libraries.push_back(std::move(library));
  }
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    add(loaded[i].first, loaded[i].second, std::move(kernels[i]));
  }
  return loaded;
}

void KernelRegistry::add(const std::string& name, const std::string& hash, Kernel kernel) {
  // What is replaced goes with `kernel`, after the lock: that may call functions of others.
  const std::lock_guard lock(impl_->mutex);
  std::swap(impl_->kernels[{name, hash}], kernel);
}

std::optional<Kernel> KernelRegistry::look_up(std::string_view name, std::string_view hash,
                                              std::string& others) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->kernels.find({std::string(name), std::string(hash)});
  if (found != impl_->kernels.end()) return found->second;
  for (const auto& [key, kernel] : impl_->kernels) {
    if (key.first == name) others += text(others.empty() ? "" : ", ", key.second);
  }
  for (const auto* entry = select_isa().kernels(); entry->name != nullptr; ++entry) {
    if (entry->name != name) continue;
    if (entry->hash == hash) return Kernel{entry->fn, nullptr, entry->layout};
    others += text(others.empty() ? "" : ", ", entry->hash);
  }
  return std::nullopt;
}

bool KernelRegistry::has(std::string_view name, std::string_view hash) const {
  std::string others;
  return look_up(name, hash, others).has_value();
}

Kernel KernelRegistry::find(std::string_view name, std::string_view hash) const {
  std::string others;
  if (auto found = look_up(name, hash, others)) return *std::move(found);
  const std::string entity = text("kernel '", name, "'");
  if (others.empty()) {
    throw Error(ErrorKind::device, entity, "is neither built in nor registered");
  }
  throw Error(ErrorKind::device, entity,
              text("the Program was compiled for hash ", hash, ", this library has ", others,
                   "; compile the graph again"));
}

}  // namespace procgraph
