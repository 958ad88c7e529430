#include <algorithm>
#include <chrono>

#include "engine/plan.hpp"

namespace procgraph {

/// Steps that are run together, phase by phase: a round each, or one for a window of steps.
class Plan::Steps final : public Rounds {
 public:
  Steps(Plan& plan, std::int64_t first, std::int64_t count)
      : plan_(plan),
        first_round_(plan.pool_->next_round()),
        first_step_(first),
        count_(static_cast<std::uint32_t>(count)),
        rounds_((count_ + window() - 1) / window() * phases()) {}

  std::uint32_t rounds() const { return rounds_; }
  void main(std::uint32_t number, int share) override;
  void tail(std::uint32_t number, int share) override;
  bool alone_before(std::uint32_t number) const override;
  void alone(std::uint32_t number) override;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  /// What a round does.
  struct Round {
    std::uint32_t number;  // from 0 on
    const Phase& phase;
    bool begins;         // the first phase of a step
    std::int64_t step;   // or the first one of a window
    std::uint32_t many;  // steps in the window
    std::uint32_t key;   // names its first step where tasks may move
  };

  std::uint32_t phases() const { return static_cast<std::uint32_t>(plan_.phases_.size()); }
  std::uint32_t window() const { return static_cast<std::uint32_t>(plan_.window_); }
  std::uint32_t number(std::uint32_t round) const {
    return (round - first_round_) % ThreadPool::kRounds;
  }
  Round at(std::uint32_t round) const {
    const std::uint32_t n = number(round);
    const std::uint32_t turn = phases() == 1 ? n : n / phases();
    const std::uint32_t phase = n - turn * phases();
    const std::uint32_t before = turn * window();
    return {n,
            plan_.phases_[phase],
            phase == 0,
            first_step_ + before,
            std::min(window(), count_ - before),
            round * window()};
  }
  /// Whether deliveries of a round may begin in the one before.
  bool is_early(const Round& round) const {
    return plan_.early_ && round.begins && round.number != 0 && round.number < rounds_;
  }
  void run_own(const Round& round, std::uint32_t in_window, int share);
  void lend(const List& list, std::uint32_t own, int share);
  void help(std::uint32_t number, int share);
  void take_over(const Round& round, int other, int share);
  bool is_busy(std::uint32_t round, std::uint32_t last_key, int share) const;
  void note_failures(std::uint32_t number, int share);

