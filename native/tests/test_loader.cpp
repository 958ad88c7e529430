#include <cmath>
#include <cstring>

#include "check.hpp"
#include "format/crc32.hpp"
#include "fuzz.hpp"
#include "graphs.hpp"
#include "procgraph/engine.hpp"

using namespace procgraph;

TEST(crc32_known_answer) {
  const std::string text = "123456789";
  CHECK_EQUAL(crc32({reinterpret_cast<const std::byte*>(text.data()), text.size()}), 0xCBF43926u);
}

TEST(small_network_loads) {
  const std::string file = small_network().bytes();
  CHECK_EQUAL(load(file)->nodes.size(), 6u);
}

TEST(truncated_files_are_refused) {
  const std::string file = small_network().bytes();
  for (std::size_t size = 0; size < file.size(); ++size) {
    std::string cut = file.substr(0, size);
    CHECK_THROWS(format, load(cut));
    if (size < 32 || size + 52 >= file.size())
      continue;  // only padding: the last tensor has 12 bytes
    const std::uint64_t length = size;
    std::memcpy(cut.data() + 24, &length, 8);  // now only the contents are missing
    CHECK_THROWS(format, load(cut));
  }
}

TEST(flipped_bits_are_refused) {
  const std::string file = small_network().bytes();
  Sequence random(1);
  for (int seed = 0; seed < 2000; ++seed) {
    std::string broken = file;
    const auto bit =
        static_cast<std::size_t>(random.below(static_cast<std::int64_t>(file.size()) * 8));
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    fuzz_one(reinterpret_cast<const std::uint8_t*>(broken.data()), broken.size());
  }
}

TEST(flipped_bits_with_a_valid_checksum) {
  const std::string file = small_network().bytes();
  std::uint64_t header = 0;
  std::memcpy(&header, file.data() + 16, 8);
  Sequence random(2);
  for (int seed = 0; seed < 20000; ++seed) {
    std::string broken = file;
    for (std::int64_t flips = 1 + random.below(3); flips > 0; --flips) {
      const auto bit =
          static_cast<std::size_t>(random.below(static_cast<std::int64_t>(header) * 8));
      char& byte = broken[32 + bit / 8];
      byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    }
    Builder::fix_checksum(broken);
    fuzz_one(reinterpret_cast<const std::uint8_t*>(broken.data()), broken.size());
  }
}

TEST(nesting_and_sizes_are_bounded) {
  const auto refuses = [](std::string header) {
    std::string file(32, '\0');
    std::memcpy(file.data(), "PROCGRPH\1", 9);
    const std::uint64_t size = header.size();
    std::memcpy(file.data() + 16, &size, 8);
    file += header;
    const std::uint64_t length = file.size();
    std::memcpy(file.data() + 24, &length, 8);
    Builder::fix_checksum(file);
    CHECK_THROWS(format, load(file));
  };
  refuses(std::string(100000, '\x91'));
  refuses(std::string("\xDD\xFF\xFF\xFF\xFF", 5));
  refuses(std::string("\xDF\xFF\xFF\xFF\xFF", 5));
  refuses(std::string("\xDB\xFF\xFF\xFF\xFF", 5));
  refuses("");
  refuses(std::string("\xC1", 1));
  refuses(std::string("\x01\x02", 2));
}

namespace {

/// Loads the small network with one thing changed.
template <class Change>
void refuses(Change&& change) {
  Builder b;
  Sequence random(3);
  NodeSpec a = event_source(b, "a", 6, {{0, 1, 1}}, 2);
  NodeSpec d = dense(b, "d", 6, 4, std::vector<float>(24), 1);
  NodeSpec l = lif(b, "l", 4);
  JoinSpec first{.src = 0, .dst = 1};
  JoinSpec second{.src = 1, .dst = 2};
  std::vector<std::pair<const char*, int>> order = {
      {"tick", 0}, {"absorb", 1}, {"emit", 1}, {"tick", 2}};
  change(b, a, d, l, first, second, order);
  b.node(a);
  b.node(d);
  b.node(l);
  b.join(first);
  b.join(second);
  for (const auto& [action, node] : order) b.schedule(action, node);
  CHECK_THROWS(format, b.load());
}

}  // namespace

#define REFUSES(...)                                                              \
  refuses([]([[maybe_unused]] Builder& b, [[maybe_unused]] NodeSpec& a,           \
             [[maybe_unused]] NodeSpec& d, [[maybe_unused]] NodeSpec& l,          \
             [[maybe_unused]] JoinSpec& first, [[maybe_unused]] JoinSpec& second, \
             [[maybe_unused]] std::vector<std::pair<const char*, int>>& order) { __VA_ARGS__; })

