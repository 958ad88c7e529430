// The bare loop of a network: the same numbers of neurons, synapses, delays and spikes, with nothing around them.
// Neurons are updated and random rows of synapses delivered in one loop over steps; nothing is scheduled, recorded or checked.
// Usage: limit neurons=77169 model=exp poisson=1.6 row=3873 delays=40 bytes=4 spikes=24 [plastic=0] [threads=1] [steps=500] [runs=7]
// Prints JSON: nanoseconds a step of the whole, of update and delivery alone, and the bandwidth of a copy.
#include <sys/mman.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

/// Seconds: of the processor for one thread, since the machine may be shared; on the wall for several.
double now(std::size_t threads) {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Memory in huge pages, kept until the program ends.
template <class T>
T* pages(std::size_t count) {
  const std::size_t bytes = (std::max<std::size_t>(count, 1) * sizeof(T) + 64 + (1u << 21)) & ~((std::size_t{1} << 21) - 1);
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(p, bytes, MADV_HUGEPAGE);
  return static_cast<T*>(p);
}

struct Draw {
  std::uint64_t state = 1;
  std::uint64_t below(std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((state >> 32) * n) >> 32;
  }
};

struct Shape {
  std::size_t neurons = 77169, row = 0, delays = 1, bytes = 4, rows = 0, plastic = 0;
  double spikes = 0, poisson = 0;
  std::string model = "exp";
};

constexpr std::size_t kLanes = 16, kMostRows = 20000;
using Lanes [[gnu::vector_size(64)]] = std::uint32_t;
using Signed [[gnu::vector_size(64)]] = std::int32_t;
using Floats [[gnu::vector_size(64)]] = float;

/// Sixteen neurons; the constants of a model say which of these it has beside v.
struct Group {
  Floats v, i, u, bias;
  Signed refractory, in, in2, add;
};

Floats real(Signed x) {
  return __builtin_convertvector(x, Floats);
}

/// One bit for each lane that is not 0.
std::uint32_t set_lanes(Signed x) {
#ifdef __AVX512F__
  return _mm512_test_epi32_mask(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(x));
#else
  std::uint32_t bits = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) bits |= x[lane] != 0 ? 1u << lane : 0u;
  return bits;
#endif
}

/// Refractoriness, threshold and reset; -1 for a spike.
Signed settle(Group& g, Floats next, float threshold, float reset, std::int32_t steps) {
  next = g.refractory > 0 ? reset - Floats{} : next;
  const Signed spike = next >= threshold;
  g.v = spike ? reset - Floats{} : next;
  g.refractory = spike ? steps - Signed{} : g.refractory + (g.refractory > 0);
  return spike;
}

struct Delta {
  static constexpr bool kReads = true, kReadsTwo = false, kWaits = true, kHasI = false, kHasU = false, kBias = false;
  static Signed step(Group& g) { return settle(g, g.v * 0.995f + real(g.in + g.add) * 0.1f, 20.0f, 0.0f, 20); }
};
struct Bias {
  static constexpr bool kReads = false, kReadsTwo = false, kWaits = true, kHasI = false, kHasU = false, kBias = true;
  static Signed step(Group& g) {
    return settle(g, g.bias - 65.0f + (g.v + 65.0f - g.bias) * 0.995f, -50.0f, -60.0f, 20);
  }
};
struct Exp {
  static constexpr bool kReads = true, kReadsTwo = false, kWaits = true, kHasI = true, kHasU = false, kBias = false;
  static Signed step(Group& g) {
    const Floats next = (g.v + 65.0f) * 0.99f - 65.0f + g.i * 0.3629f;
    g.i = g.i * 0.8187f + real(g.in) * 6.1e-5f + real(g.add) * 0.0878f;
    return settle(g, next, -50.0f, -65.0f, 20);
  }
};
struct Dual {
  static constexpr bool kReads = true, kReadsTwo = true, kWaits = true, kHasI = true, kHasU = true, kBias = false;
  static Signed step(Group& g) {
    const Floats next = (g.v + 49.0f) * 0.995f - 49.0f + (g.i + g.u) * 0.0049f;
    g.i = g.i * 0.98f + real(g.in) * 1.62f;
    g.u = g.u * 0.99f - real(g.in2) * 9.0f;
    return settle(g, next, -50.0f, -60.0f, 50);
  }
};
struct Izhikevich {
  static constexpr bool kReads = false, kReadsTwo = false, kWaits = false, kHasI = false, kHasU = true, kBias = true;
  static Signed step(Group& g) {
    const Floats drive = g.bias + 140.0f - g.u;
    Floats next = g.v + ((g.v * 0.04f + 5.0f) * g.v + drive) * 0.05f;
    next += ((next * 0.04f + 5.0f) * next + drive) * 0.05f;
    g.u += (next * 0.2f - g.u) * 0.002f;
    const Signed spike = next >= 30.0f;
    g.v = spike ? Floats{} - 65.0f : next;
    g.u = spike ? g.u + 8.0f : g.u;
    return spike;
  }
};

