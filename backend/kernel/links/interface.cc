// Programs in an order on an interface: tcx and netkit.
#include <fmt/format.h>

#include <cerrno>
#include <limits>

#include "attach.h"
#include "fd_link.h"
#include "link_error.h"
#include "place.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

constexpr LinkFeature kTcxLinks = {"tcx links", 6, 6, "attach the program by tc filter add"};
constexpr LinkFeature kNetkitLinks = {"netkit links", 6, 7};

struct Row {
  std::string_view kind;
  const LinkFeature& feature;
  std::string_view option;  // of the kernel's configuration
};
constexpr Row kTcx = {"tcx", kTcxLinks, "CONFIG_NET_XGRESS"};
constexpr Row kNetkit = {"netkit", kNetkitLinks, "CONFIG_NETKIT"};

LinkCreateAttr MakeAttr(const KernelProgram& program, const InterfaceConfig& config) {
  const AnchorAttr anchor = EncodeAnchor(config.anchor);
  LinkCreateAttr attr;
  attr.prog_fd = static_cast<std::uint32_t>(program.fd());
  attr.target = config.ifindex;
  attr.attach_type = static_cast<std::uint32_t>(config.attach_type);
  attr.flags = anchor.flags;
  attr.detail.relative = {anchor.relative, 0, config.expected_revision};
  return attr;
}

// A kernel that has the kind misses the interface; one that does not refuses the attach type.
bool IsBuiltIn(const Context& context, const KernelProgram& program, AttachType type) {
  constexpr std::uint32_t kNoInterface = std::numeric_limits<std::int32_t>::max();
  LinkCreateAttr attr = MakeAttr(program, {.ifindex = kNoInterface, .attach_type = type});
  return context.Open(Command::kLinkCreate, attr).sys_errno != EINVAL;
}

// kernel/bpf/mprog.c, drivers/net/netkit.c.
std::string Explain(int sys_errno, const InterfaceConfig& config) {
  switch (sys_errno) {
    case ESTALE:
      return fmt::format(": its programs have changed since revision {}; query them again", config.expected_revision);
    case EEXIST:
      return ": the program is attached to it already";
    case ENOENT:
    case EDOM:
      return fmt::format(": {} {}, by which the place was given, is not attached to it",
                         config.anchor.neighbour == Anchor::Neighbour::kLink ? "link" : "program", config.anchor.id);
    case ERANGE:
      return ": it has as many programs as it can";
    case ENODEV:
      return ": there is no such interface";
    case ENXIO:
      return ": is no netkit device";
    case EACCES:
      return ": a netkit peer; programs of both sides are attached to the primary device";
    default:
      return "";
  }
}

Error Refused(const Context& context, const KernelProgram& program, const InterfaceConfig& config, const Row& row,
              int sys_errno) {
  std::string what = fmt::format("interface {}, {}", config.ifindex, AttachTypeName(config.attach_type));
  if (sys_errno == ENODEV || sys_errno == EDOM) {
    return Error(ErrorCode::kNotFound, what + Explain(sys_errno, config), sys_errno);
  }
  if (sys_errno == ESTALE) return Error(ErrorCode::kBusy, what + Explain(sys_errno, config), sys_errno);
  Error error = LinkError(context, sys_errno, what + Explain(sys_errno, config), row.feature);
  if (sys_errno != EINVAL || error.code() == ErrorCode::kNotSupported) return error;
  if (IsBuiltIn(context, program, config.attach_type)) return error;
  return Error(ErrorCode::kNotSupported, fmt::format("{}: this kernel is built without {}", what, row.option), EINVAL);
}

Result<std::unique_ptr<BackendLink>> Attach(const ContextPtr& context, const std::shared_ptr<KernelProgram>& program,
                                            const AttachTarget& target, const Row& row) {
  const auto config = STRATA_TRY(DecodeConfig<InterfaceConfig>(target));
  auto make = [context, config, &row](const KernelProgram& attached) -> Result<UniqueFd> {
    LinkCreateAttr attr = MakeAttr(attached, config);
    FdOrErrno link = context->Open(Command::kLinkCreate, attr);
    if (link) return std::move(link.fd);
    return Refused(*context, attached, config, row, link.sys_errno);
  };
  return FdLink::Create(context, program, target, std::move(make));
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachTcx(const ContextPtr& context, const std::shared_ptr<KernelProgram>& program,
                                               const AttachTarget& target) {
  return Attach(context, program, target, kTcx);
}

Result<std::unique_ptr<BackendLink>> AttachNetkit(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target) {
  return Attach(context, program, target, kNetkit);
}

}  // namespace strata::kernel
