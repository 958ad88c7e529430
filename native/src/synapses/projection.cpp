#include "synapses/projection.hpp"

#include <algorithm>

namespace procgraph {

Projection::Projection(const Delays& delays, const Tensor* drawn) {
  const Tensor* each = drawn != nullptr ? drawn : delays.each;
  if (each == nullptr || each->count == 0) {
    delays_ = {delays.common};
    return;
  }
  std::vector<bool> present(static_cast<std::size_t>(delays.largest) + 1);
  for (const std::int32_t d : each->as<std::int32_t>()) {
    present[static_cast<std::size_t>(d)] = true;
  }
  for (std::size_t d = 0; d < present.size(); ++d) {
    if (present[d]) delays_.push_back(static_cast<std::int32_t>(d));
  }
}

std::size_t Projection::delay_number(std::int32_t delay) const {
  return static_cast<std::size_t>(std::lower_bound(delays_.begin(), delays_.end(), delay) -
                                  delays_.begin());
}

}  // namespace procgraph
