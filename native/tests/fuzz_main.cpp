// Entry point for libFuzzer; without it, runs files, or mutations of small Programs.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "fuzz.hpp"
#include "graphs.hpp"
#include "sample_kernels.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool registered = (register_sample_kernels(), true);
  (void)registered;
  // The header's checksum would stop almost every mutation at the door.
  std::string file(reinterpret_cast<const char*>(data), size);
  Builder::fix_checksum(file);
  fuzz_one(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
  return 0;
}

#ifndef PG_LIBFUZZER

namespace {

void run(const std::string& file) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
}

void mutate(std::string& file, Sequence& random) {
  for (std::int64_t i = 1 + random.below(4); i > 0; --i) {
    const auto at = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(file.size())));
    file[at] = static_cast<char>(random.below(256));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string flag = argc > 1 ? argv[1] : "--mutations";
  if (flag != "--mutations") {
    for (int i = 1; i < argc; ++i) {
      std::ifstream in(argv[i], std::ios::binary);
      run({std::istreambuf_iterator<char>(in), {}});
    }
    return 0;
  }
  const std::string originals[] = {
      small_network().bytes(), plastic_network(5, 3, 0.3).bytes(),
      plastic_network(5, 3, 0.3, {.dendritic = true, .joined = true}).bytes()};
  const long count = argc > 2 ? std::atol(argv[2]) : 20000;
  Sequence random(argc > 3 ? static_cast<std::uint64_t>(std::atol(argv[3])) : 1);
  for (long i = 0; i < count; ++i) {
    std::string file = originals[i % 3];
    mutate(file, random);
    run(file);
  }
  std::cout << count << " mutations\n";
}

#endif
