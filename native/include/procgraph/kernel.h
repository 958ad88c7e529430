/* The element-wise kernel ABI (C99).
 *
 * A kernel advances a run of elements of one node by one tick. Kernels are pure loops: they read
 * columns, inputs and draws, update states in place and write every output. They must not keep
 * pointers, allocate, or depend on how elements are divided into runs.
 *
 * Arithmetic rules: IEEE binary32, no contraction, no fast-math (see time-and-numbers.md).
 */
#ifndef PROCGRAPH_KERNEL_H
#define PROCGRAPH_KERNEL_H

#include <stdint.h>

/* The largest number of elements in one call. */
#define PG_KERNEL_CHUNK 1408

/* Puts the table of a kernel library among its exported symbols. */
#if defined(_WIN32)
#define PG_KERNEL_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define PG_KERNEL_EXPORT __attribute__((visibility("default")))
#else
#define PG_KERNEL_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pg_kernel_args {
  int64_t n;                  /* elements in this call, 1 ... PG_KERNEL_CHUNK */
  int64_t common;             /* not 0: the n values of each column are equal */
  const void* const* columns; /* per column: n values (float or int32_t) */
  void* const* states;        /* per state: n values (float or int32_t), updated in place */
  const void* const*
      inputs; /* per input: events and currents -> int32_t sums; array -> its dtype */
  const float* input_scales; /* per input: 2^-scale of a current, 1 for others */
  void* const* outputs; /* per component of each output, in order (output 0 component 0, output 0
                           component 1, output 1 ...): events -> int32_t payloads; current ->
                           float; array -> its dtype */
  const int32_t* const* draws; /* per draw: n values in [0, 2^31) */
} pg_kernel_args;

typedef void (*pg_kernel_fn)(const pg_kernel_args* args);

/* `hash` identifies the exact arithmetic; a Program names both and both must match. `layout` says
 * what the arguments point to, so that a Program that hands over something else is refused: the
 * dtypes of columns; states; inputs; outputs, each separated by commas, and the number of draws, as
 * in "float32,int32;float32;int32;int32;0". */
typedef struct pg_kernel_entry {
  const char* name;
  const char* hash;
  const char* layout;
  pg_kernel_fn fn;
} pg_kernel_entry;

/* A kernel library exports `const pg_kernel_entry* pg_kernel_table(void)`: a table that ends with
 * {NULL, NULL, NULL, NULL} and lives as long as the library. */
typedef const pg_kernel_entry* (*pg_kernel_table_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
