// Whether two types of different BTF are the same type to a program.
#pragma once

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// As CO-RE compares types (libbpf's bpf_core_types_are_compat): the same kind, names aside, and so on behind pointers
// and arrays and in the results and parameters of prototypes. Errors: kMalformed where types nest too deeply to be
// real.
STRATA_EXPORT Result<bool> TypesAreCompatible(const Btf& local, TypeId local_type, const Btf& target,
                                              TypeId target_type);

}  // namespace strata::btf
