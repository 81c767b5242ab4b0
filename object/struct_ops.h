// A struct_ops variable of an object, as the running kernel knows its type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/spec/collection_spec.h"

namespace strata {

struct StructOpsPlan {
  // A function pointer of the kernel's struct, and the program that stands behind it.
  struct Callback {
    std::string program;             // key of CollectionSpec::programs
    std::uint32_t offset_bytes = 0;  // of the pointer, in MapSpec::contents
    std::uint32_t member = 0;        // its index in the kernel's struct: the program's expected_attach_type
  };

  MapSpec map;       // contents, value_size and value_type as the kernel has them: "struct bpf_struct_ops_X"
  btf::TypeId type;  // the struct itself in the kernel's BTF: the programs' attach_btf_id
  std::vector<Callback> callbacks;
};

// Fits the variable that `map` describes, of a struct of `object`, to the struct of that name in `kernel`, member by
// member by name: the two may differ in order, size and flavour of the name. Errors name map and member: kNotSupported
// where the kernel does not have the type, has no such member although it is set, or has another type for it.
Result<StructOpsPlan> PlanStructOps(const MapSpec& map, const btf::Btf& object, const btf::Btf& kernel);

}  // namespace strata
