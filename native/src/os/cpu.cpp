#include "os/cpu.hpp"

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace procgraph::os {

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)

namespace {

bool all_set(int value, int mask) {
  return (value & mask) == mask;
}

}  // namespace

int x86_level() {
  int leaf1[4];
  int leaf7[4];
  __cpuid(leaf1, 0);
  if (leaf1[0] < 7) return 1;
  __cpuid(leaf1, 1);
  __cpuidex(leaf7, 7, 0);
  // FMA, MOVBE, OSXSAVE, AVX, F16C; then AVX2, BMI1, BMI2.
  const bool v3 = all_set(leaf1[2], (1 << 12) | (1 << 22) | (1 << 27) | (1 << 28) | (1 << 29)) &&
                  all_set(leaf7[1], (1 << 3) | (1 << 5) | (1 << 8));
  if (!v3 || (_xgetbv(0) & 0x6) != 0x6) return 1;
  // AVX-512 F, DQ, CD, BW, VL and the system saving their registers.
  const bool v4 =
      all_set(leaf7[1], (1 << 16) | (1 << 17) | (1 << 28) | (1 << 30) | static_cast<int>(1u << 31));
  return v4 && (_xgetbv(0) & 0xE6) == 0xE6 ? 4 : 3;
}

#elif defined(__x86_64__)

int x86_level() {
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (!v3) return 1;
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 ? 4 : 3;
}

#else

int x86_level() {
  return 1;
}

#endif

}  // namespace procgraph::os
