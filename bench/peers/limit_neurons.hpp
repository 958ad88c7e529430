// Neurons of the bare loop: sixteen at a time, in vector types, with the Poisson input drawn in
// registers.
#pragma once

#include <sys/mman.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace {

/// Memory in huge pages, kept until the program ends.
template <class T>
T* pages(std::size_t count) {
  const std::size_t bytes = (std::max<std::size_t>(count, 1) * sizeof(T) + 64 + (1u << 21)) &
                            ~((std::size_t{1} << 21) - 1);
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
  std::size_t neurons = 77169, row = 0, delays = 1, bytes = 4, rows = 0, plastic = 0, threads = 1;
  double spikes = 0, poisson = 0;
  std::string model = "exp";
};

constexpr std::size_t kLanes = 16, kMostRows = 20000, kMostColumns = 512;
using Lanes [[gnu::vector_size(64)]] = std::uint32_t;
using Signed [[gnu::vector_size(64)]] = std::int32_t;
using Floats [[gnu::vector_size(64)]] = float;

/// Sixteen neurons; the constants of a model say which of these it has beside v.
struct Group {
  Floats v, i, u, bias;
  Signed refractory, in, in2, add;
};

/// Sixteen numbers of a table.
template <class Vector, class T>
Vector gather(const T* table, Signed places) {
#ifdef __AVX512F__
  const __m512i found = _mm512_mask_i32gather_epi32(
      _mm512_setzero_si512(), 0xFFFF, reinterpret_cast<__m512i>(places), table, sizeof(T));
  return reinterpret_cast<Vector>(found);
#else
  Vector out;
  for (std::size_t k = 0; k < kLanes; ++k) out[k] = table[places[k]];
  return out;
#endif
}

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
  static constexpr bool kReads = true, kReadsTwo = false, kWaits = true, kHasI = false,
                        kHasU = false, kBias = false;
  static Signed step(Group& g) {
    return settle(g, g.v * 0.995f + real(g.in + g.add) * 0.1f, 20.0f, 0.0f, 20);
  }
};
struct Bias {
  static constexpr bool kReads = false, kReadsTwo = false, kWaits = true, kHasI = false,
                        kHasU = false, kBias = true;
  static Signed step(Group& g) {
    return settle(g, g.bias - 65.0f + (g.v + 65.0f - g.bias) * 0.995f, -50.0f, -60.0f, 20);
  }
};
struct Exp {
  static constexpr bool kReads = true, kReadsTwo = false, kWaits = true, kHasI = true,
                        kHasU = false, kBias = false;
  static Signed step(Group& g) {
    const Floats next = (g.v + 65.0f) * 0.99f - 65.0f + g.i * 0.3629f;
    g.i = g.i * 0.8187f + real(g.in) * 6.1e-5f + real(g.add) * 0.0878f;
    return settle(g, next, -50.0f, -65.0f, 20);
  }
};
struct Dual {
  static constexpr bool kReads = true, kReadsTwo = true, kWaits = true, kHasI = true, kHasU = true,
                        kBias = false;
  static Signed step(Group& g) {
    const Floats next = (g.v + 49.0f) * 0.995f - 49.0f + (g.i + g.u) * 0.0049f;
    g.i = g.i * 0.98f + real(g.in) * 1.62f;
    g.u = g.u * 0.99f - real(g.in2) * 9.0f;
    return settle(g, next, -50.0f, -60.0f, 50);
  }
};
struct Izhikevich {
  static constexpr bool kReads = false, kReadsTwo = false, kWaits = false, kHasI = false,
                        kHasU = true, kBias = true;
  static Signed step(Group& g) {
    const Floats push = (g.bias + 140.0f - g.u) * 0.05f;
    Floats next = (g.v * 0.002f + 1.25f) * g.v + push;
    next = (next * 0.002f + 1.25f) * next + push;
    g.u = g.u * 0.998f + next * 0.0004f;
    const Signed spike = next >= 30.0f;
    g.v = spike ? Floats{} - 65.0f : next;
    g.u = spike ? g.u + 8.0f : g.u;
    return spike;
  }
};

/// State of neurons, updated by sixteen.
class Neurons {
 public:
  explicit Neurons(const Shape& shape)
      : model_(shape.model), n_((shape.neurons + kLanes - 1) / kLanes * kLanes) {
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
      for (std::size_t k = 0; k < kLanes; ++k)
        lane[k] = static_cast<std::uint32_t>(draw.below(UINT32_MAX)) | 1;
    }
    // Counts rarer than one in a million are left out, as if they were found apart.
    double term = std::exp(-shape.poisson), sum = term;
    while (shape.poisson > 0 && 1 - sum > 1e-6) {
      thresholds_.push_back(static_cast<std::uint32_t>(std::min(sum * 4294967296.0, 4294967295.0)));
      term *= shape.poisson / static_cast<double>(thresholds_.size());
      sum += term;
    }
  }

  void step(std::int32_t* in, std::int32_t* in2, std::vector<std::uint32_t>& fired) {
    fired.clear();
    if (model_ == "delta")
      run<Delta>(in, in2, fired);
    else if (model_ == "bias")
      run<Bias>(in, in2, fired);
    else if (model_ == "exp")
      run<Exp>(in, in2, fired);
    else if (model_ == "dual")
      run<Dual>(in, in2, fired);
    else
      run<Izhikevich>(in, in2, fired);
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
        fired.push_back(static_cast<std::uint32_t>(k) +
                        static_cast<std::uint32_t>(__builtin_ctz(left)));
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

}  // namespace
