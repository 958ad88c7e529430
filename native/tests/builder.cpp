#include "builder.hpp"

#include <cstring>

#include "format/crc32.hpp"
#include "random/philox.hpp"

namespace {

std::uint32_t checksum(std::string_view bytes) {
  return procgraph::crc32({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

std::int64_t round_up(std::size_t size) {
  return static_cast<std::int64_t>((size + 63) / 64 * 64);
}

void put(std::string& file, std::size_t offset, std::uint64_t value, std::size_t size) {
  std::memcpy(file.data() + offset, &value, size);
}

}  // namespace

int Builder::add_tensor(const char* dtype, std::vector<std::int64_t> shape, std::string bytes) {
  tensors_.push_back({dtype, std::move(shape), std::move(bytes)});
  return static_cast<int>(tensors_.size()) - 1;
}

int Builder::node(NodeSpec spec) {
  nodes_.push_back(std::move(spec));
  return static_cast<int>(nodes_.size()) - 1;
}

void Builder::schedule(int node) {
  const std::string& op = nodes_[static_cast<std::size_t>(node)].op;
  const bool plain =
      op == "elementwise" || op == "event_source" || op == "dense_source" || op == "argmax";
  if (plain) {
    schedule("tick", node);
  } else {
    schedule("absorb", node);
    schedule("emit", node);
  }
}

void Builder::pack_node(Packer& out, const NodeSpec& node) const {
  out.map(11).text("name", node.name).text("type", "Test").text("op", node.op);
  out.field("n", node.n).field("period", node.period).field("phase", node.phase);
  out.str("inputs").list(node.inputs.size());
  for (const auto& port : node.inputs) {
    out.map(6).text("name", port.name).text("kind", port.kind).field("n", port.n);
    out.text("dtype", port.dtype).field("scale", port.scale).field("limit", port.limit);
  }
  out.str("outputs").list(node.outputs.size());
  for (const auto& port : node.outputs) {
    out.map(9).text("name", port.name).text("kind", port.kind).field("n", port.n);
    out.text("dtype", port.dtype).field("scale", port.scale).field("depth", port.depth);
    out.field("components", port.components).field("limit", port.limit);
    out.str("bound").real(port.bound);
  }
  const auto values = [&](const char* key, const std::vector<ValueSpec>& list) {
    out.str(key).list(list.size());
    for (const auto& v : list) {
      out.map(3).text("name", v.name).text("dtype", v.dtype).field("tensor", v.tensor);
    }
  };
  values("columns", node.columns);
  values("states", node.states);
  out.str("attrs").map(node.attr_count);
  node.attrs(out);
}

std::string Builder::header(std::int64_t first_tensor) const {
  Packer out;
  out.map(9).text("kind", "program").field("version", 1).str("dt").real(dt);
  out.str("seed").uint64(seed);
  out.str("nodes").list(nodes_.size());
  for (const auto& node : nodes_) pack_node(out, node);
  out.str("channels").list(joins_.size());
  for (const auto& join : joins_) {
    out.map(6).ints("src", {join.src, join.out}).ints("dst", {join.dst, join.in});
    out.field("delay", join.delay).str("map");
    if (join.map) {
      out.list(2).integer(join.map->first).integer(join.map->second);
    } else {
      out.nil();
    }
    out.str("capacity");
    if (join.capacity) {
      out.integer(*join.capacity);
    } else {
      out.nil();
    }
    out.text("policy", join.policy);
  }
  out.str("schedule").list(schedule_.size());
  for (const auto& [action, node] : schedule_) out.list(2).str(action).integer(node);
  out.str("kernels").list(0);
  out.str("tensors").list(tensors_.size());
  for (const auto& tensor : tensors_) {
    out.map(5).text("dtype", tensor.dtype).ints("shape", tensor.shape);
    out.field("offset", first_tensor);
    out.field("nbytes", static_cast<std::int64_t>(tensor.bytes.size()));
    out.field("crc", checksum(tensor.bytes));
    first_tensor += round_up(tensor.bytes.size());
  }
  return out.bytes();
}

std::string Builder::bytes() const {
  // Integers have a fixed width here, so that the header's size does not depend on offsets.
  const std::size_t size = header(0).size();
  const std::int64_t first = round_up(32 + size);
  std::string file(32, '\0');
  std::memcpy(file.data(), "PROCGRPH", 8);
  put(file, 8, 1, 4);
  put(file, 16, size, 8);
  file += header(first);
  file.resize(static_cast<std::size_t>(first));
  for (const auto& tensor : tensors_) {
    file += tensor.bytes;
    file.resize(static_cast<std::size_t>(round_up(file.size())));
  }
  put(file, 24, file.size(), 8);
  fix_checksum(file);
  return file;
}

void Builder::fix_checksum(std::string& file) {
  if (file.size() < 32) return;
  std::uint64_t size = 0;
  std::memcpy(&size, file.data() + 16, 8);
  if (size > file.size() - 32) return;
  put(file, 12, checksum(std::string_view(file).substr(32, static_cast<std::size_t>(size))), 4);
}

std::shared_ptr<const procgraph::Program> Builder::load() const {
  return ::load(bytes());
}

std::shared_ptr<const procgraph::Program> load(const std::string& file,
                                               const procgraph::LoadLimits& limits) {
  return procgraph::Program::from_bytes(
      {reinterpret_cast<const std::byte*>(file.data()), file.size()}, limits);
}

std::uint64_t Sequence::next() {
  state_ += 0x9E3779B97F4A7C15u;
  return procgraph::splitmix64(state_);
}