/// State of neurons, updated by sixteen.
class Neurons {
 public:
  explicit Neurons(const Shape& shape) : model_(shape.model), n_((shape.neurons + kLanes - 1) / kLanes * kLanes) {
    for (float** column : {&v_, &i_, &u_, &bias_}) *column = pages<float>(n_);
    refractory_ = pages<std::int32_t>(n_);
    Draw draw;
    for (std::size_t k = 0; k < n_; ++k) {
      const auto part = static_cast<float>(draw.below(1000)) * 1e-3f;
      v_[k] = model_ == "izhikevich" ? -65.0f : -60.0f + 10 * part;
      u_[k] = model_ == "izhikevich" ? -13.0f : 0.0f;
      bias_[k] = model_ == "izhikevich" ? 10 * part : 10 + 10 * part;
    }
    for (Lanes& lane : random_) {
      for (std::size_t k = 0; k < kLanes; ++k) lane[k] = static_cast<std::uint32_t>(draw.below(UINT32_MAX)) | 1;
    }
    double term = std::exp(-shape.poisson), sum = term;
    while (shape.poisson > 0 && 1 - sum > 1e-9) {
      thresholds_.push_back(static_cast<std::uint32_t>(std::min(sum * 4294967296.0, 4294967295.0)));
      term *= shape.poisson / static_cast<double>(thresholds_.size());
      sum += term;
    }
  }

  void step(std::int32_t* in, std::int32_t* in2, std::vector<std::uint32_t>& fired) {
    fired.clear();
    if (model_ == "delta") run<Delta>(in, in2, fired);
    else if (model_ == "bias") run<Bias>(in, in2, fired);
    else if (model_ == "exp") run<Exp>(in, in2, fired);
    else if (model_ == "dual") run<Dual>(in, in2, fired);
    else run<Izhikevich>(in, in2, fired);
  }

 private:
  template <class Model>
  void run(std::int32_t* in, std::int32_t* in2, std::vector<std::uint32_t>& fired) {
    for (std::size_t k = 0; k < n_; k += kLanes) {
      Group g{};
      g.v = load<Floats>(v_ + k);
      if (Model::kHasI) g.i = load<Floats>(i_ + k);
      if (Model::kHasU) g.u = load<Floats>(u_ + k);
      if (Model::kBias) g.bias = load<Floats>(bias_ + k);
      if (Model::kWaits) g.refractory = load<Signed>(refractory_ + k);
      if (Model::kReads) g.in = load<Signed>(in + k);
      if (Model::kReadsTwo) g.in2 = load<Signed>(in2 + k);
      if (!thresholds_.empty()) g.add = poisson();
      const Signed spike = Model::step(g);
      store(v_ + k, g.v);
      if (Model::kHasI) store(i_ + k, g.i);
      if (Model::kHasU) store(u_ + k, g.u);
      if (Model::kWaits) store(refractory_ + k, g.refractory);
      if (Model::kReads) store(in + k, Signed{});
      if (Model::kReadsTwo) store(in2 + k, Signed{});
      for (std::uint32_t left = set_lanes(spike); left != 0; left &= left - 1) {
        fired.push_back(static_cast<std::uint32_t>(k) + static_cast<std::uint32_t>(__builtin_ctz(left)));
      }
    }
  }

  template <class Vector>
  static Vector load(const void* from) {
    Vector out;
    std::memcpy(&out, from, sizeof out);
    return out;
  }
  template <class Vector>
  static void store(void* to, const Vector& from) {
    std::memcpy(to, &from, sizeof from);
  }

  /// xoshiro128+ in 16 lanes, and the inverse of the distribution function.
  Signed poisson() {
    Lanes &a = random_[0], &b = random_[1], &c = random_[2], &d = random_[3];
    const Lanes draw = a + d, shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >> 21);
    Signed sum = {};
    for (const std::uint32_t threshold : thresholds_) sum -= draw >= threshold;
    return sum;
  }

  std::string model_;
  std::size_t n_;
  float *v_, *i_, *u_, *bias_;
  std::int32_t* refractory_;
  Lanes random_[4];
  std::vector<std::uint32_t> thresholds_;
};

