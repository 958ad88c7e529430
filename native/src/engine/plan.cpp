#include "engine/plan.hpp"

#include <algorithm>
#include <cstdlib>

#include "engine/channel.hpp"

namespace procgraph {
namespace {

using Done = std::map<std::pair<const RuntimeNode*, Action>, std::size_t>;

std::size_t done_at(const Done& done, const RuntimeNode* node, Action action) {
  const auto found = done.find({node, action});
  return found == done.end() ? 0 : found->second;
}

/// True if parts of the emission are on the threads that go on with what they have emitted.
bool emits_as_delivered(const RuntimeNode& node) {
  const Input* target = node.emits_as_cut();
  return target != nullptr && target->owner->follows_delivery();
}

constexpr std::size_t kDelivered = 1;  // deliveries are the first level

/// The first level that an action may run in: after all that it depends on within the step.
std::size_t first_level(const Done& done, const Plan::Entry& entry) {
  const SynapseAttrs* synapse = entry.node->spec().synapse();
  if (entry.action == Action::epoch) return done_at(done, entry.node, Action::absorb);
  if (entry.action == Action::emit) {
    const Input* target = entry.node->idle(entry.action) ? nullptr : entry.node->emit_target();
    const std::size_t level = target != nullptr && target->delivered() ? kDelivered : 0;
    if (synapse->delays.smallest != 0) return level;
    return std::max(level, done_at(done, entry.node, Action::absorb));
  }
  std::size_t level = 0;
  for (const Input& input : entry.node->inputs) {
    if (input.delivered() && !entry.node->follows_delivery()) level = std::max(level, kDelivered);
    for (const Channel* channel : input.channels) {
      const RuntimeNode* source = channel->source().owner;
      if (channel->spec().delay != 0 || source->spec().is_host()) continue;
      if (source->draw() != nullptr && source->idle(Action::tick)) continue;
      const bool emits = source->spec().synapse() != nullptr;
      if (emits && emits_as_delivered(*source)) continue;
      level = std::max(level, done_at(done, source, emits ? Action::emit : Action::tick));
    }
  }
  return level;
}

bool has_prologue(const Plan::Entry& entry) {
  const bool begins = entry.action == Action::tick || entry.action == Action::absorb;
  return begins && entry.node->has_prologue();
}

}  // namespace

Grain grain() {
  return std::getenv("PROCGRAPH_DIVIDE") == nullptr
             ? Grain{4096, 3000, 500, 4, 150'000, 2000, 0.1, 256}
             : Grain{1, 0, 0, 0, 0, 0, 1, 0};
}

Plan::Plan(const std::vector<Entry>& schedule, SparseTables& tables, Meeting& meeting,
           bool profiled)
    : tables_(tables), meeting_(meeting), wanted_(meeting.threads()), profiled_(profiled) {
  const int threads = wanted_;
  const bool cut = threads > 1 && tables.cuts().threads() == static_cast<std::size_t>(threads);
  for (const Entry& entry : schedule) {
    entry.node->divide(threads, cut ? &tables.cuts() : nullptr);
    if (entry.action != Action::emit && entry.node->idle(entry.action)) idle_.push_back(entry.node);
  }
  if (threads > 1) {
    for (Jobs& jobs : levels(schedule)) add_phase(std::move(jobs));
  }
  const auto lists = static_cast<std::size_t>(threads_);
  failures_ = std::vector<Failure>(lists);
  if (threads_ > 1) {
    early_ = early_deliveries(schedule);
    window_ = longest_window(schedule);
    if (window_ > 1) early_ = false;
    ranges_ = std::vector<TaskRange>(lists);
    lent_ = std::vector<Lent>(lists);
    tables.keep_apart(cut);
    return;
  }
  tables.keep_apart(false);
  after_.clear();
  late_.clear();
  for (const Job& job : deliveries()) after_.push_back(job.task);
  for (const Entry& entry : schedule) {
    entry.node->divide(1, nullptr);
    if (entry.node->idle(entry.action)) continue;
    after_.push_back({entry.node, nullptr, 0, 0, entry.action, Share::whole});
  }
}

/// True if whoever takes delivered sums does so on the thread that delivers them, in the same
/// round: then a thread that is done with that knows that its sums are free for the next step.
bool Plan::early_deliveries(const std::vector<Entry>& schedule) const {
  const auto waits = [](const Entry& entry) {
    const auto& inputs = entry.node->inputs;
    return !entry.node->follows_delivery() &&
           std::any_of(inputs.begin(), inputs.end(), [](const Input& i) { return i.delivered(); });
  };
  return !tables_.tables().empty() && tables_.cuts().threads() > 1 &&
         std::none_of(schedule.begin(), schedule.end(), waits);
}

/// Steps that threads may run without waiting for each other: spikes are taken up later, and
/// nothing else passes from one to another.
std::int32_t Plan::longest_window(const std::vector<Entry>& schedule) const {
  constexpr std::int32_t kMost = 16;
  const bool alone = phases_.size() != 1 || !phases_[0].before.empty() || !after_.empty();
  const auto waits = [](const Entry& entry) {
    const RuntimeNode& node = *entry.node;
    if (node.idle(entry.action)) return false;
    const bool finishes = node.parts(entry.action) == 1 || node.can_finish_late();
    return entry.action != Action::tick || !node.can_run_ahead() || !finishes;
  };
  if (!early_ || alone || std::any_of(schedule.begin(), schedule.end(), waits)) return 1;
  return std::min(kMost, tables_.window());
}

std::vector<Plan::Jobs> Plan::levels(const std::vector<Entry>& schedule) {
  std::vector<Jobs> levels{deliveries()};
  Done done;
  const auto add = [&](const Entry& entry) {
    const std::size_t level = first_level(done, entry);
    if (entry.node->idle(entry.action)) {
      done[{entry.node, entry.action}] = level;
      return;
    }
    const bool two = entry.node->parts(entry.action) > 1 && has_prologue(entry);
    if (levels.size() < level + 2) levels.resize(level + 2);
    add_jobs(levels, level, entry);
    done[{entry.node, entry.action}] = level + (two ? 2 : 1);
  };
  for (const Entry& entry : schedule) {
    add(entry);
    const bool shared = entry.action == Action::absorb && entry.node->parts(entry.action) > 1;
    if (shared && entry.node->has_epochs()) add({Action::epoch, entry.node});
  }
  return levels;
}

/// Each thread has its own range of the sums.
Plan::Jobs Plan::deliveries() const {
  Jobs jobs;
  if (tables_.tables().empty()) return jobs;
  const std::size_t parts = tables_.cuts().threads();
  for (std::size_t part = 0; part < parts; ++part) {
    const Task task{nullptr,      nullptr,        0, static_cast<std::uint16_t>(part),
                    Action::emit, Share::delivery};
    jobs.push_back(
        {task, tables_.cost() / static_cast<double>(parts), nullptr, static_cast<int>(part)});
  }
  return jobs;
}

void Plan::add_jobs(std::vector<Jobs>& levels, std::size_t level, const Entry& entry) {
  RuntimeNode& node = *entry.node;
  const int parts = node.parts(entry.action);
  const Input* target = entry.action == Action::emit ? node.emit_target() : nullptr;
  Job job{{&node, nullptr, 0, 0, entry.action, Share::whole},
          node.cost(entry.action) / parts,
          target,
          node.caller_only() ? 0 : node.thread_of(entry.action, 0)};
  if (parts == 1) {
    levels[level].push_back(job);
    return;
  }
  if (has_prologue(entry)) {
    Job prologue = job;
    prologue.task.share = Share::prologue;
    prologue.cost = 0;  // small, and of unknown size
    levels[level++].push_back(prologue);
  }
  Countdown& countdown = countdowns_.emplace_back();
  countdown.open = countdown.parts = parts;
  countdown.late = entry.action == Action::tick && node.can_finish_late();
  if (countdown.late) {
    node.finish_late();
    late_.push_back(&node);
  }
  job.task.countdown = &countdown;
  job.task.share = Share::part;
  for (int part = 0; part < parts; ++part) {
    job.task.part = static_cast<std::uint16_t>(part);
    job.thread = node.thread_of(entry.action, part);
    levels[level].push_back(job);
  }
}

void Plan::add_phase(Jobs&& jobs) {
  if (jobs.empty()) return;
  double alone = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].task.order = static_cast<std::uint32_t>(i);
    alone += jobs[i].cost;
  }
  for (Job& job : jobs) job.moves = movable(job, alone / static_cast<double>(wanted_));
  const std::vector<Jobs> shares = assign(jobs);
  double longest = alone / static_cast<double>(shares.size());  // the best, if all jobs may move
  for (const Jobs& share : shares) longest = std::max(longest, bound(share));
  if (shares.size() > 1 && worth_sharing(alone - longest)) {
    saved_ += alone - longest;
    threads_ = std::max(threads_, static_cast<int>(shares.size()));
    Phase& phase = phases_.emplace_back();
    phase.before.swap(after_);
    for (const Jobs& share : shares) {
      const List& list = phase.lists.emplace_back(list_of(share));
      phase.moves |= list.bound < list.tasks.size();
    }
    return;
  }
  for (const Job& job : jobs) after_.push_back(job.task);
}

