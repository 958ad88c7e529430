#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "format/container.hpp"
#include "format/program_parts.hpp"
#include "format/text.hpp"
#include "os/storage.hpp"
#include "procgraph/error.hpp"
#include "procgraph/version.hpp"

namespace procgraph {

static_assert(std::endian::native == std::endian::little, "Programs are little endian");

namespace {

constexpr std::size_t kMaxNameBytes = 4096;

std::string read_name(const Field& field) {
  const auto name = field.str();
  if (name.empty() || name.size() > kMaxNameBytes) {
    field.fail(text("has ", name.size(), " bytes; allowed: 1 ... ", kMaxNameBytes));
  }
  return std::string(name);
}

PortKind read_kind(const Field& field) {
  const auto kind = field.str();
  if (kind == "events") return PortKind::events;
  if (kind == "current") return PortKind::current;
  if (kind == "array") return PortKind::array;
  field.fail("is no port kind; allowed: events, current, array");
}

DType read_dtype(const Field& field) {
  const auto dtype = parse_dtype(field.str());
  if (!dtype) field.fail(text("is '", field.str().substr(0, 32), "', which is no dtype"));
  return *dtype;
}

void check_port_dtype(const Field& port, PortKind kind, DType dtype) {
  if (kind != PortKind::array && dtype != DType::int32) {
    port.fail(text("dtype is ", dtype_name(dtype), "; allowed: int32 for events and currents"));
  }
}

InputPort read_input(const Field& field, const LoadLimits& limits) {
  InputPort port;
  port.name = read_name(field.at("name"));
  port.kind = read_kind(field.at("kind"));
  port.n = field.at("n").int32(1, limits.elements);
  port.dtype = read_dtype(field.at("dtype"));
  port.scale = field.at("scale").int32(-100, 100);
  port.limit = field.at("limit").integer(0, INT32_MAX);
  check_port_dtype(field, port.kind, port.dtype);
  return port;
}

void check_ring(const Field& field, const OutputPort& port, const LoadLimits& limits) {
  const auto slots = static_cast<std::int64_t>(std::bit_ceil(static_cast<unsigned>(port.depth)));
  const auto slot = port.kind == PortKind::events
                        ? std::int64_t{64}
                        : port.n * static_cast<std::int64_t>(item_size(port.dtype));
  if (slots > limits.ring_bytes / slot) {
    field.fail(text("a history of ", port.depth, " steps of ", port.n, " values is too large"));
  }
}

OutputPort read_output(const Field& field, const LoadLimits& limits) {
  OutputPort port;
  port.name = read_name(field.at("name"));
  port.kind = read_kind(field.at("kind"));
  port.n = field.at("n").int32(1, limits.elements);
  port.dtype = read_dtype(field.at("dtype"));
  port.scale = field.at("scale").int32(-100, 100);
  port.depth = field.at("depth").int32(1, limits.delay + 1);
  port.components = field.at("components").int32(1, port.n);
  port.limit = field.at("limit").integer(port.kind == PortKind::events ? 1 : 0, INT32_MAX);
  const double bound = field.at("bound").real();
  if (!(bound >= 0)) field.at("bound").fail("is negative or not a number");
  port.bound = static_cast<float>(std::min(bound, 3.4028234663852886e38));
  if (port.n % port.components != 0) {
    field.fail(text("n is ", port.n, ", no multiple of ", port.components, " components"));
  }
  check_port_dtype(field, port.kind, port.dtype);
  check_ring(field, port, limits);
  return port;
}

NamedTensor read_named(const Field& field, const ReadContext& context) {
  NamedTensor item;
  item.name = read_name(field.at("name"));
  item.dtype = read_dtype(field.at("dtype"));
  item.values = tensor_ref(field.at("tensor"), context, item.dtype);
  return item;
}

template <class T>
void check_unique(const Field& list, const std::vector<T>& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (items[i].name == items[j].name)
        list.fail(text("two items are named '", items[i].name, "'"));
    }
  }
}

template <class T, class Read>
std::vector<T> read_list(const Field& list, Read&& read) {
  if (list.size() > 256) list.fail(text("has ", list.size(), " items; allowed: 0 ... 256"));
  std::vector<T> items;
  for (std::size_t i = 0; i < list.size(); ++i) items.push_back(read(list.at(i)));
  check_unique(list, items);
  return items;
}

