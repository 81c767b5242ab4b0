// Several objects made one, as a compiler's output is linked.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "strata/base/export.h"
#include "strata/base/result.h"

namespace strata::elf {

struct LinkInput {
  std::string name;  // starts the text of errors
  std::span<const std::byte> bytes;
};

// The semantics of libbpf's static linker (bpftool gen object):
//
// - Sections of one name become one, in the order of the inputs; "license" and "version" must be equal.
// - A global symbol is defined once, or by any number of weak ones of which the first counts; externs refer to it. What
//   no input defines stays extern. Declarations must agree with the definition in section and type. The strictest
//   visibility counts. Static symbols of one name stay apart. A definition that lost keeps its bytes, without a
//   symbol.
// - Types are merged and de-duplicated; data sections list all variables; .BTF.ext follows its code.
//
// Debug information is dropped. The result is an object that ReadCollectionSpec and libbpf read, in the inputs' byte
// order. Errors: kInvalidArgument names the inputs and the symbol or section on which they disagree; kMalformed for an
// input that is broken. Pure; may be called from any thread.
STRATA_EXPORT Result<std::vector<std::byte>> LinkObjects(std::span<const LinkInput> inputs);

}  // namespace strata::elf
