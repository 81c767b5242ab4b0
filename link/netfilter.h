// Programs among the netfilter hooks.
#pragma once

#include <cstdint>

#include "strata/link/link.h"

namespace strata {

// Numbers are those of linux/netfilter.h.
struct NetfilterOptions {
  std::uint32_t protocol_family = 2;  // NFPROTO_IPV4, or NFPROTO_IPV6 (10)
  std::uint32_t hook = 0;             // NF_INET_*: pre-routing, local in, forward, local out, post-routing
  std::int32_t priority = 0;          // smaller ones run first; neither INT_MIN nor INT_MAX
  bool defragment = false;            // put the fragments of IP packets together first; priority above -400
};

class [[nodiscard]] STRATA_EXPORT NetfilterLink : public Link {
 public:
  explicit NetfilterLink(Link link) : Link(std::move(link)) {}
};

// SEC("netfilter"), in the network namespace of the calling thread. kNotSupported before Linux 6.4.
STRATA_EXPORT Result<NetfilterLink> AttachNetfilter(const Program& program, const NetfilterOptions& options);

}  // namespace strata
