#include "fuzz.hpp"

#include <new>

#include "procgraph/engine.hpp"
#include "same.hpp"

using namespace procgraph;

namespace {

LoadLimits small_limits() {
  LoadLimits limits;
  limits.elements = 4096;
  limits.synapses = 65536;
  limits.delay = 256;
  limits.ring_bytes = 1 << 20;
  return limits;
}

void run(const std::shared_ptr<const Program>& program) {
  Engine engine(program, std::nullopt, 2);
  for (int window = 0; window < 6; ++window) {
    for (const Node& node : program->nodes) {
      const bool ticks =
          engine.step() >= node.phase && (engine.step() - node.phase) % node.period == 0;
      if (!node.is_host() || !ticks) continue;
      engine.begin_tick(node.name);
      for (const InputPort& port : node.inputs) engine.take_input(node.name, port.name);
    }
    engine.run(3);
  }
  const State state = engine.export_state();
  engine.import_state(engine.step(), engine.seed(), view_of(state));
  engine.run(1);
}

}  // namespace

void fuzz_one(const std::uint8_t* data, std::size_t size) {
  try {
    run(Program::from_bytes({reinterpret_cast<const std::byte*>(data), size}, small_limits()));
  } catch (const Error&) {
  }
}
