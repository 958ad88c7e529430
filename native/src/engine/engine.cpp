#include "procgraph/engine.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/dense_events.hpp"
#include "engine/engine_impl.hpp"
#include "format/text.hpp"
#include "os/memory.hpp"
#include "synapses/plastic_node.hpp"
#include "synapses/synapse_node.hpp"

namespace procgraph {
namespace {

constexpr std::int64_t kMaxStep = std::int64_t{1} << 61;
constexpr std::int32_t kMaxThreads = 255;
constexpr std::int32_t kMaxBatch = 1 << 23;  // lane * 256 + draw is 31 bits of a counter word

std::unique_ptr<RuntimeNode> make_node(const Node& spec, const BuildContext& context) {
  if (std::holds_alternative<PlasticAttrs>(spec.attrs)) return make_plastic(spec, context);
  if (spec.synapse() != nullptr) return make_synapse(spec, context);
  if (spec.is_host()) return make_host(spec, context);
  if (const auto* elements = std::get_if<ElementwiseAttrs>(&spec.attrs)) {
    return elements->event_driven ? make_event_driven(spec, context)
                                  : make_elementwise(spec, context);
  }
  if (std::holds_alternative<EventSourceAttrs>(spec.attrs)) return make_event_source(spec, context);
  if (std::holds_alternative<DenseSourceAttrs>(spec.attrs)) return make_dense_source(spec, context);
  return make_argmax(spec, context);
}

/// Steps until the next look at the clock and at interrupts: enough to cost nothing, and few enough
/// to keep the budget.
class Turns {
 public:
  explicit Turns(std::int64_t budget_ns) : limited_(budget_ns > 0 && budget_ns < kEndless) {
    if (!limited_) return;
    last_ = Clock::now();
    end_ = last_ + std::chrono::nanoseconds(budget_ns);
  }

