#pragma once

namespace procgraph {

/// Version of the Program and checkpoint container that this library reads and writes.
inline constexpr unsigned kContainerVersion = 1;
/// Version of the Program header that this library reads.
inline constexpr unsigned kProgramVersion = 1;

}  // namespace procgraph
