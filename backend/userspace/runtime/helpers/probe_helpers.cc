// The event that a program runs for, and the function that it came from.
#include <asm/errno.h>

#include "functions.h"

namespace strata::runtime {
namespace {

// The System V calling convention, as words of struct pt_regs (attach/engine.h): rdi, rsi, rdx, rcx, r8, r9; rax.
constexpr std::uint8_t kArgumentWords[] = {14, 13, 12, 11, 9, 8};
constexpr std::uint8_t kResultWord = 10;

std::uint64_t RegisterOf(const RunContext& run, std::uint8_t word) {
  return static_cast<const std::uint64_t*>(run.context)[word];
}

}  // namespace

STRATA_HELPER(HelperFunctionAddress) { return run->function_address; }
STRATA_HELPER(HelperCookie) { return run->cookie; }

// Taken up by whoever runs the program at a function's start; elsewhere there is nothing to return from.
STRATA_HELPER(HelperOverrideReturn) {
  run->flags |= run_flags::kOverride;
  run->override_result = r2;
  return 0;
}

// Once the function has returned, these registers hold whatever it left there.
STRATA_HELPER(HelperFunctionArgument) {
  const auto index = static_cast<std::uint32_t>(r2);
  if (index >= sizeof(kArgumentWords)) return Status(-EINVAL);
  if (run->event != ProbeEvent::kEntry) return Status(-EOPNOTSUPP);
  *PointerFrom<std::uint64_t>(r3) = RegisterOf(*run, kArgumentWords[index]);
  return 0;
}

STRATA_HELPER(HelperFunctionResult) {
  if (run->event != ProbeEvent::kReturn) return Status(-EOPNOTSUPP);
  *PointerFrom<std::uint64_t>(r2) = RegisterOf(*run, kResultWord);
  return 0;
}

STRATA_HELPER(HelperFunctionArgumentCount) { return sizeof(kArgumentWords); }

}  // namespace strata::runtime
