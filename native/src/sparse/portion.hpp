#pragma once

#include <cstdint>

namespace procgraph {

/// Which of what is due in a step: what depends on spikes of the step before is fresh, all else has
/// been known for longer. What is known has to be delivered first.
enum class Portion : std::uint8_t { all, known, fresh };

}  // namespace procgraph
