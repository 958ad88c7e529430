#include "kernels/isa.hpp"

#include <cstdlib>
#include <span>
#include <string_view>

#include "format/text.hpp"
#include "os/cpu.hpp"
#include "procgraph/error.hpp"
#include "procgraph/kernels.hpp"

extern "C" {
const pg_kernel_entry* pg_kernels_baseline(void);
#ifdef PG_X86_LEVELS
const pg_kernel_entry* pg_kernels_v3(void);
const pg_kernel_entry* pg_kernels_v4(void);
#endif
}

namespace procgraph {

extern const HotLoops kHotLoopsBaseline;
#ifdef PG_X86_LEVELS
extern const HotLoops kHotLoopsV3;
extern const HotLoops kHotLoopsV4;
#endif

namespace {

#if defined(__aarch64__) || defined(_M_ARM64)
constexpr const char* kBaselineName = "neon";
#else
constexpr const char* kBaselineName = "baseline";
#endif

/// From the least to the most capable.
const Isa kSets[] = {
    {kBaselineName, &kHotLoopsBaseline, pg_kernels_baseline},
#ifdef PG_X86_LEVELS
    {"v3", &kHotLoopsV3, pg_kernels_v3},
    {"v4", &kHotLoopsV4, pg_kernels_v4},
#endif
};

std::size_t supported_sets() {
  const auto level = static_cast<std::size_t>(os::x86_level());
  const std::size_t built = std::size(kSets);
  const std::size_t usable = level < 3 ? 1 : level - 1;
  return usable < built ? usable : built;
}

const Isa& named_set(std::string_view wanted) {
  const std::size_t usable = supported_sets();
  if (wanted == "baseline") return kSets[0];
  std::string allowed = "baseline";
  for (std::size_t i = 0; i < usable; ++i) {
    if (wanted == kSets[i].name) return kSets[i];
    if (std::string_view(kSets[i].name) != "baseline") allowed += text(", ", kSets[i].name);
  }
  throw Error(ErrorKind::device, "PROCGRAPH_ISA",
              text("is '", wanted, "', which this machine or build lacks; allowed: ", allowed));
}

}  // namespace

const Isa& select_isa() {
  const char* forced = std::getenv("PROCGRAPH_ISA");
  if (forced != nullptr && *forced != '\0') return named_set(forced);
  return kSets[supported_sets() - 1];
}

const char* best_isa() {
  return select_isa().name;
}

}  // namespace procgraph
