#include "engine/plan.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "engine/channel.hpp"
#include "engine/grain.hpp"

namespace procgraph {
namespace {

using Done = std::map<std::pair<const RuntimeNode*, Action>, std::size_t>;

std::size_t done_at(const Done& done, const RuntimeNode* node, Action action) {
  const auto found = done.find({node, action});
  return found == done.end() ? 0 : found->second;
}

/// The first level that an action may run in: after all that it depends on within the step.
std::size_t first_level(const Done& done, const Plan::Entry& entry) {
  std::size_t level = 0;
  const SynapseAttrs* synapse = entry.node->spec().synapse();
  if (entry.action == Action::emit) {
    return synapse->delays.smallest == 0 ? done_at(done, entry.node, Action::absorb) : 0;
  }
  for (const Input& input : entry.node->inputs) {
    for (const Channel* channel : input.channels) {
      const RuntimeNode* source = channel->source().owner;
      if (channel->spec().delay != 0 || source->spec().is_host()) continue;
      const bool emits = source->spec().synapse() != nullptr;
      level = std::max(level, done_at(done, source, emits ? Action::emit : Action::tick));
    }
  }
  return level;
}

}  // namespace

Grain grain() {
  return std::getenv("PROCGRAPH_DIVIDE") == nullptr ? Grain{4096, 3000} : Grain{1, 0};
}

Plan::Plan(const std::vector<Entry>& schedule, int threads) : wanted_(threads) {
  for (const Entry& entry : schedule) entry.node->divide(threads);
  if (threads > 1) {
    for (Tasks& tasks : levels(schedule)) add_phase(std::move(tasks));
  }
  if (threads_ == 1) {
    for (const Entry& entry : schedule) entry.node->divide(1);
    phases_.assign(1, {std::vector<Tasks>(1)});
    for (const Entry& entry : schedule) {
      if (entry.node->idle(entry.action)) continue;
      phases_[0].lists[0].push_back(
          {entry.node, nullptr, 0, 0, nullptr, 0, entry.action, Share::whole, true});
    }
    return;
  }
  failures_ = std::vector<Failure>(static_cast<std::size_t>(threads_));
  pool_ = std::make_unique<ThreadPool>(threads_);
}

std::vector<Plan::Tasks> Plan::levels(const std::vector<Entry>& schedule) {
  std::vector<Tasks> levels;
  Done done;
  for (const Entry& entry : schedule) {
    std::size_t level = first_level(done, entry);
    if (entry.node->idle(entry.action)) {
      done[{entry.node, entry.action}] = level;
      continue;
    }
    const bool first = entry.node->parts(entry.action) > 1 && entry.node->has_prologue();
    if (levels.size() < level + 2) levels.resize(level + 2);
    add_tasks(levels, level, entry);
    done[{entry.node, entry.action}] = level + (first ? 2 : 1);
  }
  return levels;
}

void Plan::add_tasks(std::vector<Tasks>& levels, std::size_t level, const Entry& entry) {
  RuntimeNode& node = *entry.node;
  const int parts = node.parts(entry.action);
  Task task{&node,
            nullptr,
            0,
            node.cost(entry.action) / parts,
            entry.action == Action::emit ? node.emit_target() : nullptr,
            0,
            entry.action,
            Share::whole,
            node.caller_only()};
  if (parts == 1) {
    levels[level].push_back(task);
    return;
  }
  if (node.has_prologue()) {
    Task prologue = task;
    prologue.share = Share::prologue;
    levels[level++].push_back(prologue);
  }
  task.share = Share::part;
  Countdown& countdown = countdowns_.emplace_back();
  countdown.open = countdown.parts = parts;
  task.countdown = &countdown;
  for (task.part = 0; task.part < parts; ++task.part) levels[level].push_back(task);
}

void Plan::add_phase(Tasks&& tasks) {
  if (tasks.empty()) return;
  double alone = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    tasks[i].order = i;
    alone += tasks[i].cost;
  }
  std::vector<Tasks> lists = assign(tasks);
  double longest = 0;
  for (const Tasks& list : lists) {
    double sum = 0;
    for (const Task& task : list) sum += task.cost;
    longest = std::max(longest, sum);
  }
  if (lists.size() > 1 && alone - longest >= grain().nanoseconds) {
    threads_ = std::max(threads_, static_cast<int>(lists.size()));
    phases_.push_back({std::move(lists)});
    return;
  }
  if (phases_.empty() || phases_.back().lists.size() > 1) phases_.push_back({std::vector<Tasks>(1)});
  Tasks& serial = phases_.back().lists[0];
  serial.insert(serial.end(), tasks.begin(), tasks.end());
}

