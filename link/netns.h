// Programs of a network namespace: which socket a packet goes to, and how its headers are read.
#pragma once

#include <string>

#include "strata/link/link.h"

namespace strata {

struct NetnsOptions {
  // A file that stands for the namespace: "/run/netns/blue", "/proc/1/ns/net".
  std::string path = "/proc/thread-self/ns/net";
};

class [[nodiscard]] STRATA_EXPORT SkLookupLink : public Link {
 public:
  explicit SkLookupLink(Link link) : Link(std::move(link)) {}
};

class [[nodiscard]] STRATA_EXPORT FlowDissectorLink : public Link {
 public:
  explicit FlowDissectorLink(Link link) : Link(std::move(link)) {}
};

// SEC("sk_lookup"), Linux 5.9: several run, in the order in which they were attached.
STRATA_EXPORT Result<SkLookupLink> AttachSkLookup(const Program& program, const NetnsOptions& options = {});

// SEC("flow_dissector"), Linux 5.8: one per namespace; one of the first namespace serves all others.
STRATA_EXPORT Result<FlowDissectorLink> AttachFlowDissector(const Program& program, const NetnsOptions& options = {});

}  // namespace strata
