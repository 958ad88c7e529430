#include "check.hpp"
#include "sample_kernels.hpp"

int main(int argc, char** argv) {
  register_sample_kernels();
  return check::run_all(argc > 1 ? argv[1] : nullptr);
}
