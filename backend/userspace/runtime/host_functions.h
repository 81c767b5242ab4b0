// Functions of the program that embeds the runtime, in its own memory: what programs that it runs may call by name.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"

namespace strata::runtime {

struct HostFunctionEntry {
  char name[kNameSize];
  const void* address;
  HostFunctionEntry* next;
};

// Shared by all Process objects of a session in one process; they look at it when a program is instantiated.
struct HostFunctions {
  HostFunctionEntry* first;  // atomic
};

// Null when it is not served here.
const void* FindHostFunction(const HostFunctions* functions, const char* name) noexcept;

// Whether this processor can save what a host function may change of the registers that hooked code still uses.
bool CanCallHostFunctions() noexcept;

// Code that calls the function at `address` with R1 to R5 in place, all vector registers kept. `out` has room for
// kHostStubSize bytes.
inline constexpr std::uint32_t kHostStubSize = 32;
void WriteHostStub(std::byte* out, const void* address) noexcept;

// The same from C.
extern "C" std::uint64_t strata_call_host(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                                          std::uint64_t r5, const void* function) noexcept
    __attribute__((visibility("hidden")));

}  // namespace strata::runtime
