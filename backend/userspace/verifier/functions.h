// Where a program's functions begin and end, and how much stack each one's frame takes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"

namespace strata::verifier {

struct FunctionFacts {
  isa::InsnIndex begin;
  isa::InsnIndex end;             // one past the last slot
  std::uint32_t stack_bytes = 0;  // of its frame: a multiple of 8, at most 512; 512 where offsets are not constants
  bool is_callback = false;       // some ldimm64 refers to it
  std::uint32_t reached_stack_bytes = 0;  // of stack_bytes, what accesses at known offsets reach

  bool operator==(const FunctionFacts&) const = default;
};

// The functions of `code`, ordered by begin; the first is the program's entry. Each holds at least one instruction, all
// of its jumps stay inside of it and lead to instructions, it ends in an exit or a jump, and accesses through R10 are
// within [-512, 0). kVerifierRejected, naming the instruction, where that is not so or a slot is no instruction.
// Source: kernel/bpf/verifier.c, check_subprogs().
STRATA_EXPORT Result<std::vector<FunctionFacts>> FindFunctions(std::span<const isa::Instruction> code);

}  // namespace strata::verifier