  std::int64_t steps() const { return steps_; }
  /// After a turn; false if the budget is used up.
  bool next() {
    constexpr auto kLong = std::chrono::milliseconds(5);
    const auto now = Clock::now();
    const auto taken = std::max<Clock::duration>(now - last_, std::chrono::nanoseconds(1));
    last_ = now;
    const std::int64_t left = limited_ ? (end_ - now) * steps_ / taken : kMost;
    steps_ = taken < kLong ? std::min(steps_ * 2, kMost) : steps_ / 2;
    steps_ = std::max(std::min(steps_, left), std::int64_t{1});
    return !limited_ || now < end_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::int64_t kMost = 64;
  /// Years, which no run uses up; times as many steps it fits into 64 bits.
  static constexpr std::int64_t kEndless = INT64_MAX / kMost;
  bool limited_;
  std::int64_t steps_ = 1;
  Clock::time_point last_;
  Clock::time_point end_;
};

}  // namespace

Engine::Impl::Impl(std::shared_ptr<const Program> source, std::optional<std::uint64_t> wanted_seed,
                   std::int32_t lanes, KernelRegistry& kernels, EngineOptions options)
    : program(std::move(source)),
      batch(lanes),
      threads(options.threads),
      meeting(options.threads),
      profile(options.profile),
      isa(select_isa()),
      seed(wanted_seed.value_or(program->seed)) {
  if (batch < 1 || batch > kMaxBatch) {
    throw Error(ErrorKind::argument, "batch", text("is ", batch, "; allowed: 1 ... ", kMaxBatch));
  }
  if (threads < 1 || threads > kMaxThreads) {
    throw Error(ErrorKind::argument, "threads",
                text("is ", threads, "; allowed: 1 ... ", kMaxThreads));
  }
  const BuildContext context{batch, isa, kernels, threads};
  for (const Node& spec : program->nodes) nodes.push_back(make_node(spec, context));
  join_channels();
  place_sums();
  for (auto& node : nodes) node->finish_build();
  const std::size_t memory = options.synapse_memory;
  limit_memory(nodes, memory != 0 ? memory : os::free_memory() / 4 * 3);
  tables = std::make_unique<SparseTables>(nodes, arena, options.threads, *isa.loops);
  for (auto& node : nodes) {
    if (node->spec().is_host()) hosts.push_back({node.get()});
    auto* synapse = dynamic_cast<SynapseNode*>(node.get());
    if (synapse != nullptr) synapse->join_tables(*tables);
  }
  use_rows();  // nodes that take payloads from rows follow a delivery, which moves the cuts
  tables->cut();
  const auto cores = static_cast<std::int32_t>(std::thread::hardware_concurrency());
  build_options.threads = options.build_threads > 0 ? options.build_threads : cores;
  build_options.progress = std::move(options.progress);
  for (const auto& entry : program->schedule) {
    schedule.push_back({entry.action, nodes[static_cast<std::size_t>(entry.node)].get()});
  }
  // Each partition costs something for each segment.
  if (Plan(schedule, *tables, meeting, profile).parallel_phases() == 0) tables->stay_whole();
  refresh_tables();
  build_options.progress = nullptr;
  reset(seed);
}

/// Sums that sparse synapses add to come first, so that the tables reach them with small numbers.
void Engine::Impl::place_sums() {
  std::vector<Input*> first;
  std::vector<Input*> others;
  for (auto& node : nodes) {
    for (Input& input : node->inputs) {
      if (!input.summed()) continue;
      const bool sparse =
          std::any_of(input.channels.begin(), input.channels.end(), [&](const Channel* channel) {
            const auto from = static_cast<std::size_t>(channel->spec().src_node);
            return std::holds_alternative<SparseAttrs>(program->nodes[from].attrs);
          });
      (sparse ? first : others).push_back(&input);
    }
  }
  first.insert(first.end(), others.begin(), others.end());
  arena.place(first, static_cast<std::size_t>(batch));
}

void Engine::Impl::refresh_tables() {
  if (tables->stale()) tables->refresh(step, build_options);
}

void Engine::Impl::use_rows() {
  for (auto& node : nodes) {
    for (Output& output : node->outputs) {
      if (use_dense_events(output, step - 1)) plan.reset();
    }
  }
}

void Engine::Impl::replan() {
  use_rows();
  if (plan == nullptr) plan = std::make_unique<Plan>(schedule, *tables, meeting, profile);
}

void Engine::Impl::list_events() {
  for (auto& node : nodes) {
    for (Output& output : node->outputs) use_listed_events(output, step - 1);
  }
  plan.reset();
}

void Engine::Impl::join_channels() {
  for (const ChannelSpec& spec : program->channels) {
    RuntimeNode& from = *nodes[static_cast<std::size_t>(spec.src_node)];
    RuntimeNode& to = *nodes[static_cast<std::size_t>(spec.dst_node)];
    Output& source = from.outputs[static_cast<std::size_t>(spec.src_port)];
    Input& target = to.inputs[static_cast<std::size_t>(spec.dst_port)];
    auto name = text("channel '", from.spec().name, ".", source.port().name, "' -> '",
                     to.spec().name, ".", target.port().name, "'");
    auto& channel = channels.emplace_back(
        std::make_unique<Channel>(spec, std::move(name), source, target, *isa.loops));
    source.channels.push_back(channel.get());
    target.channels.push_back(channel.get());
  }
}

void Engine::Impl::reset(std::optional<std::uint64_t> wanted_seed) {
  failure = "a reset was not completed";
  for (auto& node : nodes) node->settle_counts();  // those of others, too
  for (auto& node : nodes) node->reset();
  for (auto& recorder : recorders) recorder->clear();
  tables->reset();
  seek(0, wanted_seed.value_or(seed));
  failure.clear();
  replan();
}

void Engine::Impl::seek(std::int64_t next, std::uint64_t new_seed) {
  step = next;
  seed = new_seed;
  for (auto& node : nodes) node->seek(step, seed);
  for (auto& host : hosts) host.begun = -1;
}

void Engine::Impl::note_failure(const std::exception& error) noexcept {
  try {
    failure = error.what();
  } catch (const std::exception&) {
    failure = "out of memory";  // few enough characters to need none
  }
}

void Engine::Impl::check_usable() const {
  if (failure.empty()) return;
  throw Error(ErrorKind::state, "engine",
              text("stopped in the middle of step ", step, " (", failure,
                   "); reset it or restore a checkpoint"));
}

/// Hosts that tick at this step must have been begun.
void Engine::Impl::check_begun() const {
  for (const HostEntry& host : hosts) {
    if (host.node->next_tick() != step) continue;
    throw Error(ErrorKind::state, text("node '", host.node->spec().name, "'"),
                text("ticks at step ", step, "; call begin_tick before run"));
  }
}

/// End of the run: before the next step at which a host ticks.
std::int64_t Engine::Impl::last_step(std::int64_t steps) const {
  std::int64_t end = step + std::min(steps, kMaxStep - step);
  for (const HostEntry& host : hosts) end = std::min(end, host.node->next_tick());
  return end;
}

std::int64_t Engine::Impl::run(std::int64_t steps, std::int64_t budget_ns) {
  check_usable();
  if (steps <= 0) return 0;
  check_begun();
  if (tables->stale()) {
    refresh_tables();
    plan.reset();
  }
  if (plan == nullptr) replan();
  const std::int64_t begin = step;
  try {
    run_until(last_step(steps), budget_ns);
  } catch (...) {
    plan->skip(step - begin);
    throw;
  }
  plan->skip(step - begin);
  return step - begin;
}

void Engine::Impl::run_until(std::int64_t end, std::int64_t budget_ns) {
  Turns turns(budget_ns);
  while (!(interrupted.load(std::memory_order_relaxed) && interrupted.exchange(false))) {
    const std::int64_t last = std::min(end, step + turns.steps());
    while (step < last) run_steps(last - step, end - step);
    if (step == end || !turns.next()) return;
  }
}

/// One step, or more if none of them needs anything of the caller. At most `most`, of `ahead` that
/// are still to be run.
void Engine::Impl::run_steps(std::int64_t most, std::int64_t ahead) {
  const std::int64_t begin = step;
  try {
    begin_hosts();
    const std::int64_t steady = tables->announce(step, plan->threads() > 1);
    try {
      plan->run(step, std::min({most, steady, steps_at_once()}), ahead);
    } catch (...) {
      record(begin);
      throw;
    }
    record(begin);
  } catch (const std::exception& error) {
    note_failure(error);
    throw;
  }
}

/// What recorders look at, of the steps from `begin` on that are done.
void Engine::Impl::record(std::int64_t begin) {
  for (std::int64_t done = begin; done < step; ++done) {
    for (auto& recorder : recorders) recorder->sample(done);
  }
}

std::int64_t Engine::Impl::steps_at_once() const {
  if (!hosts.empty()) return 1;
  std::int64_t steps = INT64_MAX;
  for (const auto& recorder : recorders) steps = std::min(steps, recorder->patience(step));
  return steps;
}

/// Host nodes that have not begun this step do not tick in it: they only take in what arrives.
void Engine::Impl::begin_hosts() {
  for (HostEntry& host : hosts) {
    if (host.begun == step) {
      for (Output& output : host.node->outputs) output.count(step);
    } else {
      host.node->tick(step);
    }
  }
}

void Engine::Impl::begin_tick(std::string_view name) {
  check_usable();
  HostEntry& host = find_host(name, false);
  if (host.node->next_tick() != step) {
    throw Error(ErrorKind::state, text("node '", name, "'"),
                text("does not tick at step ", step, "; its next tick is at step ",
                     host.node->next_tick()));
  }
  try {
    host.node->tick(step);
  } catch (const std::exception& error) {
    note_failure(error);
    throw;
  }
  host.begun = step;
}

Engine::Engine(std::shared_ptr<const Program> program, std::optional<std::uint64_t> seed,
               std::int32_t batch, KernelRegistry& kernels, EngineOptions options)
    : impl_(std::make_unique<Impl>(std::move(program), seed, batch, kernels, std::move(options))) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

std::int64_t Engine::step() const {
  return impl_->step;
}

std::uint64_t Engine::seed() const {
  return impl_->seed;
}

std::int32_t Engine::batch() const {
  return impl_->batch;
}

int Engine::threads() const {
  return impl_->threads;
}

const char* Engine::isa() const {
  return impl_->isa.name;
}

std::int64_t Engine::run(std::int64_t steps, std::int64_t budget_ns) {
  return impl_->run(steps, budget_ns);
}

void Engine::interrupt() noexcept {
  impl_->interrupted.store(true);
}

void Engine::release_threads() noexcept {
  if (impl_->plan) impl_->plan->release_threads();
}

void Engine::begin_tick(std::string_view node) {
  impl_->begin_tick(node);
}

void Engine::reset(std::optional<std::uint64_t> seed) {
  impl_->reset(seed);
}

}  // namespace procgraph
