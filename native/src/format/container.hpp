#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "format/field.hpp"
#include "procgraph/program.hpp"

namespace procgraph {

/// Checks magic, version, lengths and the header's checksum; returns the header's bytes.
std::span<const std::byte> container_header(std::span<const std::byte> file,
                                            const LoadLimits& limits);

/// Reads the tensor table and checks every offset, size and checksum.
std::vector<Tensor> read_tensors(const Field& table, std::span<const std::byte> file);

}  // namespace procgraph
