// What compilers leave to the loader in an object's BTF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// What the ELF symbols say about one section.
struct SectionLayout {
  std::uint64_t size_bytes = 0;
  std::map<std::string, std::uint64_t, std::less<>> variable_offsets;  // in bytes, by symbol name
};

struct ObjectLayout {
  std::map<std::string, SectionLayout, std::less<>> sections;  // by name
  std::set<std::string, std::less<>> hidden_functions;         // global in C, but invisible outside of the object
};

// A copy of the BTF that the kernel accepts: data sections get their size and their variables' offsets (clang writes
// zeros; those of an object that was linked before stay as they are) and are sorted by offset, and hidden functions
// become static, so that the verifier checks them with their callers. Errors: kMalformed names the section and the
// variable that has no symbol.
STRATA_EXPORT Result<std::vector<std::byte>> FixUpForKernel(const Btf& types, const ObjectLayout& layout);

}  // namespace strata::btf
