// Runs something in a child process that is killed after its n-th instruction, for every n: what a crash can leave.
#pragma once

#include <cstdint>
#include <functional>

namespace strata::runtime {

// Single-steps `operation` in children: the n-th is killed by SIGKILL n * `stride` instructions into it, and `check(n)`
// then looks at what it left, until a child comes to the end of the operation. Returns how many were killed before
// that. `prepare` runs in this process before each.
int KilledAtEachInstruction(const std::function<void()>& prepare, const std::function<void()>& operation,
                            const std::function<void(int)>& check, int stride = 1);

// A part of an operation that nobody is killed in: what it has to find out first, say.
void WithoutSteps(const std::function<void()>& part);

}  // namespace strata::runtime