  Plan& plan_;
  std::uint32_t first_round_;
  std::int64_t first_step_;
  std::uint32_t count_;
  std::uint32_t rounds_;
  /// The first round in which something failed: later ones do nothing.
  std::atomic<std::uint32_t> failed_{kNone};
};

void Plan::Steps::main(std::uint32_t number, int share) {
  const Round round = at(number);
  if (failed_.load(std::memory_order_relaxed) < round.number) return;
  if (static_cast<std::size_t>(share) < round.phase.lists.size()) {
    for (std::uint32_t k = 0; k < round.many; ++k) run_own(round, k, share);
  }
  note_failures(round.number, share);
}

void Plan::Steps::run_own(const Round& round, std::uint32_t in_window, int share) {
  const List& list = round.phase.lists[static_cast<std::size_t>(share)];
  const std::int64_t step = round.step + in_window;
  const Portion portion = is_early(round) ? Portion::fresh : Portion::all;
  for (std::uint32_t i = 0; i < list.bound; ++i) {
    plan_.attempt(list.tasks[i], step, share, portion);
  }
  if (!round.phase.moves) return;
  TaskRange& range = plan_.ranges_[static_cast<std::size_t>(share)];
  const auto end = static_cast<std::uint32_t>(list.tasks.size());
  const bool some = list.bound < end;
  const std::uint32_t key = round.key + in_window;
  range.open(key, some ? list.bound : 0, some ? end : 0);
  std::uint32_t own = list.bound;
  while (const auto next = range.take_first(key)) {
    plan_.attempt(list.tasks[*next], step, share);
    ++own;
  }
  lend(list, own, share);
}

/// Waits for those who have taken over tasks.
void Plan::Steps::lend(const List& list, std::uint32_t own, int share) {
  Lent& lent = plan_.lent_[static_cast<std::size_t>(share)];
  lent.count += static_cast<std::uint32_t>(list.tasks.size()) - own;
  Waiter(plan_.pool_->spin_ns()).wait(lent.returned, lent.count);
}

/// What is due in the next step of what was emitted before this one; then what others have not come
/// to.
void Plan::Steps::tail(std::uint32_t number, int share) {
  const Round round = at(number);
  if (failed_.load(std::memory_order_relaxed) <= round.number) return;
  const Round next = at(number + 1);
  if (is_early(next)) {
    const List& list = next.phase.lists[static_cast<std::size_t>(share)];
    for (std::uint32_t i = 0; i < list.bound; ++i) {
      if (list.tasks[i].share != Share::delivery) continue;
      plan_.attempt(list.tasks[i], next.step, share, Portion::known);
    }
    note_failures(next.number, share);
  }
  if (round.phase.moves) help(number, share);
}

/// Takes over what others have not come to. Waits for a while for those who are still busy with
/// what only they may do.
void Plan::Steps::help(std::uint32_t number, int share) {
  const Round round = at(number);
  const auto shares = static_cast<int>(round.phase.lists.size());
  Spinning spinning(plan_.pool_->spin_ns());
  bool busy = true;
  while (busy) {
    busy = false;
    for (int other = 0; other < shares; ++other) {
      if (other == share) continue;
      take_over(round, other, share);
      busy |= is_busy(number, round.key + round.many - 1, other);
    }
    busy = busy && spinning.again();
  }
}

/// Tasks of the step that the other is at.
void Plan::Steps::take_over(const Round& round, int other, int share) {
  TaskRange& range = plan_.ranges_[static_cast<std::size_t>(other)];
  const Tasks& tasks = round.phase.lists[static_cast<std::size_t>(other)].tasks;
  const std::uint32_t in_window = range.ahead(round.key);
  if (in_window >= round.many) return;
  while (const auto last = range.take_last(round.key + in_window)) {
    plan_.attempt(tasks[*last], round.step + in_window, share);
    note_failures(round.number, share);
    plan_.lent_[static_cast<std::size_t>(other)].returned.add(1);
  }
}

/// True for a share whose tasks nobody can take over yet, but soon.
bool Plan::Steps::is_busy(std::uint32_t round, std::uint32_t last_key, int share) const {
  return !plan_.ranges_[static_cast<std::size_t>(share)].opened(last_key) &&
         !plan_.pool_->is_done(share, round) && (share == 0 || plan_.pool_->is_active(share));
}

bool Plan::Steps::alone_before(std::uint32_t number) const {
  const Round round = at(number);
  return !round.phase.before.empty() || (round.begins && !plan_.after_.empty());
}

void Plan::Steps::alone(std::uint32_t number) {
  const Round round = at(number);
  if (failed_.load(std::memory_order_relaxed) < round.number) return;
  const auto run = [&](const Tasks& tasks, std::int64_t step) {
    for (const Task& task : tasks) {
      if (!plan_.failures_[0].error) plan_.attempt(task, step, 0);
    }
  };
  if (round.begins) run(plan_.after_, round.step - 1);
  run(round.phase.before, round.step);
  note_failures(round.number - 1, 0);
}

void Plan::Steps::note_failures(std::uint32_t number, int share) {
  if (!plan_.failures_[static_cast<std::size_t>(share)].error) return;
  std::uint32_t first = failed_.load(std::memory_order_relaxed);
  while (number < first &&
         !failed_.compare_exchange_weak(first, number, std::memory_order_relaxed)) {
  }
}

void Plan::run_task(const Task& task, std::int64_t step, Portion portion) {
  switch (task.share) {
    case Share::whole:
      task.node->act(task.action, step);
      return;
    case Share::prologue:
      task.node->prologue(step);
      return;
    case Share::part:
      task.node->run_part(task.action, step, task.part);
      finish_part(task, step);
      return;
    case Share::delivery:
      tables_.deliver(step, task.part, portion);
  }
}

void Plan::finish_part(const Task& task, std::int64_t step) {
  Countdown& countdown = *task.countdown;
  if (countdown.late || countdown.open.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  countdown.open.store(countdown.parts, std::memory_order_relaxed);
  task.node->epilogue(task.action, step);
}

void Plan::run_profiled(const Task& task, std::int64_t step, Portion portion) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  run_task(task, step, portion);
  const std::chrono::nanoseconds taken = Clock::now() - begin;
  auto& spent = task.node != nullptr ? task.node->spent : tables_.spent;
  spent.fetch_add(taken.count(), std::memory_order_relaxed);
}

void Plan::run_list(const Tasks& tasks, std::int64_t step) {
  for (const Task& task : tasks) {
    profiled_ ? run_profiled(task, step, Portion::all) : run_task(task, step, Portion::all);
  }
}

/// All tasks of a round are tried, so that what is reported does not depend on who comes to what.
void Plan::attempt(const Task& task, std::int64_t step, int share, Portion portion) {
  try {
    profiled_ ? run_profiled(task, step, portion) : run_task(task, step, portion);
  } catch (...) {
    Failure& failure = failures_[static_cast<std::size_t>(share)];
    if (failure.error && std::pair(failure.step, failure.order) < std::pair(step, task.order)) {
      return;
    }
    failure = {std::current_exception(), step, task.order};
  }
}

void Plan::run(std::int64_t& step, std::int64_t steps, std::int64_t ahead) {
  const std::int64_t first = step;
  const auto finish = [&] {
    for (RuntimeNode* node : late_) node->end_run(first, step);
  };
  for (RuntimeNode* node : late_) node->begin_run(first);
  try {
    if (phases_.empty()) {
      for (; steps > 0; --steps, ++step) run_list(after_, step);
    } else {
      const bool shared = waking_.worth(saved_ * static_cast<double>(ahead));
      shared ? run_shared(step, steps) : run_alone(step, steps);
      waking_.done(shared, saved_ * static_cast<double>(steps));
    }
  } catch (...) {
    recover();
    finish();
    throw;
  }
  finish();
}

void Plan::run_shared(std::int64_t& step, std::int64_t steps) {
  if (pool_ == nullptr) pool_ = std::make_unique<ThreadPool>(threads_);
  run_list(phases_[0].before, step);
  const std::int64_t begin = step;
  Steps all(*this, begin, steps);
  pool_->run(all, all.rounds());
  if (const Failure* first = first_failure()) {
    step = first->step - (first->step - begin) % window_;  // others may be further in the window
    std::rethrow_exception(first->error);
  }
  step += steps - 1;
  run_list(after_, step);
  ++step;
}

/// What all threads are to do, by the caller.
void Plan::run_alone(std::int64_t& step, std::int64_t steps) {
  for (; steps > 0; --steps, ++step) {
    for (const Phase& phase : phases_) {
      run_list(phase.before, step);
      for (const List& list : phase.lists) {
        for (const Task& task : list.tasks) attempt(task, step, 0);
      }
      if (failures_[0].error) std::rethrow_exception(failures_[0].error);
    }
    run_list(after_, step);
  }
}

const Plan::Failure* Plan::first_failure() const {
  const Failure* first = nullptr;
  for (const Failure& failure : failures_) {
    if (failure.error && (first == nullptr || std::pair(failure.step, failure.order) <
                                                  std::pair(first->step, first->order))) {
      first = &failure;
    }
  }
  return first;
}

/// After a failure, which leaves parts open.
void Plan::recover() {
  for (Countdown& countdown : countdowns_) countdown.open = countdown.parts;
  for (Failure& failure : failures_) failure.error = nullptr;
}

}  // namespace procgraph
