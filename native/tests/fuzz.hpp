#pragma once

#include <cstddef>
#include <cstdint>

/// Loads arbitrary bytes and runs a few steps of what they hold. Anything but a typed error or a
/// Program that runs is a bug.
void fuzz_one(const std::uint8_t* data, std::size_t size);
