#pragma once

namespace procgraph::os {

/// Highest x86-64 microarchitecture level (1 ... 4) that processor and system support; 1 elsewhere.
int x86_level();

}  // namespace procgraph::os
