// Programs behind perf events.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fd_link.h"

struct perf_event_attr;

namespace strata::kernel {

// A dynamic PMU (/sys/bus/event_source/devices/uprobe).
struct EventSource {
  std::uint32_t type = 0;
  std::uint32_t return_bit = 0;  // of `config`: a return probe
};
// Nothing when the kernel has none of that name.
Result<std::optional<EventSource>> FindEventSource(const Context& context, const std::string& name);

// perf_event_open(2), close-on-exec. `what` starts the text of errors, unless it is empty.
Result<UniqueFd> OpenPerfEvent(const Context& context, const perf_event_attr& attributes, std::int32_t pid, int cpu,
                               std::string_view what);

// The same for an event that is not bound to a CPU: one of a tracepoint or probe.
Result<UniqueFd> OpenProbeEvent(const Context& context, const perf_event_attr& attributes, std::int32_t pid);

// An event of type PERF_TYPE_TRACEPOINT, whatever it is made of.
Result<UniqueFd> OpenTracepointEvent(const Context& context, std::uint64_t id, std::int32_t pid);

// An event and what must outlive it.
struct PerfEvent {
  std::shared_ptr<void> keeps;
  UniqueFd fd;
  void Close() {
    fd.Reset();
    keeps.reset();
  }
};
// Called when the link is made and each time that it is enabled again.
using OpenEvent = std::function<Result<PerfEvent>()>;

// Binds the program to the event: by a BPF link (Linux 5.15), before that by ioctl, which knows no cookie.
// kNotSupported for a cookie then.
Result<std::unique_ptr<BackendLink>> LinkToPerfEvent(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target, const OpenEvent& open);

}  // namespace strata::kernel
