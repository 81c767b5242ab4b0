// What the functions that attach probes read from names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "strata/base/result.h"
#include "strata/link/probe_moment.h"
#include "strata/object/program.h"

namespace strata {

struct SymbolPlace {
  std::string_view symbol;
  std::uint64_t offset = 0;
};

// "malloc+0x10" or "malloc+16"; "0x1234" alone has no symbol.
Result<SymbolPlace> ParseSymbol(std::string_view text);

// "uprobe_multi", "uretprobe_multi" or "uprobe_session" for `prefix` "uprobe".
std::string ManyProbesKind(const Program& program, std::string_view prefix, ProbeMoment moment);

}  // namespace strata
