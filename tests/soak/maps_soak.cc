// Random operations on maps of both backends until a result differs: strata_soak_maps [--rounds N] [--seed S] [--kind
// K]. N operations for each kind. Exit status 1 for a difference, 2 for a bad command line, 77 without the right to use
// bpf(2).
#include <sched.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "map_operations.h"
#include "object_operations.h"

namespace {

struct Options {
  std::uint64_t rounds = 100000;
  std::uint64_t seed = 1;
  std::string kind;
};

bool ReadNumber(const char* text, std::uint64_t* out) {
  char* end = nullptr;
  *out = std::strtoull(text, &end, 0);
  return end != text && *end == '\0';
}

bool ReadOptions(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    const std::string name = argv[i];
    if (name == "--kind") {
      options.kind = argv[i + 1];
    } else if (name == "--rounds" || name == "--seed") {
      if (!ReadNumber(argv[i + 1], name == "--rounds" ? &options.rounds : &options.seed)) return false;
    } else {
      return false;
    }
  }
  return true;
}

// Per-CPU values are compared one by one.
void StayOnOneCpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(::sched_getcpu(), &set);
  ::sched_setaffinity(0, sizeof(set), &set);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!ReadOptions(argc, argv, options)) {
    std::fprintf(stderr, "usage: %s [--rounds N] [--seed S] [--kind K]\n", argv[0]);
    return 2;
  }
  if (!strata::OpenBackend("kernel")) {
    std::fprintf(stderr, "no right to use bpf(2)\n");
    return 77;
  }
  StayOnOneCpu();
  int kinds = 0;
  const auto is_same = [&](const std::string& kind, const std::string& difference) {
    if (!difference.empty()) std::fprintf(stderr, "%s: %s\n", kind.c_str(), difference.c_str());
    ++kinds;
    return difference.empty();
  };
  const auto is_wanted = [&](const std::string& kind) { return options.kind.empty() || kind == options.kind; };
  for (const strata::test::MapOperationsKind& kind : strata::test::ComparedKinds()) {
    if (!is_wanted(kind.name) || !strata::test::IsCompared(kind)) continue;
    if (!is_same(kind.name, strata::test::CompareMaps(kind, options.rounds, options.seed))) return 1;
  }
  for (const std::string& kind : strata::test::ComparedObjectKinds()) {
    if (!is_wanted(kind)) continue;
    if (!is_same(kind, strata::test::CompareObjectMaps(kind, options.rounds, options.seed))) return 1;
  }
  std::printf("%llu operations on each of %d kinds from seed %llu: no difference\n",
              static_cast<unsigned long long>(options.rounds), kinds, static_cast<unsigned long long>(options.seed));
  return kinds != 0 ? 0 : 2;
}
