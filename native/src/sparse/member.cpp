#include "sparse/member.hpp"

#include <algorithm>

#include "engine/channel.hpp"

namespace procgraph {

Member::Member(SynapseNode& node)
    : node_(&node),
      attrs_(&std::get<SparseAttrs>(node.spec().attrs)),
      channel_delay_(node.inputs[0].channels[0]->spec().delay),
      target_(node.outputs[0].channels[0]->target().offset()),
      quantise_(node.outputs[0].port().scale) {
  find_delays();
  find_weights();
}

void Member::find_delays() {
  const Delays& given = attrs_->delays;
  std::vector<std::uint8_t> present(static_cast<std::size_t>(given.largest) + 1);
  const Tensor* each = attrs_->delay_table != nullptr ? attrs_->delay_table : given.each;
  if (each == nullptr) {
    delays_ = {channel_delay_ + given.common};
    return;
  }
  for (const std::int32_t d : each->as<std::int32_t>()) present[static_cast<std::size_t>(d)] = 1;
  for (std::size_t d = 0; d < present.size(); ++d) {
    if (present[d] != 0) delays_.push_back(channel_delay_ + static_cast<std::int32_t>(d));
  }
}

void Member::find_weights() {
  const Tensor* given = attrs_->weight_table != nullptr ? attrs_->weight_table : attrs_->weights;
  const auto weights = given->as<float>();
  if (weights.empty()) return;
  low_ = high_ = quantise_(weights[0]);
  for (const float w : weights) {
    const std::int32_t q = quantise_(w);
    low_ = std::min(low_, q);
    high_ = std::max(high_, q);
    bits_ |= q;
  }
}

bool Member::collect_weights(std::unordered_set<std::int32_t>& seen, std::size_t most) const {
  const Tensor* given = attrs_->weight_table != nullptr ? attrs_->weight_table : attrs_->weights;
  seen.insert(low_);
  for (const float w : given->as<float>()) {
    seen.insert(quantise_(w));
    if (seen.size() > most) return false;
  }
  return true;
}

std::uint32_t Member::code(std::int32_t q) const {
  if (layout_.format == Format::book32) {
    const auto found = std::lower_bound(layout_.book.begin(), layout_.book.end(), q);
    return static_cast<std::uint32_t>(found - layout_.book.begin()) << layout_.target_bits;
  }
  if (layout_.format != Format::packed32) return static_cast<std::uint32_t>(q);
  return static_cast<std::uint32_t>(q >> layout_.zero_bits) << layout_.target_bits;
}

void Member::prepare(const std::vector<Slot>& slots, const Layout& layout) {
  layout_ = layout;
  const auto slot_of = [&](std::int32_t delay) {
    const Slot wanted{channel_delay_ + delay, layout.weight_in_header() ? low_ : 0};
    return static_cast<std::uint16_t>(std::lower_bound(slots.begin(), slots.end(), wanted) -
                                      slots.begin());
  };
  if (attrs_->delay_table != nullptr) {
    slot_of_draw_.resize(attrs_->delay_table->as<std::int32_t>().size());
    std::transform(attrs_->delay_table->as<std::int32_t>().begin(),
                   attrs_->delay_table->as<std::int32_t>().end(), slot_of_draw_.begin(), slot_of);
  } else if (attrs_->delays.each != nullptr) {
    slot_of_delay_.resize(static_cast<std::size_t>(attrs_->delays.largest) + 1);
    for (const std::int32_t d : delays_) {
      slot_of_delay_[static_cast<std::size_t>(d - channel_delay_)] = slot_of(d - channel_delay_);
    }
  } else {
    common_slot_ = slot_of(attrs_->delays.common);
  }
  common_code_ = code(low_);
  if (attrs_->weight_table == nullptr) return;
  for (const float w : attrs_->weight_table->as<float>()) {
    code_of_draw_.push_back(code(quantise_(w)));
  }
}

void Member::decode_slots(const SynapseRun& run, Chosen chosen, std::uint16_t* slots) const {
  if (!slot_of_draw_.empty()) {
    for (const std::uint16_t i : chosen) *slots++ = slot_of_draw_[run.words[i] & 0xFFFF];
  } else if (!slot_of_delay_.empty()) {
    const std::int32_t* each =
        attrs_->delays.each->as<std::int32_t>().data() + static_cast<std::size_t>(run.first);
    for (const std::uint16_t i : chosen) {
      *slots++ = slot_of_delay_[static_cast<std::size_t>(each[i])];
    }
  } else {
    std::fill_n(slots, chosen.size(), common_slot_);
  }
}

void Member::decode_weights(const SynapseRun& run, Chosen chosen, std::uint32_t* codes) const {
  if (!code_of_draw_.empty()) {
    for (const std::uint16_t i : chosen) *codes++ = code_of_draw_[run.words[i] >> 16];
  } else if (attrs_->weights->count != 1) {
    const float* each = attrs_->weights->as<float>().data() + static_cast<std::size_t>(run.first);
    for (const std::uint16_t i : chosen) *codes++ = code(quantise_(each[i]));
  } else {
    std::fill_n(codes, chosen.size(), common_code_);
  }
}

}  // namespace procgraph
