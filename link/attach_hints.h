// How programs are attached whose section does not say where.
#pragma once

#include <string_view>

namespace strata {

// "needs an interface: use AttachXdp" for the attach kind "xdp"; empty for a kind that is not known.
std::string_view AttachHint(std::string_view attach_kind);

}  // namespace strata
