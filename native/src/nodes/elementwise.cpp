#include <algorithm>
#include <cmath>

#include "engine/runtime_node.hpp"
#include "nodes/parameters.hpp"
#include "random/philox.hpp"

namespace procgraph {
namespace {

constexpr std::size_t kChunk = PG_KERNEL_CHUNK;

alignas(64) constexpr std::int32_t kZeros[kChunk] = {};

/// Values that a kernel reads: one for all elements, repeated for a whole chunk, or one each.
struct ColumnValues {
  const NamedTensor* spec;
  bool common;
  bool written = false;
  Buffer<std::int32_t> data;  // bits of float32 or int32
};

/// Where an output component of the kernel lies in its port.
struct Component {
  std::size_t output;
  std::int32_t first;  // index of its first element
  Buffer<std::int32_t> scratch;
  EventList pending;  // events of a lane, where components have to be put in order
};

class Elementwise final : public RuntimeNode {
 public:
  Elementwise(const Node& spec, const BuildContext& context)
      : RuntimeNode(spec, context),
        attrs_(std::get<ElementwiseAttrs>(spec.attrs)),
        n_(static_cast<std::size_t>(spec.n)),
        kernel_(context.kernels.find(attrs_.kernel, attrs_.hash)) {
    build_columns();
    build_components();
    column_pointers_.resize(columns_.size());
    state_pointers_.resize(states.size());
    input_pointers_.resize(inputs.size());
    for (const auto& port : spec.inputs) {
      input_scales_.push_back(port.kind == PortKind::current ? std::ldexp(1.0f, -port.scale) : 1.0f);
    }
    const auto draws = static_cast<std::size_t>(attrs_.draws);
    draw_values_ = Buffer<std::int32_t>(draws * kChunk);
    for (std::size_t r = 0; r < draws; ++r) {
      draw_pointers_.push_back(draw_values_.data() + r * kChunk);
    }
    build_layout();
    args_ = {0,
             column_pointers_.data(),
             state_pointers_.data(),
             input_pointers_.data(),
             input_scales_.data(),
             output_pointers_.data(),
             draw_pointers_.data()};
  }

  void seek(std::int64_t step, std::uint64_t seed) override {
    RuntimeNode::seek(step, seed);
    key_ = node_key(seed, spec().name);
  }

  Array read_parameter(std::string_view section, std::string_view name) const override {
    const ColumnValues* column = find_column(section, name);
    if (column == nullptr) no_parameter(section, name);
    Array out(column->spec->dtype, {column->common ? 1 : spec().n});
    std::memcpy(out.data.get(), column->data.data(), out.nbytes());
    return out;
  }

  void write_parameter(std::string_view section, std::string_view name,
                       const ArrayView& values) override {
    auto* column = const_cast<ColumnValues*>(find_column(section, name));
    if (column == nullptr) no_parameter(section, name);
    check_values(spec().name, name, values, column->spec->dtype, {1, spec().n});
    set_column(*column, values.data, values.count() == 1);
    column->written = true;
  }

  std::vector<std::pair<std::string, std::string>> written_parameters() const override {
    std::vector<std::pair<std::string, std::string>> names;
    for (const auto& column : columns_) {
      if (column.written) names.emplace_back("column", column.spec->name);
    }
    return names;
  }

 protected:
  void compute(std::int64_t step) override {
    for (std::size_t lane = 0; lane < lanes(); ++lane) {
      for (auto& output : outputs) {
        if (output.port().kind == PortKind::current && lane == 0) output.set_silent(step, true);
      }
      for (std::size_t begin = 0; begin < n_; begin += kChunk) {
        run_chunk(step, lane, begin, std::min(kChunk, n_ - begin));
      }
      if (ordered_components_) append_pending(step, lane);
    }
    for (Input& input : inputs) input.mark_clean();
  }

 private:
  void build_columns() {
    for (const auto& column : spec().columns) {
      auto& values = columns_.emplace_back();
      values.spec = &column;
      set_column(values, column.values->data, column.values->count == 1);
    }
  }

  void set_column(ColumnValues& column, const void* data, bool common) {
    const std::size_t size = common ? kChunk : n_;
    if (column.data.size() != size || column.data.empty()) column.data = Buffer<std::int32_t>(size);
    column.common = common;
    std::memcpy(column.data.data(), data, (common ? 1 : n_) * sizeof(std::int32_t));
    if (common) std::fill_n(column.data.data(), kChunk, column.data[0]);
  }

  const ColumnValues* find_column(std::string_view section, std::string_view name) const {
    if (section != "column") return nullptr;
    for (const auto& column : columns_) {
      if (column.spec->name == name) return &column;
    }
    return nullptr;
  }

  void build_components() {
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      const OutputPort& port = outputs[o].port();
      for (std::int32_t c = 0; c < port.components; ++c) {
        auto& component = components_.emplace_back();
        component.output = o;
        component.first = c * spec().n;
        component.scratch = Buffer<std::int32_t>(kChunk);
      }
      ordered_components_ |= port.kind == PortKind::events && port.components > 1;
    }
    output_pointers_.resize(components_.size());
    event_index_ = Buffer<std::int32_t>(kChunk + 16);
    event_payload_ = Buffer<std::int32_t>(kChunk + 16);
  }

