#include "sample_kernels.hpp"

#include "procgraph/kernels.hpp"

namespace {

// Columns decay, v_th, ref_steps; states v, refractory; currents as inputs; output s_out.
template <int inputs>
void lif(const pg_kernel_args* a) {
  const auto* decay = static_cast<const float*>(a->columns[0]);
  const auto* v_th = static_cast<const float*>(a->columns[1]);
  const auto* ref_steps = static_cast<const std::int32_t*>(a->columns[2]);
  auto* v = static_cast<float*>(a->states[0]);
  auto* refractory = static_cast<std::int32_t*>(a->states[1]);
  auto* s_out = static_cast<std::int32_t*>(a->outputs[0]);
  for (std::int64_t i = 0; i < a->n; ++i) {
    float current = 0.0f;
    for (int in = 0; in < inputs; ++in) {
      current += static_cast<float>(static_cast<const std::int32_t*>(a->inputs[in])[i]) *
                 a->input_scales[in];
    }
    const float next = v[i] * decay[i] + current;
    const bool rests = refractory[i] > 0;
    const bool spikes = !rests && next >= v_th[i];
    v[i] = rests || spikes ? 0.0f : next;
    refractory[i] = spikes ? ref_steps[i] : (rests ? refractory[i] - 1 : 0);
    s_out[i] = spikes ? 1 : 0;
  }
}

// Column threshold; output s_out with a draw.
void bernoulli(const pg_kernel_args* a) {
  const auto* threshold = static_cast<const std::int32_t*>(a->columns[0]);
  auto* s_out = static_cast<std::int32_t*>(a->outputs[0]);
  for (std::int64_t i = 0; i < a->n; ++i) s_out[i] = a->draws[0][i] <= threshold[i] ? 1 : 0;
}

// State sum; input s_in (events); outputs two components of events and the sum as a current.
void copy(const pg_kernel_args* a) {
  auto* sum = static_cast<std::int32_t*>(a->states[0]);
  const auto* s_in = static_cast<const std::int32_t*>(a->inputs[0]);
  auto* up = static_cast<std::int32_t*>(a->outputs[0]);
  auto* down = static_cast<std::int32_t*>(a->outputs[1]);
  auto* current = static_cast<float*>(a->outputs[2]);
  for (std::int64_t i = 0; i < a->n; ++i) {
    sum[i] += s_in[i];
    up[i] = s_in[i] > 0 ? s_in[i] : 0;
    down[i] = s_in[i] < 0 ? s_in[i] : 0;
    current[i] = static_cast<float>(sum[i]) / 3.0f;
  }
}

// Functions of a plasticity rule: state w; inputs y, x or x, y, m, and f, y, m.
void on_pre(const pg_kernel_args* a) {
  auto* w = static_cast<float*>(a->states[0]);
  const auto* y = static_cast<const float*>(a->inputs[0]);
  for (std::int64_t i = 0; i < a->n; ++i) w[i] -= 0.01f * y[i];
}

void on_post(const pg_kernel_args* a) {
  auto* w = static_cast<float*>(a->states[0]);
  const auto* x = static_cast<const float*>(a->inputs[0]);
  for (std::int64_t i = 0; i < a->n; ++i) w[i] += 0.02f * x[i];
}

void on_post_seen_late(const pg_kernel_args* a) {
  auto* w = static_cast<float*>(a->states[0]);
  const auto* x = static_cast<const float*>(a->inputs[0]);
  const auto* y = static_cast<const float*>(a->inputs[1]);
  const auto* m = static_cast<const float*>(a->inputs[2]);
  for (std::int64_t i = 0; i < a->n; ++i) w[i] += 0.02f * x[i] * (1.0f - y[i]) + 0.001f * m[i];
}

void on_epoch(const pg_kernel_args* a) {
  auto* w = static_cast<float*>(a->states[0]);
  const auto* f = static_cast<const float*>(a->inputs[0]);
  const auto* y = static_cast<const float*>(a->inputs[1]);
  const auto* m = static_cast<const float*>(a->inputs[2]);
  for (std::int64_t i = 0; i < a->n; ++i) w[i] = 0.999f * w[i] + 0.01f * f[i] * (y[i] - m[i]);
}

}  // namespace

void register_sample_kernels() {
  auto& registry = procgraph::KernelRegistry::process();
  registry.add("test_lif", "1", {lif<1>, nullptr});
  registry.add("test_lif_two", "1", {lif<2>, nullptr});
  registry.add("test_bernoulli", "1", {bernoulli, nullptr});
  registry.add("test_copy", "1", {copy, nullptr});
  registry.add("test_on_pre", "1", {on_pre, nullptr});
  registry.add("test_on_post", "1", {on_post, nullptr});
  registry.add("test_on_post_seen_late", "1", {on_post_seen_late, nullptr});
  registry.add("test_on_epoch", "1", {on_epoch, nullptr});
}
