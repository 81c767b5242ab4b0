// Random programs, and groups of them that tail-call one another, in both engines until one differs: strata_soak_engine
// [--rounds N] [--seed S]. Round i runs the program of seed S + i, so that a difference can be looked at again with
// --rounds 1. Exit status 1 for a difference, 2 for a bad command line.
#include <cstdio>
#include <string>

#include "random_program.h"
#include "soak_options.h"

int main(int argc, char** argv) {
  strata::soak::Options options{.rounds = 10000};
  if (!strata::soak::ReadOptions(argc, argv, options)) return 2;
  for (std::uint64_t round = 0; round < options.rounds; ++round) {
    std::string difference = strata::test::CompareEngines(options.seed + round);
    if (difference.empty()) difference = strata::test::CompareTailCalls(options.seed + round);
    if (difference.empty()) continue;
    std::fprintf(stderr, "%s\n", difference.c_str());
    return 1;
  }
  std::printf("%llu rounds from seed %llu: no difference\n", static_cast<unsigned long long>(options.rounds),
              static_cast<unsigned long long>(options.seed));
  return 0;
}
