#pragma once

#include "kernels/hot_loops.hpp"
#include "procgraph/kernel.h"

namespace procgraph {

/// One instruction set: its loops and its built-in element-wise kernels.
struct Isa {
  const char* name;
  const HotLoops* loops;
  const pg_kernel_entry* (*kernels)();
};

/// The best instruction set that this machine has, or the one that PROCGRAPH_ISA names. Throws
/// Error (`device`) if that one cannot run here.
const Isa& select_isa();

}  // namespace procgraph
