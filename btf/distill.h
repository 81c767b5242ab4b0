// Split BTF apart from its base: a module's types carry a small copy of the base types that they use (.BTF.base, Linux
// 6.11), by which they find them in another build of the base.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

struct Distilled {
  std::vector<std::byte> base;   // section .BTF.base
  std::vector<std::byte> split;  // section .BTF, over that base
};

// Named structs, unions and enums, integers and floats of the base become distilled ones: structs and enums without
// members, with the size if the split BTF holds them by value, else as forward declarations. Everything else that the
// split BTF uses of its base is moved into it. Errors: kInvalidArgument for BTF that has no base, kMalformed.
STRATA_EXPORT Result<Distilled> Distill(const Btf& split);

// The same types over the real base: each distilled type is found by name, kind and, where it has one, size. Errors:
// kInvalidArgument when `split` has no base; kNotFound names a distilled type that `base` does not have; kMalformed for
// a distilled base that holds anything else; kInvalidArgument names the ids of candidates that differ.
STRATA_EXPORT Result<std::vector<std::byte>> RelocateOntoBase(const Btf& split, std::shared_ptr<const Btf> base);

}  // namespace strata::btf
