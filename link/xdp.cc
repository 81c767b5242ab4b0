#include "strata/link/xdp.h"

namespace strata {

Result<XdpLink> AttachXdp(const Program& program, const Interface& interface, const XdpOptions& options) {
  AttachTarget target;
  target.kind = "xdp";
  target.config = EncodeConfig(XdpConfig {
    .ifindex = STRATA_TRY(interface.Index())
    , .mode = options.mode
  });
  return XdpLink(STRATA_TRY(AttachToTarget(program, target).Context("xdp on " + interface.ToString())));
}

}  // namespace strata
