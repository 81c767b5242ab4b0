#include "strata/link/socket.h"

#include "attach_type.h"

namespace strata {
namespace {

Result<Link> AttachToSocket(const char* kind, const Program& program, int socket) {
  AttachTarget target;
  target.kind = kind;
  target.config = EncodeConfig(SocketConfig{.fd = socket});
  return AttachToTarget(program, target).Context(kind);
}

}  // namespace

Result<SocketFilterLink> AttachSocketFilter(const Program& program, int socket) {
  return SocketFilterLink(STRATA_TRY(AttachToSocket("socket_filter", program, socket)));
}

Result<ReuseportLink> AttachReuseport(const Program& program, int socket) {
  return ReuseportLink(STRATA_TRY(AttachToSocket("sk_reuseport", program, socket)));
}

Result<SockMapLink> AttachSockMap(const Program& program, const Map& map, const SockMapOptions& options) {
  AttachTarget target;
  target.kind = "sockmap";
  target.config = EncodeConfig(SockMapConfig {
    .map_id = map.info().id, .attach_type = STRATA_TRY(ChooseAttachType(program, options.attach_type, "SockMapOptions"))
    , .mode = options.mode,
  });
  return SockMapLink(STRATA_TRY(AttachToTarget(program, target).Context("map " + map.name())));
}

}  // namespace strata
