// The bare loop of a network: the same numbers of neurons, synapses, delays and spikes, with
// nothing around them. Neurons are updated and random rows of synapses delivered in one loop over
// steps; nothing is scheduled, recorded or checked. A synapse takes so many bytes, or a bit where
// `bytes` is 0. Usage: limit neurons=77169 model=exp
// poisson=1.6 row=3873 delays=40 bytes=4 spikes=24 [plastic=0] [threads=1] [steps=500] [runs=7]
// Prints JSON: nanoseconds a step of the whole, of update and delivery alone, and the bandwidth of
// a copy.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "limit_bits.hpp"
#include "limit_neurons.hpp"
#include "limit_plastic.hpp"

namespace {

/// Seconds: of the processor for one thread, since the machine may be shared; on the wall for
/// several.
double now(std::size_t threads) {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Rows of synapses, sorted by delay: at each step the segment of every delay is added to the
/// targets.
class Synapses {
 public:
  explicit Synapses(const Shape& shape)
      : shape_(shape), segment_(shape.row / std::max<std::size_t>(shape.delays, 1)) {
    rows_ = std::min(kMostRows, shape.rows);
    const std::size_t total = rows_ * shape.delays * segment_;
    Draw draw;
    if (shape.bytes == 0) {
      bits_.emplace(shape, rows_, draw);
    } else if (shape.bytes == 2) {
      narrow_ = pages<std::uint16_t>(total);
      for (std::size_t m = 0; m < total; ++m)
        narrow_[m] = static_cast<std::uint16_t>(draw.below(shape.neurons));
    } else {
      wide_ = pages<std::uint32_t>(total);
      for (std::size_t m = 0; m < total; ++m)
        wide_[m] = static_cast<std::uint32_t>(draw.below(shape.neurons) | draw.below(2000) << 17);
    }
    past_.resize(shape.delays);
    plastic_.emplace(shape, draw);
  }

  void step(std::int32_t* in, std::int32_t* in2) {
    if (shape_.spikes <= 0) return;
    auto& latest = past_[slot_];
    latest.clear();
    for (owed_ += shape_.spikes; owed_ >= 1; owed_ -= 1)
      latest.push_back(static_cast<std::uint32_t>(draw_.below(rows_)));
    plastic_->step(latest, in);
    if (bits_) return bits_->deliver(latest, in);
    for (std::size_t d = 0; d < shape_.delays; ++d) {
      const auto& fired = past_[(slot_ + shape_.delays - d) % shape_.delays];
      for (std::size_t s = 0; s < fired.size(); ++s) {
        const std::uint32_t ahead = fired[std::min(s + 4, fired.size() - 1)];
        deliver(fired[s], ahead, d, fired[s] % 5 == 0 ? in2 : in);
      }
    }
    slot_ = (slot_ + 1) % shape_.delays;
  }

 private:
  void deliver(std::size_t row, std::size_t ahead, std::size_t d, std::int32_t* in) const {
    const std::size_t from = (row * shape_.delays + d) * segment_;
    const std::size_t next = (ahead * shape_.delays + d) * segment_;
    if (shape_.bytes == 2) {
      for (std::size_t m = 0; m < segment_; m += 32) __builtin_prefetch(narrow_ + next + m);
      for (std::size_t m = 0; m < segment_; ++m) ++in[narrow_[from + m]];
    } else {
      for (std::size_t m = 0; m < segment_; m += 16) __builtin_prefetch(wide_ + next + m);
      for (std::size_t m = 0; m < segment_; ++m) {
        in[wide_[from + m] & 0x1FFFF] += static_cast<std::int32_t>(wide_[from + m]) >> 17;
      }
    }
  }

  Shape shape_;
  std::size_t segment_, rows_ = 0, slot_ = 0;
  double owed_ = 0;
  Draw draw_{7};
  std::vector<std::vector<std::uint32_t>> past_;
  std::uint16_t* narrow_ = nullptr;
  std::uint32_t* wide_ = nullptr;
  std::optional<Bits> bits_;
  std::optional<PlasticRows> plastic_;
};

/// Waits for all threads of a step; yields where a processor is missing.
class Barrier {
 public:
  explicit Barrier(std::size_t threads) : threads_(threads) {}
  void wait() {
    if (threads_ == 1) return;
    const std::size_t round = round_.load();
    if (arrived_.fetch_add(1) + 1 == threads_) {
      arrived_.store(0);
      round_.store(round + 1);
      return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
      if (spins > 2000) std::this_thread::yield();
    }
  }

 private:
  std::size_t threads_;
  std::atomic<std::size_t> arrived_{0}, round_{0};
};

enum Part { kWhole, kUpdate, kDelivery };

/// One thread's share: its neurons, and of each row the synapses onto them.
struct Share {
  Neurons neurons;
  Synapses synapses;
  std::int32_t *in, *in2;
  std::vector<std::uint32_t> fired;
  explicit Share(const Shape& shape)
      : neurons(shape),
        synapses(shape),
        in(pages<std::int32_t>(shape.neurons + kMostColumns)),
        in2(in) {
    if (shape.model == "dual") in2 = pages<std::int32_t>(shape.neurons + kMostColumns);
  }
  void step(Part part) {
    if (part != kDelivery) neurons.step(in, in2, fired);
    if (part != kUpdate) synapses.step(in, in2);
  }
};

double nanoseconds(std::vector<Share*>& shares, Part part, std::size_t steps, std::size_t runs) {
  double best = 1e300;
  for (std::size_t r = 0; r < runs; ++r) {
    Barrier barrier(shares.size());
    const auto work = [&](Share* share) {
      for (std::size_t k = 0; k < steps; ++k) {
        share->step(part);
        barrier.wait();
      }
    };
    const double begin = now(shares.size());
    std::vector<std::thread> others;
    for (std::size_t t = 1; t < shares.size(); ++t) others.emplace_back(work, shares[t]);
    work(shares[0]);
    for (auto& other : others) other.join();
    best = std::min(best, (now(shares.size()) - begin) * 1e9 / static_cast<double>(steps));
  }
  return best;
}

double copy_bandwidth() {
  constexpr std::size_t kBytes = 256u << 20;
  char *from = pages<char>(kBytes), *to = pages<char>(kBytes);
  std::memset(from, 1, kBytes);
  double best = 1e300;
  for (int r = 0; r < 5; ++r) {
    const double begin = now(1);
    std::memcpy(to, from, kBytes);
    best = std::min(best, now(1) - begin);
  }
  return 2e-9 * static_cast<double>(kBytes) / best;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int a = 1; a < argc; ++a) {
    const std::string text = argv[a];
    given[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
  }
  const auto number = [&](const char* key, double otherwise) {
    return given.count(key) != 0 ? std::atof(given[key].c_str()) : otherwise;
  };
  const auto whole = [&](const char* key, double otherwise) {
    return static_cast<std::size_t>(number(key, otherwise));
  };
  const std::size_t threads = whole("threads", 1);
  Shape shape;
  shape.rows = whole("neurons", 1000);
  shape.threads = threads;
  shape.neurons = shape.rows / threads;
  shape.row = whole("row", 0) / threads;
  shape.delays = whole("delays", 1);
  shape.bytes = whole("bytes", 4);
  shape.plastic = whole("plastic", 0);
  shape.spikes = number("spikes", 0);
  shape.poisson = number("poisson", 0);
  shape.model = given["model"];
  std::vector<Share*> shares;
  for (std::size_t t = 0; t < threads; ++t) shares.push_back(new Share(shape));
  const std::size_t steps = whole("steps", 500), runs = whole("runs", 7);
  nanoseconds(shares, kWhole, 100, 1);
  const double all = nanoseconds(shares, kWhole, steps, runs);
  const double update = nanoseconds(shares, kUpdate, steps, runs);
  const double delivery = shape.spikes > 0 ? nanoseconds(shares, kDelivery, steps, runs) : 0;
  std::printf(
      "{\"step_ns\": %.1f, \"update_ns\": %.1f, \"delivery_ns\": %.1f, \"copy_gb_s\": %.1f}\n", all,
      update, delivery, copy_bandwidth());
}
