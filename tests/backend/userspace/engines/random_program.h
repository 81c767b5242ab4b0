// Random programs that always end and touch only their stack and their context, for comparing engines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engines.h"

namespace strata::test {

struct RandomProgram {
  std::vector<isa::Instruction> code;
  std::vector<std::byte> context;
  RunSettings settings;
};

// The same seed gives the same program. Its maps are those of RandomProgramMaps().
RandomProgram MakeRandomProgram(std::uint64_t seed);
std::vector<TestMap> RandomProgramMaps();

// Runs the program of `seed` in both engines; empty, or what differs with the program's text.
std::string CompareEngines(std::uint64_t seed);

// The same for a group of programs that call one another through a prog array, in themselves and in their functions.
std::string CompareTailCalls(std::uint64_t seed);

}  // namespace strata::test
