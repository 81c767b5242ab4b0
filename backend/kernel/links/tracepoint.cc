// Tracepoints by perf events (Linux 4.7).
#include <fmt/format.h>

#include "attach.h"
#include "perf_link.h"
#include "tracefs.h"

namespace strata::kernel {

Result<std::unique_ptr<BackendLink>> AttachTracepoint(const ContextPtr& context,
                                                      const std::shared_ptr<KernelProgram>& program,
                                                      const AttachTarget& target) {
  const std::string what = "tracepoint " + target.name;
  const std::size_t slash = target.name.find('/');
  const std::string category = target.name.substr(0, slash);
  const std::string name = slash == std::string::npos ? std::string() : target.name.substr(slash + 1);
  const std::uint64_t id = STRATA_TRY(ReadTracepointId(*context, category, name).Context(what));
  const auto open = [context, id]() -> Result<PerfEvent> {
    UniqueFd fd = STRATA_TRY(OpenTracepointEvent(*context, id, kAllProcesses));
    return PerfEvent{nullptr, std::move(fd)};
  };
  return LinkToPerfEvent(context, program, target, open).Context(what);
}

}  // namespace strata::kernel
