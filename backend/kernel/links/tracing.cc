// Raw tracepoints, and programs that the kernel's trampolines call (fentry, lsm, ...).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "attach.h"
#include "attach_program.h"
#include "fd_link.h"
#include "strata/base/similar_name.h"
#include "strata/btf/btf.h"

namespace strata::kernel {
namespace {

// What a kind hooks, and what its cookie needs.
struct TracingRow {
  std::string_view kind;
  AttachType attach_type;
  std::string_view cookie_needs;
};
constexpr TracingRow kRows[] = {
    {"tp_btf", AttachType::kTraceRawTp, "Linux 6.10"},   {"fentry", AttachType::kTraceFentry, "Linux 5.19"},
    {"fexit", AttachType::kTraceFexit, "Linux 5.19"},    {"fmod_ret", AttachType::kModifyReturn, "Linux 5.19"},
    {"lsm", AttachType::kLsmMac, "Linux 6.0"},           {"fsession", AttachType::kTraceFsession, "Linux 7.0"},
    {"raw_tracepoint", AttachType::kNone, "Linux 6.10"}, {"freplace", AttachType::kNone, "Linux 5.19"},
};

const TracingRow& RowOf(std::string_view kind) {
  return *std::find_if(std::begin(kRows), std::end(kRows), [&](const TracingRow& row) { return row.kind == kind; });
}

std::string What(const AttachTarget& target) {
  return target.name.empty() ? target.kind : fmt::format("{} {}", target.kind, target.name);
}

// The tracepoints' names are those of the typedefs btf_trace_*.
std::string SimilarTracepoint(const Context& context, std::string_view name) {
  constexpr std::string_view kPrefix = "btf_trace_";
  const auto types = context.facts->Types();
  if (!types) return {};
  SimilarName similar(name);
  const std::uint32_t end = (*types)->type_count();
  for (std::uint32_t id = 1; id < end; ++id) {
    const auto type_name = (*types)->NameOf(btf::TypeId{id});
    if (type_name.starts_with(kPrefix)) similar.Offer(type_name.substr(kPrefix.size()));
  }
  return similar.Hint();
}

Error RawTracepointError(const Context& context, int sys_errno, const KernelProgram& program,
                         const AttachTarget& target) {
  const TracingRow& row = RowOf(target.kind);
  if (target.cookie != 0 && (sys_errno == E2BIG || sys_errno == EINVAL)) {
    return Error(
        ErrorCode::kNotSupported,
        fmt::format("linking program {}: refused; a cookie there needs {}", program.info().name, row.cookie_needs),
        sys_errno);
  }
  if (sys_errno == ENOENT && !target.name.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("this kernel has no such tracepoint{}", SimilarTracepoint(context, target.name)),
                 sys_errno);
  }
  return BpfError(sys_errno, fmt::format("linking program {}", program.info().name));
}

// BPF_RAW_TRACEPOINT_OPEN: with a name a raw tracepoint, without one whatever the program was loaded for.
Result<UniqueFd> OpenRawTracepoint(const Context& context, const KernelProgram& program, const AttachTarget& target,
                                   const std::string& name) {
  RawTracepointAttr attr;
  attr.name = name.empty() ? 0 : AddressOf(name.c_str());
  attr.prog_fd = static_cast<std::uint32_t>(program.fd());
  attr.cookie = target.cookie;
  FdOrErrno link = context.Open(Command::kRawTracepointOpen, attr);
  if (!link) return RawTracepointError(context, link.sys_errno, program, target);
  return std::move(link.fd);
}

// Only BPF_LINK_CREATE takes cookies for these.
Result<UniqueFd> LinkWithCookie(const Context& context, const KernelProgram& program, const AttachTarget& target) {
  LinkCreateAttr attr;
  attr.prog_fd = static_cast<std::uint32_t>(program.fd());
  attr.attach_type = static_cast<std::uint32_t>(RowOf(target.kind).attach_type);
  attr.detail.tracing.cookie = target.cookie;
  FdOrErrno link = context.Open(Command::kLinkCreate, attr);
  if (!link) return RawTracepointError(context, link.sys_errno, program, target);
  return std::move(link.fd);
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachRawTracepoint(const ContextPtr& context,
                                                         const std::shared_ptr<KernelProgram>& program,
                                                         const AttachTarget& target) {
  if (target.name.empty()) return Error(ErrorCode::kInvalidArgument, "raw_tracepoint: no tracepoint is named", EINVAL);
  auto make = [context, target](const KernelProgram& attached) {
    return OpenRawTracepoint(*context, attached, target, target.name);
  };
  return FdLink::Create(context, program, target, std::move(make)).Context(What(target));
}

// tp_btf, fentry, fexit, fmod_ret, fsession, lsm: the program knows what it hooks since its load.
Result<std::unique_ptr<BackendLink>> AttachTracing(const ContextPtr& context,
                                                   const std::shared_ptr<KernelProgram>& program,
                                                   const AttachTarget& target) {
  auto make = [context, target](const KernelProgram& attached) {
    return target.cookie != 0 ? LinkWithCookie(*context, attached, target)
                              : OpenRawTracepoint(*context, attached, target, {});
  };
  return FdLink::Create(context, program, target, std::move(make)).Context(What(target));
}

Result<std::unique_ptr<BackendLink>> AttachFreplace(const ContextPtr& context,
                                                    const std::shared_ptr<KernelProgram>& program,
                                                    const AttachTarget& target) {
  const auto config = target.config.empty() ? FreplaceConfig{} : STRATA_TRY(DecodeConfig<FreplaceConfig>(target));
  auto make = [context, target, config](const KernelProgram& attached) -> Result<UniqueFd> {
    if (config.program_id == 0) return OpenRawTracepoint(*context, attached, target, {});
    const FdOrErrno extended = context->OpenById(Command::kProgramOpenById, config.program_id);
    if (!extended) return BpfError(extended.sys_errno, fmt::format("program {}: opening it", config.program_id));
    LinkCreateAttr attr;
    attr.target = static_cast<std::uint32_t>(extended.fd.get());
    attr.detail.tracing.target_btf_id = STRATA_TRY(FindFunctionType(*context, extended.fd.get(), target.name)
                                                       .Context(fmt::format("program {}", config.program_id)));
    attr.detail.tracing.cookie = target.cookie;
    return CreateLink(*context, attached, attr);
  };
  return FdLink::Create(context, program, target, std::move(make)).Context(What(target));
}

}  // namespace strata::kernel
