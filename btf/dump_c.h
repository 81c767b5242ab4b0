// BTF as C.
#pragma once

#include <span>
#include <string>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// A header that defines `wanted`, and everything that they need: what they hold by value is defined before them, what
// they only point to is declared. Without `wanted`, all structs, unions, enums and typedefs are, but those of a base
// that are not needed. Compiled for a 64-bit machine, each type has the size and the member offsets that the BTF tells:
// gaps become unnamed bitfields, and structs are packed where that is the only way. Later types of one name get "___2";
// type tags become comments. For BPF, accesses to the types are relocatable (CO-RE). The text depends on nothing but
// the BTF. Errors: kMalformed names a type that contains itself or is nested too deeply; kNotFound for ids out of
// range.
STRATA_EXPORT Result<std::string> DumpC(const Btf& types, std::span<const TypeId> wanted = {});

}  // namespace strata::btf
