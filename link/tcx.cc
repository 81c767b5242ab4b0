#include "strata/link/tcx.h"

#include <fmt/format.h>

#include "attach_type.h"

namespace strata {
namespace {

Result<Link> Attach(std::string_view kind, const Program& program, const Interface& interface,
                    const TcxOptions& options) {
  AttachTarget target;
  target.kind = kind;
  target.config = EncodeConfig(InterfaceConfig {
    .ifindex = STRATA_TRY(interface.Index())
    , .attach_type = STRATA_TRY(ChooseAttachType(program, options.attach_type, "TcxOptions"))
    , .anchor = options.anchor, .expected_revision = options.expected_revision,
  });
  return AttachToTarget(program, target).Context(fmt::format("{} on {}", kind, interface.ToString()));
}

}  // namespace

Result<TcxLink> AttachTcx(const Program& program, const Interface& interface, const TcxOptions& options) {
  return TcxLink(STRATA_TRY(Attach("tcx", program, interface, options)));
}

Result<NetkitLink> AttachNetkit(const Program& program, const Interface& interface, const TcxOptions& options) {
  return NetkitLink(STRATA_TRY(Attach("netkit", program, interface, options)));
}

}  // namespace strata
