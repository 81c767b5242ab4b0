// What a program is refused for, beyond the structural check, when it is loaded.
#pragma once

#include <cstdint>
#include <span>

#include "program_table.h"

namespace strata::userspace {

// Helpers, by the kernel's numbers.
inline constexpr std::uint32_t kOverrideReturn = 58;
inline constexpr std::uint32_t kTimerSetCallback = 170;

bool Calls(const verifier::StructuralFacts& facts, std::uint32_t helper);

TailCallTraits TailCallTraitsOf(const LinkedProgram& linked, const verifier::StructuralFacts& facts);
// kInvalidArgument where one of the program's prog arrays takes programs of other traits.
Result<void> ClaimProgArrays(const TabledProgram& program, const TailCallTraits& traits);

// kVerifierRejected, in the words of the kernel's verifier where it has any.
Result<void> CheckValueOffsets(const LinkedProgram& linked);
// `code` has lost the calls that no run reaches; a poisoned instruction that is left would be run.
Result<void> CheckPoison(const LinkedProgram& linked, std::span<const isa::Instruction> code);
// What an agent would refuse.
Result<void> CheckLimits(const TabledProgram& program, const verifier::StructuralFacts& facts);
// Maps that programs may only read, or only write.
Result<void> CheckAccess(const TabledProgram& program, const verifier::StructuralFacts& facts);
Result<void> CheckLicence(const LinkedProgram& linked, const verifier::StructuralFacts& facts);
// Some helpers are those of kprobe programs alone.
Result<void> CheckType(const LinkedProgram& linked, const verifier::StructuralFacts& facts);

}  // namespace strata::userspace