TEST(every_field_is_checked) {
  REFUSES(a.name = "z");
  REFUSES(a.name = "");
  REFUSES(a.op = "unknown");
  REFUSES(a.n = 0);
  REFUSES(a.period = 0);
  REFUSES(a.phase = 1);
  REFUSES(a.outputs[0].n = 1);
  REFUSES(a.outputs[0].depth = 0);
  REFUSES(a.outputs[0].limit = 0);
  REFUSES(a.outputs[0].kind = "current");
  REFUSES(a.outputs[0].dtype = "float32");
  REFUSES(a.outputs[0].components = 4);
  REFUSES(a.outputs[0].bound = -1);
  REFUSES(a.outputs[0].bound = NAN);
  REFUSES(l.inputs[0].scale = 101);
  REFUSES(l.inputs[0].scale = 15);
  REFUSES(l.inputs[0].n = 5);
  REFUSES(l.inputs[0].limit = std::int64_t{1} << 31);
  REFUSES(l.states[0].tensor = 1000);
  REFUSES(l.states[0].tensor = b.tensor<float>({1, 2, 3}));
  REFUSES(l.states[0].dtype = "int32");
  REFUSES(l.columns[0].name = "v_th");
  REFUSES(l.outputs[0].n = 8);
  REFUSES(d.inputs[0].n = 7);
  REFUSES(d.outputs[0].n = 7);
  REFUSES(d.outputs.clear());
  REFUSES(d.states = l.states);
  REFUSES(first.src = 3);
  REFUSES(first.out = 1);
  REFUSES(first.dst = 2);
  REFUSES(first.dst = -1);
  REFUSES(first.delay = 2);
  REFUSES(first.delay = -1);
  REFUSES(first.capacity = 0);
  REFUSES(second.capacity = 3);
  REFUSES(first.capacity = 3; first.policy = "unknown");
  REFUSES(first.map = std::pair{b.tensor<std::int32_t>({0, 6}), b.tensor<std::int32_t>({0, 1})});
  REFUSES(first.map = std::pair{b.tensor<std::int32_t>({0, 1}), b.tensor<std::int32_t>({0, -1})});
  REFUSES(first.map = std::pair{b.tensor<std::int32_t>({0, 1}), b.tensor<std::int32_t>({0})});
  REFUSES(first.map = std::pair{b.tensor<float>({0, 1}), b.tensor<std::int32_t>({0, 1})});
  REFUSES(order.pop_back());
  REFUSES(order.push_back({"tick", 2}));
  REFUSES(order[0].first = "absorb");
  REFUSES(order[0].first = "sleep");
  REFUSES(order[0].second = 3);
  REFUSES(std::swap(order[0], order[1]));
  REFUSES(std::swap(order[2], order[3]));
  REFUSES(b.dt = 0);
  REFUSES(b.dt = NAN);
  REFUSES(d = dense(b, "d", 6, 4, std::vector<float>(23), 1));
  REFUSES(d = dense(b, "d", 6, 4, std::vector<float>(24), -1));
  REFUSES(d = dense(b, "d", 6, 4, std::vector<float>(24), std::int64_t{1} << 40));
  REFUSES(a = event_source(b, "a", 6, {{0, 6, 1}}, 2));
  REFUSES(a = event_source(b, "a", 6, {{2, 0, 1}, {1, 0, 1}}, 2));
  REFUSES(a = event_source(b, "a", 6, {{-1, 0, 1}}, 2));
  REFUSES(d.attrs = [](Packer&) {}; d.attr_count = 0);
}

TEST(weights_must_be_numbers) {
  Builder b;
  b.node(dense(b, "d", 1, 1, {NAN}, 1));
  b.schedule(0);
  const auto program = b.load();
  CHECK_THROWS(format, Engine{program});
}

TEST(a_rule_makes_as_many_plastic_synapses_as_the_program_says) {
  for (const bool each : {false, true}) {
    Builder b;
    NodeSpec node{.name = "p", .op = "plastic"};
    node.inputs = {{.name = "s_in", .n = 30},
                   {.name = "post_in", .n = 30},
                   {.name = "m", .kind = "array", .n = 1, .dtype = "float32"}};
    node.outputs = {{.name = "a_out", .kind = "current", .n = 30}};
    const int table = b.tensor<std::uint32_t>({});
    const int weights = b.tensor<float>(std::vector<float>(each ? 2 : 1));
    node.attrs = [=](Packer& out) {
      out.text("pattern", "sparse").field("n_pre", 30).field("n_post", 30);
      out.text("rule", "fixed_probability").field("key", 1).field("count", 0);
      out.field("lo", 20).field("table", table).str("multapses").boolean(false);
      out.str("autapses").boolean(true).field("synapses", 2).field("weights", weights);
      out.field("delay", 1).field("sign", 1).field("epoch", 1);
      out.str("traces").list(0).str("functions").list(0);
    };
    node.attr_count = 17;
    b.node(node);
    b.schedule(0);
    const auto program = b.load();
    CHECK_THROWS(format, {
      Engine engine(program);
      engine.read("p", "weights", "");
    });
  }
}
