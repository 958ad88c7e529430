#pragma once

#include <locale>
#include <sstream>
#include <string>

namespace procgraph {

/// Joins values to a string; for error messages only.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << parts);
  return out.str();
}

}  // namespace procgraph
