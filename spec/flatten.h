// One program and all the subprograms it reaches, as one run of instructions.
#pragma once

#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata {

// Where a function starts in the flat program; the program itself is the first, at 0.
struct FunctionStart {
  isa::InsnIndex index;
  btf::TypeId type;  // BTF_KIND_FUNC
  std::string name;
  bool operator==(const FunctionStart&) const = default;
};

struct FlatProgram {
  std::vector<isa::Instruction> instructions;  // calls and callback addresses resolved
  std::vector<Reference> references;           // of the kinds that are left: maps, ksyms, kconfig
  std::vector<FunctionStart> functions;
  std::vector<btf::LineInfo> line_infos;
  std::vector<btf::CoreRelocation> core_relocations;
};

// Appends each reachable subprogram once, depth first in the order of the calls (libbpf's order, so that the kernel's
// tags are equal). Pure. Errors: kNotFound names a function that is called and not defined; kInvalidArgument where a
// call's distance does not fit.
STRATA_EXPORT Result<FlatProgram> Flatten(const CollectionSpec& collection, const ProgramSpec& program);

}  // namespace strata
