// What holds for a program before any value is looked at: every slot decodes, jumps land on instructions of their
// function, nothing falls off an end, the call graph has no cycle. Until the verifier exists this is all that a program
// is checked for, and listings say `unverified`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "strata/backend/userspace/verifier/functions.h"
#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"
#include "strata/spec/program_type.h"

namespace strata::verifier {

inline constexpr std::size_t kMaxInstructions = 1'000'000;  // slots, as the kernel's limit for privileged loads

struct StructuralFacts {
  std::vector<FunctionFacts> functions;
  std::vector<std::uint32_t> helpers;  // numbers of the helpers called, sorted, each once
  std::vector<std::uint32_t> maps;     // positions of the maps referred to, sorted, each once
  std::uint32_t call_depth = 1;        // frames on the deepest chain of calls, callbacks included
  std::uint32_t stack_bytes = 0;       // of all frames of the chain that needs most
  bool uses_callbacks = false;
  bool has_backward_jumps = false;
};

// Checks `code`, whose map references are positions in a table of `map_count` maps (isa::PseudoLoad::kMapIndex,
// kMapIndexValue). `helper_known` tells which helpers the caller can provide; calls with src kKfunc are positions in a
// table of `function_count` functions; casts of address spaces are for programs that have an arena. kVerifierRejected,
// with the instruction and the reason in the kernel verifier's words where it has any; kNotSupported for a helper,
// kernel function or kind of reference that the userspace backend lacks. Source: kernel/bpf/verifier.c,
// check_subprogs(), check_cfg(), check_max_stack_depth().
STRATA_EXPORT Result<StructuralFacts> CheckStructure(std::span<const isa::Instruction> code, ProgramType type,
                                                     bool (*helper_known)(std::uint32_t id), std::size_t map_count,
                                                     std::size_t function_count = 0, bool has_arena = false);

}  // namespace strata::verifier
