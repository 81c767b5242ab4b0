// Programs of sockets: filters, the choice among sockets of one port, and sockmaps.
#pragma once

#include "strata/link/link.h"
#include "strata/object/map.h"
#include "strata/spec/network_target.h"

namespace strata {

class [[nodiscard]] STRATA_EXPORT SocketFilterLink : public Link {
 public:
  explicit SocketFilterLink(Link link) : Link(std::move(link)) {}
};

class [[nodiscard]] STRATA_EXPORT ReuseportLink : public Link {
 public:
  explicit ReuseportLink(Link link) : Link(std::move(link)) {}
};

class [[nodiscard]] STRATA_EXPORT SockMapLink : public Link {
 public:
  explicit SockMapLink(Link link) : Link(std::move(link)) {}
};

// SEC("socket"): the bytes of each packet that the program returns are kept. The socket stays the caller's: closing it
// ends the filter, and the link then holds nothing. Such a link has no id and cannot be pinned.
STRATA_EXPORT Result<SocketFilterLink> AttachSocketFilter(const Program& program, int socket);

// SEC("sk_reuseport"): chooses among the sockets that share `socket`'s port by SO_REUSEPORT. As above; the program
// stays with the group when this socket is closed before the link goes.
STRATA_EXPORT Result<ReuseportLink> AttachReuseport(const Program& program, int socket);

struct SockMapOptions {
  SockMapMode mode = SockMapMode::kLink;
  // kNone: what the program's section says.
  AttachType attach_type = AttachType::kNone;
};

// SEC("sk_skb/stream_parser"), SEC("sk_skb/stream_verdict"), SEC("sk_skb/verdict"), SEC("sk_msg"): run for each socket
// that is put into the sockmap or sockhash from then on. kNotSupported for links before Linux 6.10.
STRATA_EXPORT Result<SockMapLink> AttachSockMap(const Program& program, const Map& map,
                                                const SockMapOptions& options = {});

}  // namespace strata
