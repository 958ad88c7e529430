#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/lines.hpp"
#include "engine/runtime_node.hpp"
#include "kernels/count_table.hpp"
#include "nodes/columns.hpp"
#include "random/philox.hpp"

namespace procgraph {

/// Where an output component of the kernel lies in its port.
struct Component {
  std::size_t output;
  std::int32_t first;  // index of its first element
  float factor;        // 2^scale of a current
};

/// The Philox counter that the draws of an element, a multiple of 8, begin at.
inline std::uint32_t first_block(std::size_t element) {
  return static_cast<std::uint32_t>(element / 8);
}

/// What all parts of an element-wise node share.
struct ElementwiseCore {
  std::size_t n;
  std::vector<Input>& inputs;
  std::vector<Output>& outputs;
  std::vector<StateColumn>& states;
  const HotLoops& loops;
  Kernel kernel;
  KernelLayout layout;
  Key key;
  Columns columns;
  std::vector<Component> components;
  std::vector<float> input_scales;
  /// Where not empty, the kernel only counts how many of these are below its draw.
  Thresholds thresholds;

  /// Draw number r of a lane.
  DrawStream stream(std::int64_t step, std::size_t lane, std::size_t r) const {
    return {key.low, key.high, static_cast<std::uint64_t>(step),
            static_cast<std::uint32_t>(lane * 256 + r)};
  }
};

/// Ranges of elements that one thread computes, with the memory that it needs for that. Valid for
/// one plan: what is fused and what is dense is looked up once.
class alignas(kLineBytes) ElementwisePart {
 public:
  struct Span {
    std::size_t lane;
    std::size_t begin;
    std::size_t end;
  };

  ElementwisePart(ElementwiseCore& core, std::vector<Span> spans);

  const std::vector<Span>& spans() const { return spans_; }

  /// Pulls what is due; at a tick computes and emits.
  void run(std::int64_t step, bool ticks);

  // What the last run has to tell the node.
  bool touched(std::size_t input) const { return touched_[input] != 0; }
  bool any(std::size_t component) const { return emitters_[component].any; }
  /// Tells the outputs whose payloads were drawn or written to rows here how many events they have
  /// emitted.
  void settle_counts();
  /// Takes nothing of what others do but delivered sums.
  bool can_run_ahead() const;
  /// Emits nothing but lists of events.
  bool only_lists() const;
  /// Keeps the events of as many steps as outputs do, and counts them.
  void finish_late();
  /// Adds where the events of a component lie that the part could not write in place.
  void add_found(std::size_t component, std::vector<EventRing::Apart>& to) const;

 private:
  enum class Store : std::uint8_t { current, list, dense, array };
  /// One component of an output.
  struct Emitter {
    Store store;
    Output* output;
    std::size_t first;
    float factor;
    std::int32_t* scratch = nullptr;  // where values are not computed in place
    RingIndex steps;                  // whose events are pending
    LineVector<EventList> pending;    // per step and span
    EventList* list = nullptr;        // of the span at work
    bool any = false;
    std::int64_t count = 0;  // of dense events, or of all, not settled yet
  };
  struct Drawn {
    Output* source;
    std::size_t events;  // not settled yet
  };
  struct Feeder {
    const Channel* channel;
    std::size_t input;
  };

  void build_inputs();
  void build_emitters();
  void aim_workspace();
  void pull(std::int64_t step, const Span& span);
  void keep_outputs(std::int64_t step, const Span& span);
  void aim_fixed(const Span& span);
  void aim_common();
  void aim_inputs(std::int64_t step, const Span& span);
  void aim_emitter(std::size_t number, std::int64_t step, std::size_t span);
  void run_span(std::int64_t step, std::size_t number);
  void run_chunk(std::int64_t step, const Span& span, std::size_t begin, std::size_t n);
  void take_feeds(std::int64_t step, const Span& span, std::size_t begin, std::size_t n);
  void call(std::int64_t step, std::size_t lane, std::size_t begin, std::size_t n);
  void store(std::int64_t step, const Span& span, std::size_t begin, std::size_t n);
  void advance(std::size_t n);
  void point(std::size_t place, const void* at, std::size_t stride) {
    pointers_[place] = const_cast<void*>(at);
    strides_[place] = stride;
  }

  ElementwiseCore& core_;
  std::vector<Span> spans_;
  std::vector<Feeder> feeders_;          // channels to pull
  std::vector<std::size_t> summed_;      // inputs with sums
  std::vector<std::size_t> held_;        // array inputs
  std::vector<std::size_t> fed_;         // of these, those with feeds, which take the sums
  std::vector<std::size_t> emptied_;     // those without, whose sums are to be cleared
  LineVector<std::uint8_t> touched_;     // per input: there is something in its sums
  LineVector<std::uint32_t*> gathered_;  // per input, for its feeds
  LineVector<Drawn> drawn_;              // feeds that are drawn here, in order
  LineVector<Emitter> emitters_;         // per component
  Buffer<std::int32_t> own_workspace_;
  // In a workspace that all parts on this thread share.
  std::int32_t* workspace_ = nullptr;
  std::int32_t* draws_ = nullptr;
  std::int32_t* event_index_ = nullptr;
  std::int32_t* event_payload_ = nullptr;
  std::size_t first_state_;
  std::size_t first_input_;
  std::size_t first_output_;
  // Columns, states, inputs, outputs; and how far each moves from element to element.
  LineVector<void*> pointers_;
  LineVector<std::size_t> strides_;
  LineVector<const std::int32_t*> draw_pointers_;
  pg_kernel_args args_{};
  bool counts_ = false;  // events are counted here, not by the node
  int aimed_at_ = -1;    // number of column changes when common columns were aimed at last
  std::vector<std::size_t> moving_;  // numbers of the pointers that move: columns, then all others
  std::size_t moving_columns_ = 0;
};

/// Places, lane * n + element, from which on elements belong to another thread than those before.
/// `threads` holds one for each part, or nothing if any thread may run any.
std::vector<std::size_t> borders(const ElementwiseCore& core,
                                 const std::vector<std::unique_ptr<ElementwisePart>>& parts,
                                 const std::vector<int>& threads);

}  // namespace procgraph
