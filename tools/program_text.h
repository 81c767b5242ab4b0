// Programs as `strata load`, `strata list` and `strata prog` print them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "strata/strata.h"

namespace strata::tools {

// Sixteen hexadecimal digits.
std::string TagText(const ProgramInfo& program);

// What `list` prints, too: {"type":"program","id":...}.
nlohmann::ordered_json ProgramJson(const ProgramInfo& program);
nlohmann::ordered_json MapJson(const MapInfo& map);

}  // namespace strata::tools
