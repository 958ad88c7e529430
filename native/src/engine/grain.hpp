#pragma once

#include <cstddef>

namespace procgraph {

/// How small work for another thread may be.
struct Grain {
  std::size_t elements;  ///< of an element-wise node, in one task
  double nanoseconds;    ///< that a parallel phase has to save wherever it runs
  double doubtful;       ///< that it has to save where threads meet fast
  double meetings;       ///< times of what meeting takes that it then has to save
  double waking;         ///< that a run has to save before threads are woken for it
  double moved;          ///< of a tick that may leave the thread which has delivered its sums
  double late;           ///< the most of a thread's share that such a tick may be
  std::size_t apart;     ///< elements of a thread in a row, on average, that lie apart from others
};

/// The usual grain; with PROCGRAPH_DIVIDE set all that can be shared is, so that tests reach it
/// with small graphs.
Grain grain();

}  // namespace procgraph