/// Where threads meet slowly, or do not come at once, little is not worth it: that is measured
/// where it decides.
bool Plan::worth_sharing(double saved) const {
  const Grain least = grain();
  if (saved >= least.nanoseconds) return true;
  return saved >= least.doubtful && saved >= least.meetings * meeting_.nanoseconds();
}

/// True if the job may run on any thread, at any time within the level once the thread that it was
/// given to is done with what may not. What follows a delivery has to come over from there: that is
/// not worth it for little, nor for so large a part of a thread's share that few threads are ever
/// so late.
bool Plan::movable(const Job& job, double share) {
  const RuntimeNode* node = job.task.node;
  if (job.target != nullptr || node == nullptr || node->caller_only()) return false;
  if (job.task.action == Action::emit && emits_as_delivered(*node)) return false;
  if (!node->follows_delivery()) return true;
  const Grain least = grain();
  return job.cost >= least.moved && job.cost <= least.late * share;
}

Plan::List Plan::list_of(Jobs jobs) {
  const auto rest =
      std::stable_partition(jobs.begin(), jobs.end(), [](const Job& job) { return !job.moves; });
  // From the back, small ones are taken over first: they make up for small differences.
  std::stable_sort(rest, jobs.end(), [](const Job& a, const Job& b) { return a.cost > b.cost; });
  List list;
  const bool many = jobs.size() >= TaskRange::kMost;
  list.bound = static_cast<std::uint32_t>((many ? jobs.end() : rest) - jobs.begin());
  for (const Job& job : jobs) list.tasks.push_back(job.task);
  return list;
}

