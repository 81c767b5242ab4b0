// XDP programs: packets as an interface's driver receives them.
#pragma once

#include "strata/link/interface.h"
#include "strata/link/link.h"
#include "strata/spec/network_target.h"

namespace strata {

struct XdpOptions {
  XdpMode mode = XdpMode::kDefault;
};

class [[nodiscard]] STRATA_EXPORT XdpLink : public Link {
 public:
  explicit XdpLink(Link link) : Link(std::move(link)) {}
};

// An interface has one XDP program, which Link::Update replaces without losing a packet. kBusy when there is another,
// kNotSupported before Linux 5.9.
STRATA_EXPORT Result<XdpLink> AttachXdp(const Program& program, const Interface& interface,
                                        const XdpOptions& options = {});

}  // namespace strata
