#pragma once

#include <algorithm>
#include <iostream>

#include "procgraph/engine.hpp"

/// Whether two arrays, or two states, have the same bits; says which array of a state has not.
inline bool same(const procgraph::Array& a, const procgraph::Array& b) {
  return a.shape == b.shape && std::equal(a.data.get(), a.data.get() + a.nbytes(), b.data.get());
}

inline bool same(const procgraph::State& a, const procgraph::State& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, array] : a) {
    if (same(array, b.at(key))) continue;
    std::cerr << "differs: " << key << "\n";
    return false;
  }
  return true;
}

/// A state as it is handed back to an engine.
inline procgraph::StateView view_of(const procgraph::State& state) {
  procgraph::StateView view;
  for (const auto& [key, array] : state) view[key] = {array.dtype, array.shape, array.data.get()};
  return view;
}
