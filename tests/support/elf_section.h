// One section of an object that a test compiled.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace strata::test {

// The content of the section, empty when the file has none of that name. Of well-formed 64-bit files of this machine's
// byte order; throws std::runtime_error for others.
std::vector<std::byte> ElfSection(const std::string& path, const std::string& name);

}  // namespace strata::test
