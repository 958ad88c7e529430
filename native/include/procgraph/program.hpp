#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "procgraph/dtype.hpp"

namespace procgraph {

/// Bounds that a file must respect; tighten them for untrusted input.
struct LoadLimits {
  std::int64_t elements = INT32_MAX;    ///< of one node, port or tensor row
  std::int64_t synapses = UINT32_MAX;   ///< of one synapse node
  std::int64_t delay = 1 << 20;         ///< steps, of channels and synapses
  std::int64_t ring_bytes = 1LL << 40;  ///< of one output's history, per batch lane
  std::int64_t header_bytes = 1 << 28;
};

/// A tensor inside the file; `data` is aligned for its dtype and lives as long as the Program.
struct Tensor {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::int64_t count = 0;

  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data), static_cast<std::size_t>(count)};
  }
};

enum class PortKind : std::uint8_t { events, current, array };

struct InputPort {
  std::string name;
  PortKind kind = PortKind::events;
  std::int32_t n = 0;
  DType dtype = DType::int32;
  std::int32_t scale = 0;
  std::int64_t limit = 0;
};

struct OutputPort {
  std::string name;
  PortKind kind = PortKind::events;
  std::int32_t n = 0;
  DType dtype = DType::int32;
  std::int32_t scale = 0;
  std::int32_t depth = 1;
  std::int32_t components = 1;
  std::int64_t limit = 0;
  float bound = 0;
};

struct NamedTensor {
  std::string name;
  DType dtype = DType::float32;
  const Tensor* values = nullptr;
};

/// Either one common delay or one per weight.
struct Delays {
  std::int32_t common = 0;
  const Tensor* each = nullptr;
  std::int32_t smallest = 0;
  std::int32_t largest = 0;
};

enum class RuleKind : std::uint8_t {
  fixed_in_degree,
  fixed_out_degree,
  fixed_total,
  fixed_probability,
  distance,
};

/// Elements on grids: a source has a synapse to each entry of a stencil with the entry's own
/// probability. There is one stencil for each place of a source between target elements.
struct DistanceRule {
  std::vector<std::int32_t> pre_grid;
  std::vector<std::int32_t> post_grid;
  bool periodic = true;
  const Tensor* begin = nullptr;  ///< of each phase's bands of entries, and the end
  const Tensor* offsets = nullptr;
  const Tensor* thresholds = nullptr;
  const Tensor* codes = nullptr;  ///< null where neither weight nor delay depends on distance
  std::uint32_t coded = 0;        ///< bits of a synapse's word that come from `codes`
};

struct Rule {
  RuleKind kind = RuleKind::fixed_total;
  std::uint64_t key = 0;
  std::int64_t count = 0;
  std::int64_t lo = 0;
  const Tensor* table = nullptr;
  bool multapses = true;
  bool autapses = true;
  DistanceRule distance;
};

struct ElementwiseAttrs {
  std::string kernel;
  std::string hash;
  std::int32_t draws = 0;
  bool event_driven = false;
};
/// What all synapse nodes have in common.
struct SynapseAttrs {
  std::int32_t n_pre = 0;
  std::int32_t n_post = 0;
  const Tensor* weights = nullptr;
  Delays delays;
};
struct DenseAttrs : SynapseAttrs {};
struct SparseAttrs : SynapseAttrs {
  std::int64_t synapses = 0;
  const Tensor* pre = nullptr;  ///< null where a rule makes the synapses
  const Tensor* post = nullptr;
  Rule rule;
  const Tensor* weight_table = nullptr;  ///< 65536 equally likely weights; null where given
  const Tensor* delay_table = nullptr;   ///< likewise delays
  bool procedural = false;               ///< made again at every event instead of stored

