#pragma once

#include <cstddef>
#include <cstdint>

namespace procgraph {

/// A spike on its way along its row of a delivery table.
struct SegmentCursor {
  const std::uint32_t* at;  ///< header of the segment that is due next
  std::uint32_t count;      ///< synapses of that segment
  std::int32_t payload;
};

/// Blocks of a row of bits that `add_masks` fetches ahead: the first are the caller's to fetch.
constexpr std::size_t kMaskBlocksAhead = 4;

/// Which draws to make: the key and the counters beside the first.
struct DrawStream {
  std::uint32_t key_low;
  std::uint32_t key_high;
  std::uint64_t step;
  std::uint32_t c3;
};

/// Thresholds to hold draws against. The upper half of a draw, 16 bits, says how many of the first
/// `usual` are less than the draw, except where it lies where the next one does.
struct CountTable {
  static constexpr std::size_t kNext = 32;   ///< entries of `open` that fit into a register
  const std::int32_t* thresholds = nullptr;  ///< they ascend
  std::size_t count = 0;                     ///< of them
  std::size_t usual = 0;                     ///< of those that not only rare draws exceed
  /// From here on upper halves exceed the threshold, whatever their lower half; of usual ones.
  const std::uint16_t* sure = nullptr;
  /// By the number exceeded: from here on upper halves may exceed one more; usual ones and one.
  const std::uint16_t* open = nullptr;
};

/// Segments of so many synapses at most are short: behind the begin of each, that many can be read.
constexpr std::size_t kShortSegment = 32;

/// The hand-written inner loops, compiled once per instruction set. Sums wrap modulo 2^32.
struct HotLoops {
  /// acc[i] += sum over r of payloads[r] * rows[r][i].
  void (*add_rows)(std::uint32_t* acc, const std::int32_t* const* rows,
                   const std::int32_t* payloads, std::size_t count, std::size_t n);
  /// acc[i] += values[i].
  void (*add)(std::uint32_t* acc, const std::int32_t* values, std::size_t n);
  /// acc[i] += value.
  void (*add_scalar)(std::uint32_t* acc, std::uint32_t value, std::size_t n);
  /// acc[targets[m]] += payload * weights[m].
  void (*add_segment)(std::uint32_t* acc, const std::int32_t* targets, const std::int32_t* weights,
                      std::size_t count, std::uint32_t payload);
  /// acc[targets[m]] += value.
  void (*add_targets)(std::uint32_t* acc, const std::int32_t* targets, std::size_t count,
                      std::uint32_t value);
  /// Lists the non-zero payloads with index first + i, clamped to +-limit; returns their number.
  /// `index` and `values` have room for n + 16 entries.
  std::size_t (*compact)(const std::int32_t* payloads, std::size_t n, std::int32_t first,
                         std::int32_t limit, std::int32_t* index, std::int32_t* values);
  /// out[i] = rint(clip(x[i], -bound, bound) * factor), NaN -> 0; true if any is not zero.
  bool (*to_fixed)(const float* x, std::size_t n, float bound, float factor, std::int32_t* out);
  /// The draws of n elements from 8 * block on, in [0, 2^31).
  void (*draw_values)(const DrawStream& stream, std::uint32_t block, std::size_t n,
                      std::int32_t* out);
  /// How many thresholds are less than each of these draws; returns how many counts are not zero.
  std::size_t (*draw_counts)(const DrawStream& stream, std::uint32_t block, std::size_t n,
                             const CountTable& table, std::int32_t* out);
  /// sums[i] = base[i] + weight * count i of these, and base[i] = 0; returns how many counts are
  /// not zero. A null base counts as zeros, and `sums` itself is added to.
  std::size_t (*draw_products)(const DrawStream& stream, std::uint32_t block, std::size_t n,
                               const CountTable& table, std::uint32_t weight, std::uint32_t* sums,
                               std::uint32_t* base);
  /// Clamps payloads to +-limit; returns how many are not zero.
  std::size_t (*clamp_count)(std::int32_t* payloads, std::size_t n, std::int32_t limit);
  /// sums[i] = base[i] + payloads[i] * weights[i], or weights[0] where `common`, and base[i] = 0. A
  /// null base counts as zeros, and `sums` itself is added to. The payloads may lie in `sums`.
  void (*take_products)(std::uint32_t* sums, std::uint32_t* base, const std::int32_t* payloads,
                        const std::int32_t* weights, bool common, std::size_t n);
  /// All words of the counters (c0 + i, c1, 0, c3), i < count, 4 per counter; c0 does not wrap.
  /// `out` has room for a multiple of 32 words.
  void (*philox_words)(std::uint32_t key_low, std::uint32_t key_high, std::uint32_t c0,
                       std::uint32_t c1, std::uint32_t c3, std::size_t count, std::uint32_t* out);
  /// out[i] = word m[i] & 3 of the counter (m[i] >> 2, c1, 0, c3). `m` and `out` have room for a
  /// multiple of 8.
  void (*philox_pick)(std::uint32_t key_low, std::uint32_t key_high, const std::uint32_t* m,
                      std::size_t count, std::uint32_t c1, std::uint32_t c3, std::uint32_t* out);
  /// Values first ... first + count - 1 of a keyed permutation of [0, n); see Permutation.
  void (*permute)(const std::uint32_t* round_keys, int half, std::uint32_t n, std::uint32_t first,
                  std::size_t count, std::uint32_t* out);
  /// out[i] = rint(weights[i] * factor), ties to even, limited to +-(2^31 - 1).
  void (*quantise)(const float* weights, std::size_t n, double factor, std::int32_t* out);
  /// values[i] *= factor, and 0 where the magnitude is then below 2^-126.
  void (*decay)(float* values, std::size_t n, float factor);
  /// Eight values and what `decay` makes of them time after time: value i after r times lies at
  /// out[i * stride + r], for r < count. `stride` has room for a multiple of 8.
  void (*decay_rows)(const float* values, std::size_t count, float factor, float* out,
                     std::size_t stride);

