// What compilers leave to the loader in an object's BTF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// What the ELF symbols say about one section. Names are those of the caller's symbols, and live as long.
struct SectionLayout {
  std::uint64_t size_bytes = 0;
  std::unordered_map<std::string_view, std::uint64_t> variable_offsets;  // in bytes, of the symbols that are not local
};

struct ObjectLayout {
  std::map<std::string_view, SectionLayout> sections;     // by name; ".kconfig" as the loader lays it out
  std::unordered_set<std::string_view> hidden_functions;  // global in C, but invisible outside of the object
  std::unordered_set<std::string_view> hidden_variables;
};

// A copy of the BTF that the kernel accepts (what libbpf does, too):
// - Data sections get their size and their variables' offsets and are sorted by offset. Clang writes zeros, except for
//   the offsets of static variables; a section whose size is known (the object was linked before) stays as it is.
// - Hidden functions and variables become static, so that the verifier checks such a function with its callers.
// - The variables of .kconfig become variables of the map of that name.
// - .ksyms, which has no bytes, becomes a section of ints: the kernel takes neither functions nor variables of unknown
//   size there.
// - Functions that are declared only become static, and their parameters get a name.
// Errors: kMalformed names the section and the variable whose symbol is outside of it.
STRATA_EXPORT Result<std::vector<std::byte>> FixUpForKernel(const Btf& types, const ObjectLayout& layout);

}  // namespace strata::btf
