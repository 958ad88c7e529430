#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <vector>

#include "engine/grain.hpp"
#include "engine/meeting.hpp"
#include "engine/runtime_node.hpp"
#include "engine/task_range.hpp"
#include "engine/thread_pool.hpp"
#include "engine/waking.hpp"
#include "sparse/tables.hpp"

namespace procgraph {

/// What is done in a step, by whom and in which order.
///
/// With one thread that is what the delivery tables bring and then the Program's schedule. With
/// more, actions are sorted into levels by their dependencies: the actions of a level are
/// independent of each other, but for those that follow each other on one thread. A level that is
/// worth it becomes a parallel phase, in which each thread has a list of tasks; the others are run
/// by the caller, without a word to the other threads. A thread that is done with its list takes
/// over tasks of others that may move. Several steps may be run at once: then nobody waits for the
/// caller between them, and a thread may deliver what has long been on its way to its neurons
/// before it waits for what the others have emitted just now. Where all that passes between neurons
/// is on its way for some steps, a round is a window of so many: within it nobody waits for
/// anybody. Bits do not depend on any of this.
class Plan {
 public:
  struct Entry {
    Action action;
    RuntimeNode* node;
  };

  /// Divides the nodes for the threads that meet; `profiled`: notes what each node takes.
  Plan(const std::vector<Entry>& schedule, SparseTables& tables, Meeting& meeting, bool profiled);

  /// Steps of all actions, from `step` on, which counts those that are done, of `ahead` that are to
  /// follow each other. Throws what the first failing task in the order of the plan throws.
  void run(std::int64_t& step, std::int64_t steps, std::int64_t ahead);
  /// Ends the threads; the next step that needs them starts them anew.
  void release_threads() noexcept { pool_.reset(); }
  /// Moves on the clocks of nodes that are left out because they are idle.
  void skip(std::int64_t steps);
  /// Threads that have something to do.
  int threads() const { return threads_; }
  std::size_t parallel_phases() const { return phases_.size(); }

 private:
  /// Parts of an action that are still to be finished in this step.
  struct Countdown {
    alignas(64) std::atomic<int> open;
    int parts;
    bool late;  // the node finishes at the end of a run
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
    bool moves = false;   // other threads may take it over
  };
  using Jobs = std::vector<Job>;
  /// Tasks of one thread: first those that only it may run, in their order, then those that may
  /// move to others once these are done.
  struct List {
    Tasks tasks;
    std::uint32_t bound = 0;
  };
  /// A round of the thread pool, with what the caller does alone before it.
  struct Phase {
    Tasks before;
    std::vector<List> lists;  // per thread
    bool moves = false;       // some tasks may
  };
  struct Failure {
    alignas(64) std::exception_ptr error;
    std::int64_t step = 0;
    std::uint32_t order = 0;
  };
  /// Tasks of a thread that others have taken over, since the plan was made.
  struct Lent {
    alignas(64) Progress returned{0};
    alignas(64) std::uint32_t count = 0;
  };
  class Steps;

  std::vector<Jobs> levels(const std::vector<Entry>& schedule);
  Jobs deliveries() const;
  void add_jobs(std::vector<Jobs>& levels, std::size_t level, const Entry& entry);
  void add_phase(Jobs&& jobs);
  std::vector<Jobs> assign(const Jobs& jobs) const;
  static std::map<const Input*, int> parts_by_target(const Jobs& jobs);
  static double total(const Jobs& jobs);
  static double bound(const Jobs& jobs);
  bool worth_sharing(double saved) const;
  static bool movable(const Job& job, double share);
  static List list_of(Jobs jobs);
  bool early_deliveries(const std::vector<Entry>& schedule) const;
  std::int32_t longest_window(const std::vector<Entry>& schedule) const;

  // plan_run.cpp
  void run_task(const Task& task, std::int64_t step, Portion portion);
  static void finish_part(const Task& task, std::int64_t step);
  void run_shared(std::int64_t& step, std::int64_t steps);
  void run_alone(std::int64_t& step, std::int64_t steps);
  const Failure* first_failure() const;
  void run_profiled(const Task& task, std::int64_t step, Portion portion);
  void run_list(const Tasks& tasks, std::int64_t step);
  void attempt(const Task& task, std::int64_t step, int share, Portion portion = Portion::all);
  void recover();

  SparseTables& tables_;
  Meeting& meeting_;
  int wanted_;
  bool profiled_;
  int threads_ = 1;
  std::vector<Phase> phases_;
  Tasks after_;         // what the caller does alone at the end of a step: all, with one thread
  bool early_ = false;  // threads may begin to deliver for the next step before others are done
  std::int32_t window_ = 1;  // steps of a round
  std::vector<RuntimeNode*> idle_;
  std::vector<RuntimeNode*> late_;  // finish at the end of a run
  std::deque<Countdown> countdowns_;
  std::vector<Failure> failures_;
  std::vector<TaskRange> ranges_;  // per thread, of its tasks that may move
  std::vector<Lent> lent_;         // per thread
  double saved_ = 0;               // nanoseconds a step, by running on all threads
  Waking waking_{grain().waking};
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace procgraph
