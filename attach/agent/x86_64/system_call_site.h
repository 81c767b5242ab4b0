// Plans for functions that do nothing but a system call, made without a decoder.
#pragma once

#include <cstdint>

#include "strata/attach/engine.h"

namespace strata::attach {

// A plan for the function at `address` if it starts as C libraries write them: [endbr64;] mov $number, %eax; syscall.
// The system call's bytes stay where they are, so that a call which is interrupted and restarted meanwhile goes on.
bool PlanSystemCall(std::uint64_t address, std::uint32_t number, UprobePlan* out) noexcept;

}  // namespace strata::attach