  /// Lists the numbers i < n with bytes[i] <= limits[i]; returns how many.
  std::size_t (*select_at_most)(const unsigned char* bytes, const unsigned char* limits,
                                std::size_t n, std::uint32_t* out);
  /// Entries k << 16, or (list[k] & 0xFFFF0000) where there is a list, plus times[k] - origin, of
  /// those with times[k] >= least; returns their number. `out` has room for n + 16.
  std::size_t (*select_times)(const std::uint16_t* times, const std::uint32_t* list, std::size_t n,
                              std::uint32_t least, std::uint32_t origin, std::uint32_t* out);

  void (*prefetch)(const void* address);
  /// Fetches memory that is about to be read and written.
  void (*prefetch_range)(const void* address, std::size_t bytes);
  // Delivery of segments to sums; see sparse/layout.hpp. Each cursor moves behind its segment.
  void (*deliver_packed)(std::uint32_t* acc, SegmentCursor* cursors, std::size_t count,
                         std::uint32_t target_mask, std::uint32_t weight_shift);
  void (*deliver_book)(std::uint32_t* acc, SegmentCursor* cursors, std::size_t count,
                       std::uint32_t target_mask, std::uint32_t target_bits,
                       const std::int32_t* book);
  void (*deliver_index16)(std::uint32_t* acc, SegmentCursor* cursors, std::size_t count);
  void (*deliver_index32)(std::uint32_t* acc, SegmentCursor* cursors, std::size_t count);
  void (*deliver_wide)(std::uint32_t* acc, SegmentCursor* cursors, std::size_t count);

  /// Sums of the steps to come, of which those of this step begin at `first`, in a ring of `total`:
  /// sums[(first + places[m]) % total] += value, or += payload * weights[m].
  void (*scatter)(std::uint32_t* sums, std::uint32_t first, std::uint32_t total,
                  const std::uint32_t* places, std::size_t count, std::uint32_t value);
  void (*scatter_weights)(std::uint32_t* sums, std::uint32_t first, std::uint32_t total,
                          const std::uint32_t* places, const std::uint32_t* weights,
                          std::size_t count, std::uint32_t payload);
  /// to[i] += from[i], which becomes 0.
  void (*take_sums)(std::uint32_t* to, std::uint32_t* from, std::size_t n);

  /// sums[i] += value * (number of the rows whose bit i is set), for i < 16 * lines. Rows are whole
  /// blocks of 512 bits, 64-byte aligned; at most 248. Behind the last stand rows of zeros, up to a
  /// multiple of 8.
  void (*add_masks)(std::uint32_t* sums, const std::uint64_t* const* rows, std::size_t count,
                    std::size_t lines, std::uint32_t value);
  double mask_block_ns;  ///< what `add_masks` takes for a block beside the rows
};

}  // namespace procgraph
