// Why the kernel refused a link.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "context.h"

namespace strata::kernel {

// A kind of link and the version of Linux that brought it.
struct LinkFeature {
  std::string_view name;  // "XDP links"
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::string_view instead = {};  // what to do on an older kernel
};

// kNotSupported, with the version needed and the one that runs, where this kernel is too old to know the kind; what
// BpfError says otherwise.
Error LinkError(const Context& context, int sys_errno, std::string what, const LinkFeature& feature);

}  // namespace strata::kernel
