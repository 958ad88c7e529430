#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "packer.hpp"
#include "procgraph/program.hpp"

/// Ports and nodes of a test Program, with defaults that make a plain one.
struct InputSpec {
  std::string name;
  std::string kind = "events";
  std::int64_t n = 1;
  std::string dtype = "int32";
  std::int64_t scale = 0;
  std::int64_t limit = 1;
};

struct OutputSpec {
  std::string name;
  std::string kind = "events";
  std::int64_t n = 1;
  std::string dtype = "int32";
  std::int64_t scale = 0;
  std::int64_t depth = 1;
  std::int64_t components = 1;
  std::int64_t limit = 1;
  double bound = 1e6;
};

struct ValueSpec {
  std::string name;
  std::string dtype;
  int tensor;
};

struct NodeSpec {
  std::string name;
  std::string op;
  std::int64_t n = 1;
  std::int64_t period = 1;
  std::int64_t phase = 0;
  std::vector<InputSpec> inputs = {};
  std::vector<OutputSpec> outputs = {};
  std::vector<ValueSpec> columns = {};
  std::vector<ValueSpec> states = {};
  std::size_t attr_count = 0;
  std::function<void(Packer&)> attrs = [](Packer&) {};
};

struct JoinSpec {
  int src = 0, out = 0, dst = 0, in = 0;
  std::int64_t delay = 0;
  std::optional<std::pair<int, int>> map = {};
  std::optional<std::int64_t> capacity = {};
  std::string policy = "error";
};

/// Writes Program files. Nodes must be added in the order of their names.
class Builder {
 public:
  template <class T>
  int tensor(const std::vector<T>& values, std::vector<std::int64_t> shape = {}) {
    if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
    const char* data = reinterpret_cast<const char*>(values.data());
    return add_tensor(dtype_of(T{}), std::move(shape), {data, values.size() * sizeof(T)});
  }

  int node(NodeSpec spec);
  void join(JoinSpec spec) { joins_.push_back(std::move(spec)); }
  void schedule(const char* action, int node) { schedule_.emplace_back(action, node); }
  /// Schedules a node's actions in the order of calls.
  void schedule(int node);

  std::string bytes() const;
  std::shared_ptr<const procgraph::Program> load() const;

  double dt = 1.0;
  std::uint64_t seed = 7;

  /// Puts the right checksums back into a file that a test has changed.
  static void fix_checksum(std::string& file);

 private:
  struct TensorSpec {
    const char* dtype;
    std::vector<std::int64_t> shape;
    std::string bytes;
  };
  static const char* dtype_of(float) { return "float32"; }
  static const char* dtype_of(std::int32_t) { return "int32"; }
  static const char* dtype_of(std::uint32_t) { return "uint32"; }
  static const char* dtype_of(std::int64_t) { return "int64"; }
  static const char* dtype_of(std::uint8_t) { return "uint8"; }
  int add_tensor(const char* dtype, std::vector<std::int64_t> shape, std::string bytes);
  std::string header(std::int64_t first_tensor) const;
  void pack_node(Packer& out, const NodeSpec& node) const;

  std::vector<TensorSpec> tensors_;
  std::vector<NodeSpec> nodes_;
  std::vector<JoinSpec> joins_;
  std::vector<std::pair<std::string, int>> schedule_;
};

std::shared_ptr<const procgraph::Program> load(const std::string& file,
                                               const procgraph::LoadLimits& limits = {});

/// A pseudo-random sequence that is the same everywhere.
class Sequence {
 public:
  explicit Sequence(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// 0 ... n - 1.
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n));
  }
  /// -1 ... 1.
  float real() { return static_cast<float>(below(2001) - 1000) / 1000.0f; }

 private:
  std::uint64_t state_;
};
