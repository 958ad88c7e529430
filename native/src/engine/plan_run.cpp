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
  void main(std::uint32_t round, int share) override;
  void tail(std::uint32_t round, int share) override;
  bool alone_before(std::uint32_t round) const override;
  void alone(std::uint32_t round) override;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  std::uint32_t phases() const { return static_cast<std::uint32_t>(plan_.phases_.size()); }
  std::uint32_t number(std::uint32_t round) const {
    return (round - first_round_) % ThreadPool::kRounds;
  }
  const Phase& phase(std::uint32_t number) const { return plan_.phases_[number % phases()]; }
  /// Steps of a round, but for the last one.
  std::uint32_t window() const { return static_cast<std::uint32_t>(plan_.window_); }
  std::uint32_t before(std::uint32_t number) const { return number / phases() * window(); }
  std::uint32_t steps(std::uint32_t number) const {
    return std::min(window(), count_ - before(number));
  }
  std::int64_t step(std::uint32_t number, std::uint32_t in_window = 0) const {
    return first_step_ + before(number) + in_window;
  }
  /// Names a step of a round where tasks may move.
  std::uint32_t key(std::uint32_t round, std::uint32_t in_window) const {
    return round * window() + in_window;
  }
  /// Whether deliveries of a round may begin in the one before.
  bool is_early(std::uint32_t number) const {
    return plan_.early_ && number != 0 && number < rounds_ && number % phases() == 0;
  }
  void run_own(const List& list, std::uint32_t round, std::uint32_t in_window, int share);
  void lend(const List& list, std::uint32_t own, int share);
  void help(std::uint32_t round, int share);
  void take_over(std::uint32_t round, int other, int share);
  bool is_busy(std::uint32_t round, int share) const;
  void note_failures(std::uint32_t number, int share);

  Plan& plan_;
  std::uint32_t first_round_;
  std::int64_t first_step_;
  std::uint32_t count_;
  std::uint32_t rounds_;
  /// The first round in which something failed: later ones do nothing.
  std::atomic<std::uint32_t> failed_{kNone};
};

void Plan::Steps::main(std::uint32_t round, int share) {
  const std::uint32_t n = number(round);
  if (failed_.load(std::memory_order_relaxed) < n) return;
  const auto& lists = phase(n).lists;
  const auto own = static_cast<std::size_t>(share);
  for (std::uint32_t k = 0; own < lists.size() && k < steps(n); ++k) {
    run_own(lists[own], round, k, share);
  }
  note_failures(n, share);
}

