// Finds functions of the libraries that the dynamic linker has loaded, without calling it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::attach {

// Writes the addresses of all definitions of `name` in the program's libraries, up to `capacity`, and returns how many
// there are. `environment` is the array that the program was started with: the auxiliary vector lies behind it. Reads
// the list that the dynamic linker keeps for debuggers, and each library's GNU hash table; one without finds nothing.
std::size_t FindLoadedFunctions(char** environment, const char* name, std::uint64_t* addresses,
                                std::size_t capacity) noexcept;

}  // namespace strata::attach
