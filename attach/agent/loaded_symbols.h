// Finds functions of the libraries that the dynamic linker has loaded, without calling it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::attach {

struct AuxiliaryEntry;

// What the kernel tells a new program; it lies behind the environment that the program was started with, as long as
// nobody has shortened that array.
const AuxiliaryEntry* AuxiliaryVectorBehind(char** environment) noexcept;

// Writes the addresses of all definitions of `name` in the program's libraries, up to `capacity`, and returns how many
// there are. Reads the list that the dynamic linker keeps for debuggers, and each library's GNU hash table; one without
// finds nothing.
std::size_t FindLoadedFunctions(const AuxiliaryEntry* auxiliary_vector, const char* name, std::uint64_t* addresses,
                                std::size_t capacity) noexcept;

}  // namespace strata::attach