void Plan::Steps::run_own(const List& list, std::uint32_t round, std::uint32_t in_window,
                          int share) {
  const std::uint32_t n = number(round);
  const Portion portion = is_early(n) ? Portion::fresh : Portion::all;
  for (std::uint32_t i = 0; i < list.bound; ++i) {
    plan_.attempt(list.tasks[i], step(n, in_window), share, portion);
  }
  if (!phase(n).moves) return;
  TaskRange& range = plan_.ranges_[static_cast<std::size_t>(share)];
  const auto end = static_cast<std::uint32_t>(list.tasks.size());
  const bool some = list.bound < end;
  const std::uint32_t at = key(round, in_window);
  range.open(at, some ? list.bound : 0, some ? end : 0);
  std::uint32_t own = list.bound;
  while (const auto next = range.take_first(at)) {
    plan_.attempt(list.tasks[*next], step(n, in_window), share);
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
void Plan::Steps::tail(std::uint32_t round, int share) {
  const std::uint32_t n = number(round);
  if (failed_.load(std::memory_order_relaxed) <= n) return;
  if (is_early(n + 1)) {
    const List& next = phase(n + 1).lists[static_cast<std::size_t>(share)];
    for (std::uint32_t i = 0; i < next.bound; ++i) {
      if (next.tasks[i].share != Share::delivery) continue;
      plan_.attempt(next.tasks[i], step(n + 1), share, Portion::known);
    }
    note_failures(n + 1, share);
  }
  if (phase(n).moves) help(round, share);
}

/// Takes over what others have not come to. Waits for a while for those who are still busy with
/// what only they may do.
void Plan::Steps::help(std::uint32_t round, int share) {
  const auto shares = static_cast<int>(phase(number(round)).lists.size());
  Spinning spinning(plan_.pool_->spin_ns());
  bool busy = true;
  while (busy) {
    busy = false;
    for (int other = 0; other < shares; ++other) {
      if (other == share) continue;
      take_over(round, other, share);
      busy |= is_busy(round, other);
    }
    busy = busy && spinning.again();
  }
}

/// Tasks of the step that the other is at.
void Plan::Steps::take_over(std::uint32_t round, int other, int share) {
  const std::uint32_t n = number(round);
  TaskRange& range = plan_.ranges_[static_cast<std::size_t>(other)];
  const Tasks& tasks = phase(n).lists[static_cast<std::size_t>(other)].tasks;
  const std::uint32_t in_window = range.ahead(key(round, 0));
  if (in_window >= steps(n)) return;
  while (const auto last = range.take_last(key(round, in_window))) {
    plan_.attempt(tasks[*last], step(n, in_window), share);
    note_failures(n, share);
    plan_.lent_[static_cast<std::size_t>(other)].returned.add(1);
  }
}

/// True for a share whose tasks nobody can take over yet, but soon.
bool Plan::Steps::is_busy(std::uint32_t round, int share) const {
  const std::uint32_t last = steps(number(round)) - 1;
  return !plan_.ranges_[static_cast<std::size_t>(share)].opened(key(round, last)) &&
         !plan_.pool_->is_done(share, round) && (share == 0 || plan_.pool_->is_active(share));
}

bool Plan::Steps::alone_before(std::uint32_t round) const {
  const std::uint32_t n = number(round);
  return !phase(n).before.empty() || (n % phases() == 0 && !plan_.after_.empty());
}

void Plan::Steps::alone(std::uint32_t round) {
  const std::uint32_t n = number(round);
  if (failed_.load(std::memory_order_relaxed) < n) return;
  const auto run = [&](const Tasks& tasks, std::int64_t at) {
    for (const Task& task : tasks) {
      if (!plan_.failures_[0].error) plan_.attempt(task, at, 0);
    }
  };
  if (n % phases() == 0) run(plan_.after_, step(n) - 1);
  run(phase(n).before, step(n));
  note_failures(n - 1, 0);
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

/// With the last part of a window, the node finishes the steps of that.
void Plan::finish_part(const Task& task, std::int64_t step) {
  const std::int64_t in_window = (step - first_) % window_;
  if (in_window + 1 != window_ && step + 1 != end_) return;
  if (task.countdown->open.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  task.countdown->open.store(task.countdown->parts, std::memory_order_relaxed);
  for (std::int64_t at = step - in_window; at <= step; ++at) {
    task.node->epilogue(task.action, at);
  }
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

void Plan::run(std::int64_t& step, std::int64_t steps) {
  try {
    if (phases_.empty()) {
      for (; steps > 0; --steps, ++step) run_list(after_, step);
      return;
    }
    if (pool_ == nullptr) pool_ = std::make_unique<ThreadPool>(threads_);
    first_ = step;
    end_ = step + steps;
    run_list(phases_[0].before, step);
    Steps all(*this, step, steps);
    pool_->run(all, all.rounds());
    const Failure* first = nullptr;
    for (const Failure& failure : failures_) {
      if (failure.error && (first == nullptr || std::pair(failure.step, failure.order) <
                                                    std::pair(first->step, first->order))) {
        first = &failure;
      }
    }
    if (first != nullptr) {
      // Steps of a window are finished together.
      step = first->step - (first->step - first_) % window_;
      std::rethrow_exception(first->error);
    }
    step += steps - 1;
    run_list(after_, step);
    ++step;
  } catch (...) {
    recover();
    throw;
  }
}

/// After a failure, which leaves parts open.
void Plan::recover() {
  for (Countdown& countdown : countdowns_) countdown.open = countdown.parts;
  for (Failure& failure : failures_) failure.error = nullptr;
}

}  // namespace procgraph
