// Where network programs go.
#pragma once

#include <string>
#include <string_view>

#include "context.h"
#include "strata/spec/network_target.h"

namespace strata::kernel {

// The descriptor of a cgroup's folder or a network namespace's file.
Result<UniqueFd> OpenFolder(const std::string& path, std::string_view what);
Result<UniqueFd> OpenNamespace(const std::string& path);

// An anchor as the kernel takes it: flags, and the neighbour's id.
struct AnchorAttr {
  std::uint32_t flags = 0;
  std::uint32_t relative = 0;
};
AnchorAttr EncodeAnchor(const Anchor& anchor);

}  // namespace strata::kernel
