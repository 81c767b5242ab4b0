// Programs of the sockets in a sockmap or sockhash.
#include <fmt/format.h>

#include <cerrno>

#include "attach.h"
#include "fd_link.h"
#include "link_error.h"
#include "program_attachment.h"
#include "strata/spec/network_target.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

constexpr LinkFeature kSockMapLinks = {"sockmap links", 6, 10,
                                       "choose SockMapMode::kPlain, which detaches with this process's object only"};

Result<std::unique_ptr<BackendLink>> AttachByLink(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target, const SockMapConfig& config,
                                                  UniqueFd map) {
  auto make = [context, config,
               map = std::make_shared<UniqueFd>(std::move(map))](const KernelProgram& attached) -> Result<UniqueFd> {
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<std::uint32_t>(attached.fd());
    attr.target = static_cast<std::uint32_t>(map->get());
    attr.attach_type = static_cast<std::uint32_t>(config.attach_type);
    FdOrErrno link = context->Open(Command::kLinkCreate, attr);
    if (link) return std::move(link.fd);
    return LinkError(*context, link.sys_errno,
                     fmt::format("map {}, {}{}", config.map_id, AttachTypeName(config.attach_type),
                                 link.sys_errno == EBUSY ? ": has such a program, or one that excludes it" : ""),
                     kSockMapLinks);
  };
  return FdLink::Create(context, program, target, std::move(make));
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachSockMap(const ContextPtr& context,
                                                   const std::shared_ptr<KernelProgram>& program,
                                                   const AttachTarget& target) {
  const auto config = STRATA_TRY(DecodeConfig<SockMapConfig>(target));
  FdOrErrno map = context->OpenById(Command::kMapOpenById, config.map_id);
  if (!map) return BpfError(map.sys_errno, fmt::format("map {}: opening it", config.map_id));
  if (config.mode == SockMapMode::kLink) return AttachByLink(context, program, target, config, std::move(map.fd));
  ProgramAttachment::Place place{std::move(map.fd), config.attach_type, 0, {}};
  place.info.kind = target.kind;
  place.info.target_id = config.map_id;
  return ProgramAttachment::Create(context, program, std::move(place)).Context(fmt::format("map {}", config.map_id));
}

}  // namespace strata::kernel
