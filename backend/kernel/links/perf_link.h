// Programs behind perf events.
#pragma once

#include <memory>

#include "fd_link.h"

struct perf_event_attr;

namespace strata::kernel {

// perf_event_open(2), close-on-exec. `what` starts the text of errors.
Result<UniqueFd> OpenPerfEvent(const Context& context, const perf_event_attr& attributes, std::int32_t pid, int cpu,
                               std::string_view what);

// Binds the program to the event by a BPF link (Linux 5.15), which owns the event.
Result<std::unique_ptr<BackendLink>> LinkToPerfEvent(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target, UniqueFd event);

}  // namespace strata::kernel
