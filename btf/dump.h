// BTF type by type, as text for people and as JSON for programs. btf/dump_c.h has it as C.
#pragma once

#include <span>
#include <string>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// One line a type, and one for each of its records behind a tab: the text of `bpftool btf dump file FILE`. Without
// `wanted`, all types but those of the base. Errors: kNotFound for ids out of range, kMalformed.
STRATA_EXPORT Result<std::string> DumpRaw(const Btf& types, std::span<const TypeId> wanted = {});

// The same as JSON: {"types": [{"id": 1, "kind": "INT", ...}, ...]}, one line a type. docs/strata-btf.md lists the
// members of each kind. Bytes that are not UTF-8 are replaced.
STRATA_EXPORT Result<std::string> DumpJson(const Btf& types, std::span<const TypeId> wanted = {});

}  // namespace strata::btf
