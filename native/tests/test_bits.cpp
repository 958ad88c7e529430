// The same bits on every processor: what a compiler or an instruction set would change is here.
#include <cstring>

#include "check.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"

using namespace procgraph;

namespace {

/// FNV-1a of the names and bytes of a state.
std::uint64_t digest(const State& state) {
  std::uint64_t hash = 0xCBF29CE484222325;
  const auto add = [&](const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < bytes; ++i) hash = (hash ^ at[i]) * 0x100000001B3;
  };
  for (const auto& [name, array] : state) {
    add(name.data(), name.size());
    add(array.data.get(), array.nbytes());
  }
  return hash;
}

std::uint64_t after_steps(const Builder& graph, std::int64_t steps) {
  Engine engine(graph.load(), 5, 2);
  engine.run(steps);
  return digest(engine.export_state());
}

}  // namespace

TEST(bits_are_those_of_every_processor) {
  CHECK_EQUAL(after_steps(small_network(), 100), 2501419317641152860u);
  CHECK_EQUAL(after_steps(plastic_network(600, 20, 0.05), 200), 3313684941999579645u);
  CHECK_EQUAL(after_steps(plastic_network(300, 20, 0.05, {.dendritic = true, .joined = true}), 200),
              7937958527907414648u);
}
