#include "strata/link/interface.h"

#include <net/if.h>

#include <cerrno>

namespace strata {

Result<std::uint32_t> Interface::Index() const {
  if (name_.empty()) return index_;
  const std::uint32_t index = ::if_nametoindex(name_.c_str());
  if (index != 0) return index;
  return Error(ErrorCode::kNotFound, "interface " + name_ + ": there is none of this name in the network namespace",
               errno);
}

std::string Interface::ToString() const { return name_.empty() ? std::to_string(index_) : name_; }

}  // namespace strata