  void build_layout() {
    for (const auto& column : spec().columns) layout_.columns.push_back(column.dtype);
    for (const auto& state : spec().states) layout_.states.push_back(state.dtype);
    for (const auto& port : spec().inputs) layout_.inputs.push_back(port.dtype);
    for (const auto& component : components_) {
      const OutputPort& port = outputs[component.output].port();
      layout_.outputs.push_back(port.kind == PortKind::current ? DType::float32 : port.dtype);
    }
    layout_.draws = attrs_.draws;
  }

  void run_chunk(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n) {
    point_arguments(step, lane, begin);
    fill_draws(step, lane, begin, n);
    args_.n = static_cast<std::int64_t>(n);
    if (kernel_.fn != nullptr) {
      kernel_.fn(&args_);
    } else {
      (*kernel_.callback)(args_, layout_);
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].port().kind == PortKind::array || inputs[i].clean()) continue;
      std::memset(inputs[i].sums(lane) + begin, 0, n * sizeof(std::uint32_t));
    }
    for (Component& component : components_) store(component, step, lane, begin, n);
  }

  void point_arguments(std::int64_t step, std::size_t lane, std::size_t begin) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      column_pointers_[i] = columns_[i].data.data() + (columns_[i].common ? 0 : begin);
    }
    for (std::size_t i = 0; i < states.size(); ++i) {
      state_pointers_[i] = states[i].data.data() + (lane * n_ + begin) * sizeof(std::int32_t);
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Input& input = inputs[i];
      if (input.port().kind == PortKind::array) {
        input_pointers_[i] = held(input, step, lane, begin);
      } else if (input.clean()) {
        input_pointers_[i] = kZeros;
      } else {
        input_pointers_[i] = input.sums(lane) + begin;
      }
    }
    for (std::size_t i = 0; i < components_.size(); ++i) {
      Output& output = outputs[components_[i].output];
      output_pointers_[i] = components_[i].scratch.data();
      if (output.port().kind != PortKind::array) continue;
      const std::size_t element = static_cast<std::size_t>(components_[i].first) + begin;
      output_pointers_[i] = output.array(step, lane) + element * item_size(output.port().dtype);
    }
  }

  /// Gathered through an index map once per lane, not once per chunk.
  const std::byte* held(Input& input, std::int64_t step, std::size_t lane, std::size_t begin) {
    const auto slot = static_cast<std::size_t>(&input - inputs.data());
    if (held_.size() != inputs.size()) held_.resize(inputs.size());
    if (begin == 0) held_[slot] = input.held(step, lane);
    return held_[slot] + begin * item_size(input.port().dtype);
  }

  void fill_draws(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n) {
    for (std::size_t r = 0; r < draw_pointers_.size(); ++r) {
      const auto c3 = static_cast<std::uint32_t>(lane * 256 + r);
      loops_.philox_fill(key_.low, key_.high, static_cast<std::uint32_t>(begin / 4), (n + 3) / 4,
                         static_cast<std::uint64_t>(step), c3, draw_values_.data() + r * kChunk);
    }
  }

  void store(Component& component, std::int64_t step, std::size_t lane, std::size_t begin,
             std::size_t n) {
    Output& output = outputs[component.output];
    const OutputPort& port = output.port();
    const std::size_t element = static_cast<std::size_t>(component.first) + begin;
    if (port.kind == PortKind::current) {
      const bool any = loops_.to_fixed(reinterpret_cast<const float*>(component.scratch.data()), n,
                                       port.bound, std::ldexp(1.0f, port.scale),
                                       output.current(step, lane) + element);
      if (any) output.set_silent(step, false);
      return;
    }
    if (port.kind != PortKind::events) return;
    const std::size_t count = loops_.compact(
        component.scratch.data(), n, static_cast<std::int32_t>(element),
        static_cast<std::int32_t>(port.limit), event_index_.data(), event_payload_.data());
    if (count == 0) return;
    EventList& list = port.components > 1 ? component.pending : output.events.at(step, lane);
    list.append(event_index_.data(), event_payload_.data(), count);
  }

  void append_pending(std::int64_t step, std::size_t lane) {
    for (Component& component : components_) {
      if (component.pending.size() == 0) continue;
      outputs[component.output].events.at(step, lane).append(component.pending);
      component.pending.clear();
    }
  }

  const ElementwiseAttrs& attrs_;
  std::size_t n_;
  Kernel kernel_;
  KernelLayout layout_;
  Key key_;
  std::vector<ColumnValues> columns_;
  std::vector<Component> components_;
  bool ordered_components_ = false;
  Buffer<std::int32_t> draw_values_;
  Buffer<std::int32_t> event_index_;
  Buffer<std::int32_t> event_payload_;
  std::vector<const void*> column_pointers_;
  std::vector<void*> state_pointers_;
  std::vector<const void*> input_pointers_;
  std::vector<float> input_scales_;
  std::vector<void*> output_pointers_;
  std::vector<const std::int32_t*> draw_pointers_;
  std::vector<const std::byte*> held_;
  pg_kernel_args args_{};
};

}  // namespace

std::unique_ptr<RuntimeNode> make_elementwise(const Node& spec, const BuildContext& context) {
  return std::make_unique<Elementwise>(spec, context);
}

}  // namespace procgraph
