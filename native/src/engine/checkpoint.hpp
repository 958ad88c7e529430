#pragma once

#include <string>

namespace procgraph {

/// Key of a value that was set at run time.
std::string parameter_key(const std::string& node, const std::string& section,
                          const std::string& name);

}  // namespace procgraph
