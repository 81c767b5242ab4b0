// Programs in an order on an interface: tcx (traffic control) and netkit (a pair of devices).
#pragma once

#include <cstdint>

#include "strata/link/anchor.h"
#include "strata/link/interface.h"
#include "strata/link/link.h"

namespace strata {

struct TcxOptions {
  Anchor anchor = {};
  // Of the order as QueryInterface() told it: kBusy when it has changed since. 0: any.
  std::uint64_t expected_revision = 0;
  // kTcxIngress or kTcxEgress; kNetkitPrimary or kNetkitPeer. kNone: what the program's section says.
  AttachType attach_type = AttachType::kNone;
};

class [[nodiscard]] STRATA_EXPORT TcxLink : public Link {
 public:
  explicit TcxLink(Link link) : Link(std::move(link)) {}
};

class [[nodiscard]] STRATA_EXPORT NetkitLink : public Link {
 public:
  explicit NetkitLink(Link link) : Link(std::move(link)) {}
};

// SEC("tcx/ingress"), SEC("tcx/egress"); SEC("tc") with an attach type. kNotSupported before Linux 6.6, kKeyExist when
// the program is there already, kNotFound when the anchor is not.
STRATA_EXPORT Result<TcxLink> AttachTcx(const Program& program, const Interface& interface,
                                        const TcxOptions& options = {});

// SEC("netkit/primary"), SEC("netkit/peer"): both on the primary device. kNotSupported before Linux 6.7 and where the
// kernel is built without CONFIG_NETKIT.
STRATA_EXPORT Result<NetkitLink> AttachNetkit(const Program& program, const Interface& interface,
                                              const TcxOptions& options = {});

}  // namespace strata