/// Rows of synapses, sorted by delay: at each step the segment of every delay is added to the targets.
class Synapses {
 public:
  explicit Synapses(const Shape& shape) : shape_(shape), segment_(shape.row / std::max<std::size_t>(shape.delays, 1)) {
    rows_ = std::min(kMostRows, shape.rows);
    const std::size_t total = rows_ * shape.delays * segment_;
    Draw draw;
    if (shape.bytes == 2) {
      narrow_ = pages<std::uint16_t>(total);
      for (std::size_t m = 0; m < total; ++m) narrow_[m] = static_cast<std::uint16_t>(draw.below(shape.neurons));
    } else {
      wide_ = pages<std::uint32_t>(total);
      for (std::size_t m = 0; m < total; ++m) wide_[m] = static_cast<std::uint32_t>(draw.below(shape.neurons) | draw.below(2000) << 17);
    }
    past_.resize(shape.delays);
    if (shape.plastic != 0) make_plastic(draw);
  }

  void step(std::int32_t* in, std::int32_t* in2) {
    if (shape_.spikes <= 0) return;
    auto& latest = past_[slot_];
    latest.clear();
    for (owed_ += shape_.spikes; owed_ >= 1; owed_ -= 1) latest.push_back(static_cast<std::uint32_t>(draw_.below(rows_)));
    if (shape_.plastic != 0) learn(latest, in);
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

  /// The first `plastic` neurons are joined by `plastic`/10 synapses each, whose weights follow pair STDP.
  void make_plastic(Draw& draw) {
    const std::size_t n = shape_.plastic, degree = n / 10;
    targets_ = pages<std::uint16_t>(n * degree);
    sources_ = pages<std::uint16_t>(n * degree);
    places_ = pages<std::uint32_t>(n * degree);
    weights_ = pages<float>(n * degree);
    for (float** trace : {&x_, &y_}) *trace = pages<float>(n);
    std::vector<std::size_t> filled(n);
    for (std::size_t m = 0; m < n * degree; ++m) {
      weights_[m] = 0.1f;
      std::size_t t = draw.below(n);
      while (filled[t] == degree) t = (t + 1) % n;
      targets_[m] = static_cast<std::uint16_t>(t);
      const std::size_t at = t * degree + filled[t]++;
      sources_[at] = static_cast<std::uint16_t>(m / degree);
      places_[at] = static_cast<std::uint32_t>(m);
    }
  }

  /// Each spike visits its row (delivery and depression), and its column (potentiation).
  void learn(const std::vector<std::uint32_t>& fired, std::int32_t* in) {
    const std::size_t n = shape_.plastic, degree = n / 10;
    for (std::size_t k = 0; k < n; ++k) {
      x_[k] *= 0.995f;
      y_[k] *= 0.995f;
    }
    for (const std::uint32_t cell : fired) {
      if (cell >= n) continue;
      const std::size_t begin = cell * degree;
      for (std::size_t m = begin; m < begin + degree; ++m) {
        const std::size_t t = targets_[m];
        const float w = std::max(weights_[m] - 3.15e-4f * y_[t], 0.0f);
        weights_[m] = w;
        in[t] += static_cast<std::int32_t>(w * 65536.0f);
      }
      for (std::size_t m = begin; m < begin + degree; ++m) {
        __builtin_prefetch(weights_ + places_[std::min(m + 24, begin + degree - 1)], 1);
        float& w = weights_[places_[m]];
        w = std::min(w + 3e-4f * x_[sources_[m]], 0.3f);
      }
      x_[cell] += 1;
      y_[cell] += 1;
    }
  }

  Shape shape_;
  std::size_t segment_, rows_ = 0, slot_ = 0;
  double owed_ = 0;
  Draw draw_{7};
  std::vector<std::vector<std::uint32_t>> past_;
  std::uint16_t* narrow_ = nullptr;
  std::uint32_t* wide_ = nullptr;
  std::uint16_t *targets_ = nullptr, *sources_ = nullptr;
  std::uint32_t* places_ = nullptr;
  float *weights_ = nullptr, *x_ = nullptr, *y_ = nullptr;
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
      : neurons(shape), synapses(shape), in(pages<std::int32_t>(shape.neurons + kLanes)), in2(in) {
    if (shape.model == "dual") in2 = pages<std::int32_t>(shape.neurons + kLanes);
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
  const auto whole = [&](const char* key, double otherwise) { return static_cast<std::size_t>(number(key, otherwise)); };
  const std::size_t threads = whole("threads", 1);
  Shape shape;
  shape.rows = whole("neurons", 1000);
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
  std::printf("{\"step_ns\": %.1f, \"update_ns\": %.1f, \"delivery_ns\": %.1f, \"copy_gb_s\": %.1f}\n", all, update, delivery, copy_bandwidth());
}
