// Programs among the netfilter hooks.
#pragma once

#include <cstdint>

#include "strata/link/link.h"

namespace strata {

// NFPROTO_* and NF_INET_* of linux/netfilter.h.
enum class NetfilterFamily : std::uint32_t { kIpv4 = 2, kIpv6 = 10 };
enum class NetfilterHook : std::uint32_t { kPreRouting, kLocalIn, kForward, kLocalOut, kPostRouting };

struct NetfilterOptions {
  NetfilterHook hook = NetfilterHook::kPreRouting;
  NetfilterFamily family = NetfilterFamily::kIpv4;
  std::int32_t priority = 0;  // smaller ones run first; neither INT_MIN nor INT_MAX
  bool defragment = false;    // put the fragments of IP packets together first; priority above -400
};

class [[nodiscard]] STRATA_EXPORT NetfilterLink : public Link {
 public:
  explicit NetfilterLink(Link link) : Link(std::move(link)) {}
};

// SEC("netfilter"), in the network namespace of the calling thread. kNotSupported before Linux 6.4.
STRATA_EXPORT Result<NetfilterLink> AttachNetfilter(const Program& program, const NetfilterOptions& options);

}  // namespace strata
