#pragma once

#include <cstdint>

/// Memory that runs out, for tests: replaces `operator new` of the program.
namespace little_memory {

/// After so many more allocations all of them fail.
void give(std::int64_t allocations);
/// All succeed again; true if one has failed.
bool give_all();

}  // namespace little_memory
