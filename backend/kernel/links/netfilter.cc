// Programs among the netfilter hooks of the calling thread's network namespace.
#include <fmt/format.h>

#include <cerrno>

#include "attach.h"
#include "fd_link.h"
#include "link_error.h"
#include "strata/spec/network_target.h"

namespace strata::kernel {
namespace {

constexpr LinkFeature kNetfilterLinks = {"netfilter links", 6, 4};

// net/netfilter/nf_bpf_link.c, net/netfilter/core.c.
std::string_view Explain(int sys_errno) {
  switch (sys_errno) {
    case EBUSY:
      return ": another BPF program has this priority";
    case EAFNOSUPPORT:
      return ": of protocol families only NFPROTO_IPV4 and NFPROTO_IPV6 are possible";
    case ERANGE:
      return ": the smallest and the largest priority are not possible";
    default:
      return "";
  }
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachNetfilter(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target) {
  const auto config = STRATA_TRY(DecodeConfig<NetfilterConfig>(target));
  auto make = [context, config](const KernelProgram& attached) -> Result<UniqueFd> {
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<std::uint32_t>(attached.fd());
    attr.attach_type = static_cast<std::uint32_t>(AttachType::kNetfilter);
    attr.detail.netfilter = {config.protocol_family, config.hook, config.priority, config.flags};
    FdOrErrno link = context->Open(Command::kLinkCreate, attr);
    if (link) return std::move(link.fd);
    return LinkError(*context, link.sys_errno,
                     fmt::format("netfilter hook {} of protocol family {}, priority {}{}", config.hook,
                                 config.protocol_family, config.priority, Explain(link.sys_errno)),
                     kNetfilterLinks);
  };
  return FdLink::Create(context, program, target, std::move(make));
}

}  // namespace strata::kernel
