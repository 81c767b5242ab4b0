// Links as `strata list` and `strata link show` print them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "strata/strata.h"

namespace strata::tools {

// ", tcx_ingress, interface 1": what is known of where it is attached; each part starts with a comma.
std::string LinkPlace(const LinkInfo& link);

// One JSON object; members that say nothing about the kind are left out.
nlohmann::ordered_json LinkJson(const LinkInfo& link);

}  // namespace strata::tools
