// A C++ header for one object: its bytes, its types, and members for its maps, programs and variables.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata {

struct SkeletonOptions {
  // Of the class; its types are in the namespace NAME_types. Empty: the collection's name made an identifier.
  std::string name = {};
  std::string name_space = {};          // around everything: "tool::bpf"; empty for none
  std::vector<std::string> types = {};  // more types that the header shall define, by their names in C
};

// The text of a header that needs <strata/strata.h> and nothing else (docs/strata-gen.md says what it offers). `object`
// is what `spec` was read from. Depends on nothing but the arguments. Errors: kInvalidArgument for names that C++ does
// not take; kNotFound for types that do not exist; kNotSupported for an object of the other byte order; kMalformed for
// types that no header can define.
STRATA_EXPORT Result<std::string> GenerateSkeleton(const CollectionSpec& spec, std::span<const std::byte> object,
                                                   const SkeletonOptions& options = {});

}  // namespace strata