/// Part p of a divided action goes to thread p, so that the same elements stay in the same caches;
/// the rest goes to whoever has least to do, the largest first.
std::vector<Plan::Tasks> Plan::assign(const Tasks& tasks) const {
  std::vector<Tasks> lists(static_cast<std::size_t>(wanted_));
  std::vector<double> load(lists.size());
  struct Bundle {
    Tasks tasks;
    double cost = 0;
  };
  std::vector<Bundle> bundles;
  std::map<std::pair<const void*, int>, std::size_t> of_target;
  std::map<const void*, int> parts_of_target;  // -1 where emitters are divided differently
  for (const Task& task : tasks) {
    if (task.target == nullptr) continue;
    const int parts = task.countdown == nullptr ? 1 : task.countdown->parts;
    const auto [found, made] = parts_of_target.emplace(task.target, parts);
    if (!made && found->second != parts) found->second = -1;
  }
  const auto give = [&](std::size_t thread, const Task& task) {
    lists[thread].push_back(task);
    load[thread] += task.cost;
  };
  for (const Task& task : tasks) {
    const auto own = static_cast<std::size_t>(task.part);
    if (task.caller_only) {
      give(0, task);
    } else if (task.target != nullptr) {
      const bool together = parts_of_target[task.target] < 0;
      const auto [found, made] =
          of_target.emplace(std::pair{task.target, together ? 0 : task.part}, bundles.size());
      if (made) bundles.emplace_back();
      bundles[found->second].tasks.push_back(task);
      bundles[found->second].cost += task.cost;
    } else if (task.share == Share::part && task.countdown->parts == wanted_) {
      give(own, task);
    } else {
      bundles.push_back({{task}, task.cost});
    }
  }
  std::stable_sort(bundles.begin(), bundles.end(),
                   [](const Bundle& a, const Bundle& b) { return a.cost > b.cost; });
  for (const Bundle& bundle : bundles) {
    const auto least = std::min_element(load.begin(), load.end()) - load.begin();
    for (const Task& task : bundle.tasks) give(static_cast<std::size_t>(least), task);
  }
  while (lists.size() > 1 && lists.back().empty()) lists.pop_back();
  for (Tasks& list : lists) {
    std::sort(list.begin(), list.end(),
              [](const Task& a, const Task& b) { return a.order < b.order; });
  }
  return lists;
}

void Plan::run_task(const Task& task, std::int64_t step) {
  switch (task.share) {
    case Share::whole:
      task.node->act(task.action, step);
      return;
    case Share::prologue:
      task.node->prologue(step);
      return;
    case Share::part:
      task.node->run_part(task.action, step, task.part);
      if (task.countdown->open.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      task.countdown->open.store(task.countdown->parts, std::memory_order_relaxed);
      task.node->epilogue(task.action, step);
  }
}

void Plan::run(std::int64_t step) {
  try {
    for (const Phase& phase : phases_) {
      if (phase.lists.size() > 1) {
        run_parallel(phase, step);
        continue;
      }
      for (const Task& task : phase.lists[0]) run_task(task, step);
    }
  } catch (...) {
    recover();
    throw;
  }
}

void Plan::run_list(void* context, int thread) {
  auto& plan = *static_cast<Plan*>(context);
  Failure& failure = plan.failures_[static_cast<std::size_t>(thread)];
  for (const Task& task : plan.phase_->lists[static_cast<std::size_t>(thread)]) {
    try {
      run_task(task, plan.step_);
    } catch (...) {
      failure.error = std::current_exception();
      failure.order = task.order;
      return;
    }
  }
}

void Plan::run_parallel(const Phase& phase, std::int64_t step) {
  phase_ = &phase;
  step_ = step;
  pool_->run(static_cast<int>(phase.lists.size()), run_list, this);
  const Failure* first = nullptr;
  for (const Failure& failure : failures_) {
    if (failure.error && (first == nullptr || failure.order < first->order)) first = &failure;
  }
  if (first != nullptr) std::rethrow_exception(first->error);
}

/// After a failure, which leaves parts open.
void Plan::recover() {
  for (Countdown& countdown : countdowns_) countdown.open = countdown.parts;
  for (Failure& failure : failures_) failure.error = nullptr;
}

std::size_t Plan::parallel_phases() const {
  return static_cast<std::size_t>(std::count_if(
      phases_.begin(), phases_.end(), [](const Phase& phase) { return phase.lists.size() > 1; }));
}

}  // namespace procgraph
