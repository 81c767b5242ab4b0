// .BTF.ext: which function, source line and CO-RE relocation belongs to which instruction.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/btf/ext_info.h"

namespace strata::btf {

// What .BTF.ext says about one code section: indices count from the section's start; each list is sorted by index.
struct SectionExtInfo {
  std::vector<FuncInfo> functions;
  std::vector<LineInfo> lines;
  std::vector<CoreRelocation> core_relocations;
};

using ExtInfo = std::map<std::string, SectionExtInfo, std::less<>>;  // by section name

// `types` is the BTF of the same object, which holds the strings. Errors: kMalformed, starting with `where` and naming
// the offset.
STRATA_EXPORT Result<ExtInfo> ReadExtInfo(std::span<const std::byte> bytes, const Btf& types,
                                          std::string_view where = "BTF.ext");

}  // namespace strata::btf