Node read_node(Field field, const ReadContext& context) {
  Node node;
  node.name = read_name(field.at("name"));
  field.rename(text("node '", node.name, "'"));
  node.type = field.at("type").str();
  node.n = field.at("n").int32(1, context.limits.elements);
  node.period = field.at("period").integer(1, INT32_MAX);
  node.phase = field.at("phase").integer(0, node.period - 1);
  const auto input = [&](const Field& f) { return read_input(f, context.limits); };
  const auto output = [&](const Field& f) { return read_output(f, context.limits); };
  const auto named = [&](const Field& f) { return read_named(f, context); };
  node.inputs = read_list<InputPort>(field.at("inputs"), input);
  node.outputs = read_list<OutputPort>(field.at("outputs"), output);
  node.columns = read_list<NamedTensor>(field.at("columns"), named);
  node.states = read_list<NamedTensor>(field.at("states"), named);
  node.attrs = read_attrs(field, node, context);
  return node;
}

std::vector<Node> read_nodes(const Field& list, const ReadContext& context) {
  std::vector<Node> nodes;
  nodes.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    nodes.push_back(read_node(list.at(i), context));
    if (i > 0 && nodes[i - 1].name >= nodes[i].name) {
      list.fail(text("'", nodes[i].name, "' is not sorted by name or stands there twice"));
    }
  }
  return nodes;
}

void read_program(Program& program, std::span<const std::byte> file, const LoadLimits& limits) {
  const msgpack::Document document(container_header(file, limits));
  const Field header(document.root(), "header");
  if (header.at("kind").str() != "program") header.at("kind").fail("is not 'program'");
  header.at("version").integer(kProgramVersion, kProgramVersion);
  program.dt = header.at("dt").real();
  if (!(program.dt > 0 && program.dt < 1e300)) header.at("dt").fail("is not a positive number");
  program.seed = header.at("seed").uint64();
  program.tensors = read_tensors(header.at("tensors"), file);
  const ReadContext context{limits, program.tensors};
  program.nodes = read_nodes(header.at("nodes"), context);
  program.channels = read_channels(header.at("channels"), program.nodes, context);
  program.schedule = read_schedule(header.at("schedule"), program.nodes, program.channels);
}

/// A copy, aligned as a mapped file.
class Copy : public Storage {
 public:
  explicit Copy(std::span<const std::byte> bytes) : size_(bytes.size()) {
    data_ = static_cast<std::byte*>(::operator new(size_ + 1, std::align_val_t{64}));
    if (size_ != 0) std::memcpy(data_, bytes.data(), size_);
  }
  ~Copy() override { ::operator delete(data_, std::align_val_t{64}); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  std::span<const std::byte> bytes() const override { return {data_, size_}; }

 private:
  std::byte* data_;
  std::size_t size_;
};

}  // namespace

std::shared_ptr<const Program> Program::open(const std::string& path, const LoadLimits& limits) {
  return from_storage(os::map_file(path), limits);
}

std::shared_ptr<const Program> Program::from_bytes(std::span<const std::byte> bytes,
                                                   const LoadLimits& limits) {
  return from_storage(std::make_unique<Copy>(bytes), limits);
}

std::shared_ptr<const Program> Program::from_storage(std::unique_ptr<Storage> bytes,
                                                     const LoadLimits& limits) {
  auto program = std::make_shared<Program>();
  program->storage = std::move(bytes);
  read_program(*program, program->storage->bytes(), limits);
  return program;
}

const SynapseAttrs* Node::synapse() const {
  return std::visit(
      [](const auto& a) -> const SynapseAttrs* {
        if constexpr (std::is_base_of_v<SynapseAttrs, std::decay_t<decltype(a)>>) return &a;
        return nullptr;
      },
      attrs);
}

std::int32_t Node::state_size(const NamedTensor& state) const {
  if (std::holds_alternative<ElementwiseAttrs>(attrs)) return n;
  return static_cast<std::int32_t>(state.values->count);
}

}  // namespace procgraph