  /// Whether the synapses of one source can be made for themselves, and are due at once.
  bool can_be_procedural() const {
    return pre == nullptr && delay_table == nullptr && delays.each == nullptr &&
           (rule.kind == RuleKind::fixed_out_degree || rule.kind == RuleKind::fixed_probability);
  }
};
struct OneToOneAttrs : SynapseAttrs {};
struct AllToAllAttrs : SynapseAttrs {};
struct Conv2dAttrs : SynapseAttrs {
  std::int32_t in_shape[3] = {};
  std::int32_t out_shape[3] = {};
  std::int32_t stride[2] = {};
  std::int32_t padding[2] = {};
  std::int32_t dilation[2] = {};
  std::int32_t groups = 1;
};
/// A trace of the events of one side of a plastic projection.
struct TraceSpec {
  enum class Side : std::uint8_t { pre, post };
  enum class Mode : std::uint8_t { add, set, flag };
  std::string name;
  Side side = Side::pre;
  Mode mode = Mode::add;
  float decay = 1;
};
/// A function of a plasticity rule; numbers refer to the node's columns, to 0 for the weight and
/// 1 + state for other variables, and to traces (-1: the modulator).
struct RuleFunctionSpec {
  std::string event;
  std::string kernel;
  std::string hash;
  std::vector<std::int32_t> columns;
  std::vector<std::int32_t> states;
  std::vector<std::int32_t> inputs;
};
struct PlasticAttrs : SynapseAttrs {
  static constexpr std::int32_t kMostDendritic = 16'383;  ///< steps of a dendritic delay
  std::variant<DenseAttrs, SparseAttrs, OneToOneAttrs> pattern;
  std::int64_t synapses = 0;
  int sign = 1;
  std::int64_t epoch = 1;
  bool joined = false;     ///< traces have taken the events of a step when functions see them
  bool dendritic = false;  ///< events of the targets take each synapse's delay back to it
  std::vector<TraceSpec> traces;
  std::vector<RuleFunctionSpec> functions;
};
struct EventSourceAttrs {
  const Tensor* ticks = nullptr;
  const Tensor* index = nullptr;
  const Tensor* payload = nullptr;
  std::int64_t cycle = 0;
};
struct DenseSourceAttrs {
  const Tensor* values = nullptr;
  bool cycle = false;
};
struct ArgmaxAttrs {
  std::int32_t classes = 0;
  std::int64_t window = 1;
  std::int32_t idle = -1;
  std::int32_t initial = 0;
};
struct HostAttrs {};

using Attrs = std::variant<ElementwiseAttrs, DenseAttrs, SparseAttrs, OneToOneAttrs, AllToAllAttrs,
                           Conv2dAttrs, PlasticAttrs, EventSourceAttrs, DenseSourceAttrs,
                           ArgmaxAttrs, HostAttrs>;

struct Node {
  std::string name;
  std::string type;
  std::int32_t n = 1;
  std::int64_t period = 1;
  std::int64_t phase = 0;
  std::vector<InputPort> inputs;
  std::vector<OutputPort> outputs;
  std::vector<NamedTensor> columns;
  std::vector<NamedTensor> states;
  Attrs attrs;

  bool is_host() const { return std::holds_alternative<HostAttrs>(attrs); }
  /// The common part of a synapse node's attributes; null for other nodes.
  const SynapseAttrs* synapse() const;
  /// Values of one lane of `state`.
  std::int32_t state_size(const NamedTensor& state) const;
};

enum class Policy : std::uint8_t { drop_newest, drop_oldest, latest, error, block };

struct ChannelSpec {
  std::int32_t src_node = 0;
  std::int32_t src_port = 0;
  std::int32_t dst_node = 0;
  std::int32_t dst_port = 0;
  std::int32_t delay = 0;
  const Tensor* map_src = nullptr;
  const Tensor* map_dst = nullptr;
  std::optional<std::int64_t> capacity;
  Policy policy = Policy::error;
};

/// `epoch` is not in a schedule: it belongs to an absorption whose work is shared by threads.
enum class Action : std::uint8_t { tick, absorb, emit, epoch };

struct ScheduleEntry {
  Action action = Action::tick;
  std::int32_t node = 0;
};

/// Owner of the bytes of a file.
class Storage {
 public:
  virtual ~Storage() = default;
  virtual std::span<const std::byte> bytes() const = 0;
};

/// A loaded, fully validated Program. Immutable; safe to share between threads and engines.
class Program {
 public:
  /// Maps a `.pgx` file. Throws Error (`io`, `format`).
  static std::shared_ptr<const Program> open(const std::string& path,
                                             const LoadLimits& limits = {});
  /// Copies the bytes of a `.pgx` file. Throws Error (`format`).
  static std::shared_ptr<const Program> from_bytes(std::span<const std::byte> bytes,
                                                   const LoadLimits& limits = {});
  /// Keeps the bytes of a `.pgx` file, which begin at a multiple of `kAlignment` and must not
  /// change. Throws Error (`format`).
  static std::shared_ptr<const Program> from_storage(std::unique_ptr<Storage> bytes,
                                                     const LoadLimits& limits = {});
  static constexpr std::size_t kAlignment = 16;

  double dt = 1;
  std::uint64_t seed = 0;
  std::vector<Node> nodes;
  std::vector<ChannelSpec> channels;
  std::vector<ScheduleEntry> schedule;
  std::vector<Tensor> tensors;
  std::unique_ptr<Storage> storage;
};

}  // namespace procgraph
