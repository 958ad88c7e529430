#pragma once

#include <cstdint>

namespace procgraph {

/// Which of what is due in a step: spikes that were emitted in the step before are fresh, others
/// have been known for longer. What is known has to be delivered first.
enum class Portion : std::uint8_t { all, known, fresh };

}  // namespace procgraph
