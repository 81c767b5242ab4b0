// Programs on cgroups.
#include <fmt/format.h>

#include <cerrno>

#include "attach.h"
#include "fd_link.h"
#include "link_error.h"
#include "place.h"
#include "program_attachment.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

constexpr LinkFeature kCgroupLinks = {"cgroup links", 5, 7,
                                      "choose CgroupMode::kMulti, kOverride or kExclusive, which detach with this "
                                      "process's object only"};
constexpr LinkFeature kAnchors = {"places in the order of a cgroup's programs", 6, 17};

std::string Explain(int sys_errno, const CgroupConfig& config) {
  switch (sys_errno) {
    case EBADF:
      return ": is no cgroup of version 2";
    case ESTALE:
      return fmt::format(": its programs have changed since revision {}; query them again", config.expected_revision);
    default:
      return "";
  }
}

// kernel/bpf/cgroup.c: to a process that has the rights, EPERM says that modes do not go together.
Error ExplainModes(Error error, std::string_view path) {
  if (error.sys_errno() != EPERM || error.code() == ErrorCode::kPermissionDenied) return error;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("cgroup {}: it or an ancestor has a program whose mode excludes this one", path), EPERM);
}

Error Refused(const Context& context, int sys_errno, std::string what, const CgroupConfig& config) {
  const bool has_order = config.anchor != Anchor{} || config.expected_revision != 0;
  Error error = LinkError(context, sys_errno, what, kCgroupLinks);
  if (error.code() == ErrorCode::kNotSupported || !has_order) return error;
  return LinkError(context, sys_errno, std::move(what), kAnchors);
}

Result<std::unique_ptr<BackendLink>> AttachByLink(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target, const CgroupConfig& config,
                                                  UniqueFd folder) {
  auto make = [context, config, path = target.path, folder = std::make_shared<UniqueFd>(std::move(folder))](
                  const KernelProgram& attached) -> Result<UniqueFd> {
    const AnchorAttr anchor = EncodeAnchor(config.anchor);
    LinkCreateAttr attr;
    attr.prog_fd = static_cast<std::uint32_t>(attached.fd());
    attr.target = static_cast<std::uint32_t>(folder->get());
    attr.attach_type = static_cast<std::uint32_t>(config.attach_type);
    attr.flags = anchor.flags;
    attr.detail.relative = {anchor.relative, 0, config.expected_revision};
    FdOrErrno link = context->Open(Command::kLinkCreate, attr);
    if (link) return std::move(link.fd);
    std::string what =
        fmt::format("cgroup {}, {}{}", path, AttachTypeName(config.attach_type), Explain(link.sys_errno, config));
    return ExplainModes(Refused(*context, link.sys_errno, std::move(what), config), path);
  };
  return FdLink::Create(context, program, target, std::move(make));
}

std::uint32_t FlagsOf(CgroupMode mode) {
  switch (mode) {
    case CgroupMode::kMulti:
      return attach_flags::kAllowMulti;
    case CgroupMode::kOverride:
      return attach_flags::kAllowOverride;
    case CgroupMode::kLink:
    case CgroupMode::kExclusive:
      break;
  }
  return 0;
}

Result<std::unique_ptr<BackendLink>> AttachByMode(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target, const CgroupConfig& config,
                                                  UniqueFd folder) {
  if (config.anchor != Anchor{} || config.expected_revision != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("cgroup {}: only links (CgroupMode::kLink) have a place in the order", target.path));
  }
  ProgramAttachment::Place place{std::move(folder), config.attach_type, FlagsOf(config.mode), {}};
  place.info.kind = target.kind;
  place.info.path = target.path;
  auto attachment = ProgramAttachment::Create(context, program, std::move(place)).Context("cgroup " + target.path);
  if (!attachment) return ExplainModes(std::move(attachment).error(), target.path);
  return attachment;
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachCgroup(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target) {
  const auto config = STRATA_TRY(DecodeConfig<CgroupConfig>(target));
  auto folder = STRATA_TRY(OpenFolder(target.path, "cgroup"));
  const auto attach = config.mode == CgroupMode::kLink ? AttachByLink : AttachByMode;
  return attach(context, program, target, config, std::move(folder));
}

}  // namespace strata::kernel
