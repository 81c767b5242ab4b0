// XDP programs on interfaces.
#include <fmt/format.h>

#include <cerrno>

#include "attach.h"
#include "fd_link.h"
#include "link_error.h"
#include "strata/spec/network_target.h"

namespace strata::kernel {
namespace {

constexpr LinkFeature kXdpLinks = {"XDP links", 5, 9, "attach the program by ip link set dev INTERFACE xdp"};

// net/core/dev.c, dev_xdp_attach.
std::string_view Explain(int sys_errno) {
  switch (sys_errno) {
    case EBUSY:
      return ": another XDP program is attached to it";
    case EEXIST:
      return ": a program is attached to it in another mode";
    case EOPNOTSUPP:
      return ": its driver does not run XDP programs in this mode";
    default:
      return "";
  }
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachXdp(const ContextPtr& context, const std::shared_ptr<KernelProgram>& program,
                                               const AttachTarget& target) {
  const auto config = STRATA_TRY(DecodeConfig<XdpConfig>(target));
  auto make = [context, config](const KernelProgram& attached) -> Result<UniqueFd> {
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<std::uint32_t>(attached.fd());
    attr.target = config.ifindex;
    attr.attach_type = static_cast<std::uint32_t>(AttachType::kXdp);
    attr.flags = static_cast<std::uint32_t>(config.mode);
    FdOrErrno link = context->Open(Command::kLinkCreate, attr);
    if (link) return std::move(link.fd);
    return LinkError(*context, link.sys_errno, fmt::format("interface {}{}", config.ifindex, Explain(link.sys_errno)),
                     kXdpLinks);
  };
  return FdLink::Create(context, program, target, std::move(make));
}

}  // namespace strata::kernel
