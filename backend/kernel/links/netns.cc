// Programs of a network namespace.
#include <fmt/format.h>

#include <cerrno>

#include "attach.h"
#include "fd_link.h"
#include "link_error.h"
#include "place.h"

namespace strata::kernel {
namespace {

constexpr LinkFeature kSkLookupLinks = {"sk_lookup links", 5, 9};
constexpr LinkFeature kFlowDissectorLinks = {"flow_dissector links", 5, 8};

Result<std::unique_ptr<BackendLink>> Attach(const ContextPtr& context, const std::shared_ptr<KernelProgram>& program,
                                            const AttachTarget& target, AttachType type, const LinkFeature& feature) {
  auto space = std::make_shared<UniqueFd>(STRATA_TRY(OpenNamespace(target.path)));
  auto make = [context, space, type, path = target.path, &feature](const KernelProgram& attached) -> Result<UniqueFd> {
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<std::uint32_t>(attached.fd());
    attr.target = static_cast<std::uint32_t>(space->get());
    attr.attach_type = static_cast<std::uint32_t>(type);
    FdOrErrno link = context->Open(Command::kLinkCreate, attr);
    if (link) return std::move(link.fd);
    // kernel/bpf/net_namespace.c: it takes one dissector, of this namespace or of the first one for all.
    if (link.sys_errno == EEXIST || link.sys_errno == E2BIG) {
      return Error(ErrorCode::kBusy,
                   fmt::format("network namespace {}: has as many programs of this kind as it can", path),
                   link.sys_errno);
    }
    return LinkError(*context, link.sys_errno, fmt::format("network namespace {}", path), feature);
  };
  return FdLink::Create(context, program, target, std::move(make));
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachSkLookup(const ContextPtr& context,
                                                    const std::shared_ptr<KernelProgram>& program,
                                                    const AttachTarget& target) {
  return Attach(context, program, target, AttachType::kSkLookup, kSkLookupLinks);
}

Result<std::unique_ptr<BackendLink>> AttachFlowDissector(const ContextPtr& context,
                                                         const std::shared_ptr<KernelProgram>& program,
                                                         const AttachTarget& target) {
  return Attach(context, program, target, AttachType::kFlowDissector, kFlowDissectorLinks);
}

}  // namespace strata::kernel