/// Parts of a divided action go to threads in their order, so that the same elements stay in the
/// same caches; the rest goes to whoever has least to do, the largest first.
std::vector<Plan::Jobs> Plan::assign(const Jobs& jobs) const {
  std::vector<Jobs> shares(static_cast<std::size_t>(wanted_));
  std::vector<double> load(shares.size());
  const auto give = [&](std::size_t thread, const Job& job) {
    shares[thread].push_back(job);
    load[thread] += job.cost;
  };
  const auto in_order = [&](const Job& job) {
    return job.task.share == Share::part && job.task.countdown->parts >= wanted_ &&
           job.target == nullptr;
  };
  const auto fixed = [&](const Job& job) { return job.thread >= 0 || in_order(job); };
  for (const Job& job : jobs) {
    if (!fixed(job)) continue;
    const int thread =
        job.thread >= 0 ? job.thread : job.task.part * wanted_ / job.task.countdown->parts;
    give(static_cast<std::size_t>(thread), job);
  }
  std::vector<Jobs> bundles;
  std::map<std::pair<const Input*, int>, std::size_t> of_target;
  const std::map<const Input*, int> parts = parts_by_target(jobs);
  for (const Job& job : jobs) {
    if (fixed(job)) continue;
    std::size_t place = bundles.size();
    if (job.target != nullptr) {
      const int part = parts.at(job.target) < 0 ? 0 : job.task.part;
      place = of_target.emplace(std::pair{job.target, part}, place).first->second;
    }
    if (place == bundles.size()) bundles.emplace_back();
    bundles[place].push_back(job);
  }
  std::stable_sort(bundles.begin(), bundles.end(),
                   [](const Jobs& a, const Jobs& b) { return total(a) > total(b); });
  for (const Jobs& bundle : bundles) {
    const auto least = std::min_element(load.begin(), load.end()) - load.begin();
    for (const Job& job : bundle) give(static_cast<std::size_t>(least), job);
  }
  while (shares.size() > 1 && shares.back().empty()) shares.pop_back();
  for (Jobs& share : shares) {
    std::sort(share.begin(), share.end(),
              [](const Job& a, const Job& b) { return a.task.order < b.task.order; });
  }
  return shares;
}

/// How many parts the emitters into each target have; -1 where they differ.
std::map<const Input*, int> Plan::parts_by_target(const Jobs& jobs) {
  std::map<const Input*, int> found;
  for (const Job& job : jobs) {
    if (job.target == nullptr) continue;
    const int parts = job.task.countdown == nullptr ? 1 : job.task.countdown->parts;
    const auto [at, made] = found.emplace(job.target, parts);
    if (!made && at->second != parts) at->second = -1;
  }
  return found;
}

double Plan::total(const Jobs& jobs) {
  double sum = 0;
  for (const Job& job : jobs) sum += job.cost;
  return sum;
}

/// Of the jobs that only their thread may run, and of the largest single one.
double Plan::bound(const Jobs& jobs) {
  double sum = 0;
  double largest = 0;
  for (const Job& job : jobs) {
    if (!job.moves) sum += job.cost;
    largest = std::max(largest, job.cost);
  }
  return std::max(sum, largest);
}

void Plan::skip(std::int64_t steps) {
  for (RuntimeNode* node : idle_) node->skip(steps);
}

}  // namespace procgraph
