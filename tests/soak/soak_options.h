// What every soak program takes: [--rounds N] [--seed S]. Round i is that of seed S + i, so that a failure can be
// looked at again with --rounds 1.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace strata::soak {

struct Options {
  std::uint64_t rounds = 0;
  std::uint64_t seed = 1;
};

// False, with a line of usage, for anything else on the command line.
inline bool ReadOptions(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i += 2) {
    std::uint64_t* const value = std::strcmp(argv[i], "--rounds") == 0 ? &options.rounds
                                 : std::strcmp(argv[i], "--seed") == 0 ? &options.seed
                                                                       : nullptr;
    char* end = nullptr;
    if (value != nullptr && i + 1 < argc) *value = std::strtoull(argv[i + 1], &end, 0);
    if (end != nullptr && end != argv[i + 1] && *end == '\0') continue;
    std::fprintf(stderr, "usage: %s [--rounds N] [--seed S]\n", argv[0]);
    return false;
  }
  return true;
}

}  // namespace strata::soak
