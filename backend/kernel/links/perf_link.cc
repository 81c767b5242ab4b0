#include "perf_link.h"

#include <fmt/format.h>
#include <linux/perf_event.h>

namespace strata::kernel {

Result<UniqueFd> OpenPerfEvent(const Context& context, const perf_event_attr& attributes, std::int32_t pid, int cpu,
                               std::string_view what) {
  const long fd = context.syscalls->PerfEventOpen(attributes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) return BpfError(static_cast<int>(-fd), fmt::format("{}: perf_event_open", what));
  return UniqueFd(static_cast<int>(fd));
}

Result<std::unique_ptr<BackendLink>> LinkToPerfEvent(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target, UniqueFd event) {
  auto make = [context, cookie = target.cookie,
               event = std::make_shared<UniqueFd>(std::move(event))](const KernelProgram& attached) {
    LinkCreateAttr attr;
    attr.target = static_cast<std::uint32_t>(event->get());
    attr.attach_type = static_cast<std::uint32_t>(AttachType::kPerfEvent);
    attr.detail.perf_event.cookie = cookie;
    return CreateLink(*context, attached, attr);
  };
  return FdLink::Create(context, program, target, std::move(make));
}

}  // namespace strata::kernel
