#include "nodes/element_list.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace procgraph {

ElementList::ElementList(const Node& spec, Kernel kernel, const Columns& columns,
                         std::vector<Input>& inputs)
    : columns_(columns),
      inputs_(inputs),
      kernel_(std::move(kernel)),
      first_state_(columns.all().size()),
      idle_(first_state_ + spec.states.size()),
      first_input_(idle_ + 1),
      elements_(kChunk),
      stays_(kChunk) {
  for (const auto& column : spec.columns) layout_.columns.push_back(column.dtype);
  for (const auto& state : spec.states) layout_.states.push_back(state.dtype);
  layout_.states.push_back(DType::int32);
  for (const auto& port : spec.inputs) {
    layout_.inputs.push_back(port.dtype);
    input_scales_.push_back(port.kind == PortKind::current ? std::ldexp(1.0f, -port.scale) : 1.0f);
  }
  for (const auto& port : spec.outputs) {
    layout_.outputs.insert(layout_.outputs.end(), static_cast<std::size_t>(port.components),
                           port.dtype);
  }
  check_layout(kernel_, spec.name, layout_);
  for (std::size_t i = 0; i < first_input_ + inputs.size(); ++i) values_.emplace_back(kChunk);
  for (std::size_t i = 0; i < layout_.outputs.size(); ++i) outputs_.emplace_back(kChunk);
  for (auto& values : values_) pointers_.push_back(values.data());
  for (auto& values : outputs_) pointers_.push_back(values.data());
  args_ = {0,
           0,
           pointers_.data(),
           pointers_.data() + first_state_,
           pointers_.data() + first_input_,
           input_scales_.data(),
           pointers_.data() + first_input_ + inputs.size(),
           nullptr};
}

void ElementList::set_range(std::size_t begin, std::size_t count) {
  size_ = count;
  for (std::size_t i = 0; i < count; ++i) elements_[i] = static_cast<std::int32_t>(begin + i);
}

void ElementList::add(std::int32_t first, std::uint64_t found, std::uint64_t awake) {
  std::int32_t* elements = elements_.data();
  std::int32_t* stays = stays_.data();
  std::size_t size = size_;
  for (; found != 0; found &= found - 1) {
    const int bit = std::countr_zero(found);
    elements[size] = first + bit;
    stays[size++] = static_cast<std::int32_t>(awake >> bit & 1);
  }
  size_ = size;
}

void ElementList::take_input(std::size_t lane) {
  std::int32_t* elements = elements_.data();
  std::int32_t* stays = stays_.data();
  const std::size_t listed = size_;
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    if (inputs_[k].clean()) continue;
    const std::uint32_t* sums = inputs_[k].sums_of_part(lane, 0);
    for (std::size_t i = 0; i < listed; ++i) {
      stays[i] |= static_cast<std::int32_t>(sums[elements[i]] != 0);
    }
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < listed; ++i) {
    elements[kept] = elements[i];
    kept += static_cast<std::size_t>(stays[i]);
  }
  size_ = kept;
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    std::int32_t* to = values_[first_input_ + k].data();
    if (inputs_[k].clean()) {
      std::fill_n(to, size_, 0);
      continue;
    }
    std::uint32_t* sums = inputs_[k].sums_of_part(lane, 0);
    for (std::size_t i = 0; i < kept; ++i) {
      to[i] = static_cast<std::int32_t>(sums[elements[i]]);
      sums[elements[i]] = 0;
    }
  }
}

void ElementList::no_input() {
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    std::fill_n(values_[first_input_ + k].data(), size_, 0);
  }
}

/// Common values stay where they are.
void ElementList::aim_columns() {
  args_.common = columns_.common() ? 1 : 0;
  for (std::size_t c = 0; c < first_state_; ++c) {
    const ColumnValues& column = columns_.all()[c];
    pointers_[c] =
        column.common ? const_cast<std::int32_t*>(column.data->data()) : values_[c].data();
  }
  aimed_at_ = columns_.changes();
}

void ElementList::run(const Records& records, std::size_t lane) {
  if (aimed_at_ != columns_.changes()) aim_columns();
  for (std::size_t c = 0; c < first_state_; ++c) {
    const ColumnValues& column = columns_.all()[c];
    if (column.common) continue;
    for (std::size_t i = 0; i < size_; ++i) values_[c][i] = column.data->data()[elements_[i]];
  }
  const std::size_t states = idle_ - first_state_;
  for (std::size_t s = 0; s < states; ++s) {
    const std::int32_t* from = records.states(records.at(lane, 0)) + s;
    std::int32_t* to = values_[first_state_ + s].data();
    const std::size_t stride = records.stride();
    for (std::size_t i = 0; i < size_; ++i) {
      to[i] = from[static_cast<std::size_t>(elements_[i]) * stride];
    }
  }
  args_.n = static_cast<std::int64_t>(size_);
  if (kernel_.fn != nullptr) {
    kernel_.fn(&args_);
  } else {
    (*kernel_.callback)(args_, layout_);
  }
}

void ElementList::store_states(Records& records, std::size_t lane) const {
  const std::size_t states = idle_ - first_state_;
  for (std::size_t s = 0; s < states; ++s) {
    std::int32_t* to = records.states(records.at(lane, 0)) + s;
    const std::int32_t* from = values_[first_state_ + s].data();
    const std::size_t stride = records.stride();
    for (std::size_t i = 0; i < size_; ++i) {
      to[static_cast<std::size_t>(elements_[i]) * stride] = from[i];
    }
  }
}

}  // namespace procgraph
