// Runs instructions one by one: the oracle that compiled code is tested against, and the engine where no image could be
// made.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/run_context.h"
#include "strata/isa/instruction.h"

namespace strata::runtime {

struct MapView;

// A program that passed the structural check, with every ldimm64 of a map resolved in place: src 0 and the final 64-bit
// address in the two imm fields. ldimm64 with src kFunction stays: its value is the function's instruction index, which
// is what helpers hand to run->callback. Accesses that may fault, and those to arenas, are marked as below says.
struct InterpretedProgram {
  const isa::Instruction* instructions = nullptr;  // borrowed
  std::uint32_t count = 0;                         // slots
  Helper (*find_helper)(std::uint32_t id) noexcept =
      nullptr;                                // null for an id that does not exist: ends the run with result 0
  const ImportedFunction* imports = nullptr;  // borrowed; calls with src kKfunc have the position as imm
  std::uint32_t import_count = 0;
  std::uint64_t (*call_host)(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, std::uint64_t r5,
                             const void* function) noexcept = nullptr;
  MapView* arena = nullptr;         // the program's, for kArenaMemoryHelper
  std::uint64_t arena_address = 0;  // where user space sees it: the upper half of pointers that programs store
};

// Marks in instructions that access memory. Of a load in its imm, as of a store of a register, whose imm means nothing;
// of a store of an immediate in its src; of an atomic access a bit of its imm.
inline constexpr std::int32_t kGuardedMark = 1;  // of loads alone: may fault (kGuardedLoadHelper)
inline constexpr std::int32_t kArenaMark = 2;    // through a pointer into the arena
inline constexpr std::int32_t kArenaAtomicMark = 1 << 16;

// Runs `program` with R1 = `context` and gives R0; 0 when the run's budget is used up. Takes up to 8 frames of 512
// bytes of stack, one per call that is active. Sets run->callback and run->engine_state while it runs. Memory accesses
// are not checked. Thread-safe: all state is in `run`.
std::uint64_t Interpret(const InterpretedProgram& program, void* context, RunContext* run) noexcept;

// The same from `function` on, the index of its first instruction, with R1 to R3.
std::uint64_t InterpretFunction(const InterpretedProgram& program, std::uint32_t function, std::uint64_t r1,
                                std::uint64_t r2, std::uint64_t r3, RunContext* run) noexcept;

}  // namespace strata::runtime
