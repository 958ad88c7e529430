#pragma once

#include <stdexcept>
#include <string>

namespace procgraph {

enum class ErrorKind {
  format,      ///< a Program file is damaged or breaks the contract
  argument,    ///< a call with a value that is not allowed
  shape,       ///< a call with an array of the wrong dtype or shape
  name,        ///< a call that names a node, port or variable that is not there
  state,       ///< a call at a time when it is not allowed
  overflow,    ///< a bounded channel with policy `error` was full
  blocked,     ///< a bounded channel with policy `block` was full
  checkpoint,  ///< a checkpoint does not fit the Program
  device,      ///< this machine cannot run the Program (instruction set, missing kernel)
  io,          ///< a file or library could not be opened
};

/// Every error that leaves the library. `what()` is "entity: problem".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string entity, const std::string& problem)
      : std::runtime_error(entity + ": " + problem), kind_(kind), entity_(std::move(entity)) {}

  ErrorKind kind() const { return kind_; }
  /// The node, channel, field or argument that is at fault.
  const std::string& entity() const { return entity_; }

 private:
  ErrorKind kind_;
  std::string entity_;
};

}  // namespace procgraph
