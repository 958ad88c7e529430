#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <vector>

#include "engine/runtime_node.hpp"
#include "engine/thread_pool.hpp"

namespace procgraph {

/// What is done in a step, by whom and in which order.
///
/// With one thread that is the Program's schedule. With more, actions are sorted into levels by
/// their dependencies: the actions of a level are independent of each other. A level that is worth
/// it becomes a parallel phase, in which each thread has a fixed list of tasks; the others are run
/// by the caller, without a word to the other threads. Bits do not depend on any of this.
class Plan {
 public:
  struct Entry {
    Action action;
    RuntimeNode* node;
  };

  /// Divides the nodes for `threads` threads.
  Plan(const std::vector<Entry>& schedule, int threads);

  /// One step of all actions. Throws what the first failing task in the order of the plan throws.
  void run(std::int64_t step);
  /// Threads that have something to do.
  int threads() const { return threads_; }
  std::size_t parallel_phases() const;

 private:
  /// Parts of an action that are still to be finished in this step.
  struct Countdown {
    alignas(64) std::atomic<int> open;
    int parts;
  };
  enum class Share : std::uint8_t { whole, prologue, part };
  struct Task {
    RuntimeNode* node;
    Countdown* countdown;
    std::size_t order;
    double cost;
    const void* target;  // what an emission writes to; tasks of one target stay together
    int part;
    Action action;
    Share share;
    bool caller_only;
  };
  using Tasks = std::vector<Task>;
  struct Phase {
    std::vector<Tasks> lists;  // per thread; one list: run by the caller alone
  };
  struct Failure {
    alignas(64) std::exception_ptr error;
    std::size_t order = 0;
  };

  std::vector<Tasks> levels(const std::vector<Entry>& schedule);
  void add_tasks(std::vector<Tasks>& levels, std::size_t level, const Entry& entry);
  void add_phase(Tasks&& tasks);
  std::vector<Tasks> assign(const Tasks& tasks) const;
  static void run_task(const Task& task, std::int64_t step);
  static void run_list(void* plan, int thread);
  void run_parallel(const Phase& phase, std::int64_t step);
  void recover();

  int wanted_;
  int threads_ = 1;
  std::vector<Phase> phases_;
  std::deque<Countdown> countdowns_;
  std::vector<Failure> failures_;
  std::unique_ptr<ThreadPool> pool_;
  const Phase* phase_ = nullptr;  // of the running parallel phase
  std::int64_t step_ = 0;
};

}  // namespace procgraph
