// BTF as C++: types of maps, variables and records, for headers that are generated.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// `name` made valid in C++: what no identifier has becomes "_", and keywords and macros of system headers end in one.
std::string CppIdentifier(std::string_view name);

struct CppRequest {
  TypeId type;
  std::string name;  // for a struct, union or enum that has no name of its own
};

struct CppTypes {
  // What stands inside of a namespace: definitions of what was asked for and all that it needs. Each struct and union
  // is followed by static assertions on its size and the offsets of its members, so <cstddef> and <cstdint> are needed.
  std::string definitions;
  // How C++ outside of that namespace writes each request: "std::uint64_t", "std::array<char, 16>", "SCOPE::event".
  // Empty for what is no type of a value.
  std::vector<std::string> spellings;
};

// As DumpC, with what is different in C++: enums have their underlying type; keywords and macros of system headers get
// "_" at their end; types and typedefs share one name space; gaps are members, so that values have no padding, and are
// zero from the start unless a union, a packed struct or one without a name holds the type. `scope` is what the
// namespace is called from outside. The text depends on nothing but the arguments. Errors: as DumpC.
STRATA_EXPORT Result<CppTypes> DumpCpp(const Btf& types, std::span<const CppRequest> requests, std::string_view scope);

}  // namespace strata::btf
