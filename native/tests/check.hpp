#pragma once

#include <functional>
#include <iostream>
#include <string>
#include <vector>

/// A harness of a page: tests register themselves, failures are counted, `main` reports.
namespace check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Register {
  Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

inline void report(bool ok, const char* what, const char* file, int line) {
  if (ok) return;
  ++failures();
  std::cerr << file << ":" << line << ": failed: " << what << "\n";
}

template <class A, class B>
void report_equal(const A& a, const B& b, const char* what, const char* file, int line) {
  if (a == b) return;
  ++failures();
  std::cerr << file << ":" << line << ": failed: " << what << ": " << a << " != " << b << "\n";
}

inline int run_all(const char* filter) {
  for (const auto& test : tests()) {
    if (filter != nullptr && std::string(test.name).find(filter) == std::string::npos) continue;
    const int before = failures();
    try {
      test.run();
    } catch (const std::exception& error) {
      ++failures();
      std::cerr << test.name << ": threw: " << error.what() << "\n";
    }
    std::cout << (failures() == before ? "ok   " : "FAIL ") << test.name << std::endl;
  }
  return failures() == 0 ? 0 : 1;
}

}  // namespace check

#define TEST(name)                                                  \
  static void test_##name();                                        \
  static const check::Register register_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(...) check::report((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
#define CHECK_EQUAL(a, b) check::report_equal((a), (b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_THROWS(kind_, ...)                                               \
  do {                                                                         \
    bool thrown = false;                                                       \
    try {                                                                      \
      __VA_ARGS__;                                                             \
    } catch (const procgraph::Error& error) {                                  \
      thrown = error.kind() == procgraph::ErrorKind::kind_;                    \
      if (!thrown) std::cerr << "other error: " << error.what() << "\n";       \
    }                                                                          \
    check::report(thrown, #__VA_ARGS__ " throws " #kind_, __FILE__, __LINE__); \
  } while (false)
