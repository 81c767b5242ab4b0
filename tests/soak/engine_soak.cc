// Random programs in both engines until one differs: strata_soak_engine [--rounds N] [--seed S]. Round i runs the
// program of seed S + i, so that a difference can be looked at again with --rounds 1. Exit status 1 for a difference, 2
// for a bad command line.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "random_program.h"

namespace {

struct Options {
  std::uint64_t rounds = 10000;
  std::uint64_t seed = 1;
};

bool ReadOptions(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i += 2) {
    std::uint64_t* const value = std::strcmp(argv[i], "--rounds") == 0 ? &options.rounds
                                 : std::strcmp(argv[i], "--seed") == 0 ? &options.seed
                                                                       : nullptr;
    if (value == nullptr || i + 1 == argc) return false;
    char* end = nullptr;
    *value = std::strtoull(argv[i + 1], &end, 0);
    if (end == argv[i + 1] || *end != '\0') return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!ReadOptions(argc, argv, options)) {
    std::fprintf(stderr, "usage: %s [--rounds N] [--seed S]\n", argv[0]);
    return 2;
  }
  for (std::uint64_t round = 0; round < options.rounds; ++round) {
    const std::string difference = strata::test::CompareEngines(options.seed + round);
    if (difference.empty()) continue;
    std::fprintf(stderr, "%s\n", difference.c_str());
    return 1;
  }
  std::printf("%llu rounds from seed %llu: no difference\n", static_cast<unsigned long long>(options.rounds),
              static_cast<unsigned long long>(options.seed));
  return 0;
}
