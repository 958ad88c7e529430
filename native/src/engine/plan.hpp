#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <vector>

#include "engine/runtime_node.hpp"
#include "engine/task_range.hpp"
#include "engine/thread_pool.hpp"
#include "sparse/tables.hpp"

namespace procgraph {

/// What is done in a step, by whom and in which order.
///
/// With one thread that is what the delivery tables bring and then the Program's schedule. With
/// more, actions are sorted into levels by their dependencies: the actions of a level are
/// independent of each other, but for those that follow each other on one thread. A level that is
/// worth it becomes a parallel phase, in which each thread has a list of tasks; the others are run
/// by the caller, without a word to the other threads. A thread that is done with its list takes
/// over tasks of others that may move. Bits do not depend on any of this.
class Plan {
 public:
  struct Entry {
    Action action;
    RuntimeNode* node;
  };

  /// Divides the nodes for `threads` threads; `profiled`: notes what each node takes.
  Plan(const std::vector<Entry>& schedule, SparseTables& tables, int threads, bool profiled);

  /// One step of all actions. Throws what the first failing task in the order of the plan throws.
  void run(std::int64_t step);
  /// Ends the threads; the next step that needs them starts them anew.
  void release_threads() noexcept { pool_.reset(); }
  /// Moves on the clocks of nodes that are left out because they are idle.
  void skip(std::int64_t steps);
  /// Threads that have something to do.
  int threads() const { return threads_; }
  std::size_t parallel_phases() const;

 private:
  /// Parts of an action that are still to be finished in this step.
  struct Countdown {
    alignas(64) std::atomic<int> open;
    int parts;
  };
  enum class Share : std::uint8_t { whole, prologue, part, delivery };
  struct Task {
    RuntimeNode* node;
    Countdown* countdown;
    std::uint32_t order;
    std::uint16_t part;
    Action action;
    Share share;
  };
  using Tasks = std::vector<Task>;
  /// A task while the plan is made.
  struct Job {
    Task task;
    double cost;
    const Input* target;  // what an emission writes to; jobs of one target stay together
    int thread;           // that has to run it; -1: any
  };
  using Jobs = std::vector<Job>;
  /// Tasks of one thread: first those that only it may run, in their order, then those that may
  /// move to others once these are done.
  struct List {
    Tasks tasks;
    std::uint32_t bound = 0;
  };
  struct Phase {
    std::vector<List> lists;  // per thread; one list: run by the caller alone
  };
  struct Failure {
    alignas(64) std::exception_ptr error;
    std::uint32_t order = 0;
  };

  std::vector<Jobs> levels(const std::vector<Entry>& schedule);
  Jobs deliveries() const;
  void add_jobs(std::vector<Jobs>& levels, std::size_t level, const Entry& entry);
  void add_phase(Jobs&& jobs);
  std::vector<Jobs> assign(const Jobs& jobs) const;
  static std::map<const Input*, int> parts_by_target(const Jobs& jobs);
  static double total(const Jobs& jobs);
  static double bound(const Jobs& jobs);
  static bool movable(const Job& job);
  static List list_of(Jobs jobs);
  void run_task(const Task& task, std::int64_t step);
  void run_profiled(const Task& task, std::int64_t step);
  void run_list(const Tasks& tasks, std::int64_t step);
  static void run_share(const Call& call, int thread);
  void run_own(const Call& call, int thread);
  void help(const Call& call, int thread);
  void attempt(const Task& task, std::int64_t step, int thread);
  void run_parallel(const Phase& phase, std::int64_t step);
  void recover();

  SparseTables& tables_;
  int wanted_;
  bool profiled_;
  int threads_ = 1;
  std::vector<Phase> phases_;
  std::vector<RuntimeNode*> idle_;
  std::deque<Countdown> countdowns_;
  std::vector<Failure> failures_;
  std::vector<TaskRange> ranges_;  // per thread, of its tasks that may move
  std::unique_ptr<ThreadPool> pool_;
  std::uint32_t round_ = 0;  // counts the parallel phases that were run
};

}  // namespace procgraph
