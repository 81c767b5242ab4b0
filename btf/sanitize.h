// BTF for kernels that do not know all kinds of types.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// What a kernel takes in BPF_BTF_LOAD, with the version that brought it.
struct BtfFeatures {
  bool functions = true;         // FUNC and FUNC_PROTO (Linux 5.0)
  bool data_sections = true;     // VAR and DATASEC (5.2)
  bool global_functions = true;  // FUNC with a linkage (5.6)
  bool floats = true;            // FLOAT (5.13)
  bool declaration_tags = true;  // DECL_TAG (5.16)
  bool type_tags = true;         // TYPE_TAG (5.17)
  bool wide_enums = true;        // ENUM64 and signed enums (6.0)
  bool question_marks = true;    // '?' in the names of data sections (6.10)
  bool operator==(const BtfFeatures&) const = default;
};

// The same types with those that the kernel does not know replaced by others of the same size, under the same ids:
// DATASEC -> STRUCT, VAR and DECL_TAG -> INT, FUNC_PROTO -> ENUM, FUNC -> TYPEDEF (or a static FUNC),
// FLOAT -> STRUCT, TYPE_TAG -> CONST, ENUM64 -> UNION of integers, as libbpf does it; BTF for the kernel only. The
// integers that the unions need are appended. Errors: kMalformed for references out of range.
STRATA_EXPORT Result<std::vector<std::byte>> Sanitize(const Btf& types, const BtfFeatures& features);

}  // namespace strata::btf
