#include "nodes/kernel_trial.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace procgraph {
namespace {

using Memory = Buffer<std::byte>;

/// The first values of a state, or one for all.
Memory first_values(const Tensor& values, std::size_t n) {
  const std::size_t item = item_size(values.dtype);
  Memory out(n * item);
  for (std::size_t i = 0; i < n; ++i) {
    std::memcpy(out.data() + i * item, values.data + (values.count == 1 ? 0 : i * item), item);
  }
  return out;
}

std::vector<void*> pointers_to(std::vector<Memory>& memory) {
  std::vector<void*> out;
  for (Memory& each : memory) out.push_back(each.data());
  return out;
}

}  // namespace

double try_kernel(const ElementwiseCore& core) {
  constexpr int kCalls = 4;
  // Processors take some of it to be ready for wide vectors.
  constexpr auto kTrial = std::chrono::microseconds(50);
  constexpr std::int32_t kDraw = 1 << 30;  // half of its range
  const std::size_t n = std::min(core.n, kChunk);
  std::vector<const void*> columns;
  for (const ColumnValues& column : core.columns.all()) columns.push_back(column.data->data());
  std::vector<Memory> states;
  for (const StateColumn& state : core.states)
    states.push_back(first_values(*state.spec->values, n));
  std::vector<Memory> inputs;
  for (const DType dtype : core.layout.inputs) inputs.emplace_back(n * item_size(dtype));
  std::vector<Memory> outputs;
  for (const DType dtype : core.layout.outputs) outputs.emplace_back(n * item_size(dtype));
  const std::vector<std::int32_t> draw(n, kDraw);
  const std::vector<const std::int32_t*> draws(static_cast<std::size_t>(core.layout.draws),
                                               draw.data());
  const std::vector<void*> to_states = pointers_to(states);
  const std::vector<void*> to_inputs = pointers_to(inputs);
  const std::vector<void*> to_outputs = pointers_to(outputs);
  const pg_kernel_args args{static_cast<std::int64_t>(n),
                            core.columns.common() ? 1 : 0,
                            columns.data(),
                            to_states.data(),
                            const_cast<const void* const*>(to_inputs.data()),
                            core.input_scales.data(),
                            to_outputs.data(),
                            draws.data()};
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + kTrial;
  Clock::duration least = Clock::duration::max();
  for (int call = 0; call < kCalls || Clock::now() < end; ++call) {
    const auto begin = Clock::now();
    core.kernel.fn(&args);
    least = std::min(least, Clock::now() - begin);
  }
  return std::chrono::duration<double, std::nano>(least).count() / static_cast<double>(n);
}

}  // namespace procgraph
