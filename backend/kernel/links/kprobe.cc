// Kprobes by the kprobe PMU (Linux 4.17), before that by tracefs. System calls are functions of another name.
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <unistd.h>

#include <cerrno>

#include "attach.h"
#include "kernel_symbols.h"
#include "perf_link.h"
#include "tracefs.h"

namespace strata::kernel {
namespace {

enum class ProbeSide { kEntry, kReturn };

struct KprobeEvent {
  std::string function;  // empty: by address
  KprobeConfig config;
  ProbeSide side;
};

std::string PlaceOf(const std::string& function, const KprobeConfig& config) {
  if (function.empty()) return fmt::format("{:#x}", config.address);
  return config.offset == 0 ? function : fmt::format("{}+{:#x}", function, config.offset);
}

Error KprobeError(const Context& context, const KprobeEvent& event, const Error& error) {
  const int sys_errno = error.sys_errno();
  const bool is_about_name =
      sys_errno == ENOENT || sys_errno == EINVAL || sys_errno == EADDRNOTAVAIL || sys_errno == EILSEQ;
  return is_about_name && !event.function.empty() ? ExplainFunctions(context, {event.function}, sys_errno) : error;
}

Result<PerfEvent> OpenByPmu(const Context& context, const KprobeEvent& event, const EventSource& source) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = source.type;
  if (event.side == ProbeSide::kReturn) attributes.config |= 1ULL << source.return_bit;
  attributes.config1 = event.function.empty() ? 0 : AddressOf(event.function.c_str());
  attributes.config2 = event.function.empty() ? event.config.address : event.config.offset;
  auto fd = OpenProbeEvent(context, attributes, kAllProcesses);
  if (!fd) return KprobeError(context, event, fd.error());
  return PerfEvent{nullptr, *std::move(fd)};
}

// Neither the PMU nor tracefs's file: the configuration says why, if it is there.
Error NoKprobes(const Context& context) {
  const auto option = context.facts->ConfigValue("CONFIG_KPROBES");
  const bool is_off = option && !*option;
  return Error(ErrorCode::kNotSupported,
               fmt::format("this kernel has no kprobes{}",
                           is_off ? ": it was built without CONFIG_KPROBES"
                                  : " (neither an event source of that name nor kprobe_events in tracefs)"));
}

Result<PerfEvent> OpenByTracefs(const Context& context, const KprobeEvent& event) {
  const auto tracefs = FindTracefs(context);
  if (tracefs && ::access((*tracefs + "/kprobe_events").c_str(), F_OK) != 0) return NoKprobes(context);
  std::string prefix = event.side == ProbeSide::kReturn ? "r" : "p";
  if (event.side == ProbeSide::kReturn && event.config.max_active != 0) {
    prefix += std::to_string(event.config.max_active);
  }
  auto definition = DynamicEvent::Create(context, "kprobe_events", prefix, PlaceOf(event.function, event.config));
  if (!definition) return KprobeError(context, event, definition.error());
  UniqueFd fd = STRATA_TRY(OpenTracepointEvent(context, (*definition)->id(), kAllProcesses));
  return PerfEvent{*std::move(definition), std::move(fd)};
}

Result<PerfEvent> Open(const Context& context, const KprobeEvent& event) {
  const auto source = STRATA_TRY(FindEventSource(context, "kprobe"));
  const bool needs_tracefs = event.config.max_active != 0;  // the PMU has no place for it
  return source && !needs_tracefs ? OpenByPmu(context, event, *source) : OpenByTracefs(context, event);
}

Result<std::unique_ptr<BackendLink>> AttachSide(const ContextPtr& context,
                                                const std::shared_ptr<KernelProgram>& program,
                                                const AttachTarget& target, const std::string& function,
                                                ProbeSide side) {
  const auto config = STRATA_TRY(DecodeConfig<KprobeConfig>(target));
  if (function.empty() && config.address == 0) {
    return Error(ErrorCode::kInvalidArgument, target.kind + ": neither a function nor an address is given", EINVAL);
  }
  const KprobeEvent event{function, config, side};
  return LinkToPerfEvent(context, program, target, [context, event] { return Open(*context, event); })
      .Context(fmt::format("{} {}", target.kind, PlaceOf(function, config)));
}

// Since Linux 4.17 the function behind a system call has the architecture's prefix.
std::string SyscallFunction(const Context& context, const std::string& name) {
  return (context.facts->HasSyscallWrapper() ? "__x64_sys_" : "__se_sys_") + name;
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachKprobe(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target) {
  return AttachSide(context, program, target, target.name, ProbeSide::kEntry);
}

Result<std::unique_ptr<BackendLink>> AttachKretprobe(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target) {
  return AttachSide(context, program, target, target.name, ProbeSide::kReturn);
}

Result<std::unique_ptr<BackendLink>> AttachKsyscall(const ContextPtr& context,
                                                    const std::shared_ptr<KernelProgram>& program,
                                                    const AttachTarget& target) {
  return AttachSide(context, program, target, SyscallFunction(*context, target.name), ProbeSide::kEntry);
}

Result<std::unique_ptr<BackendLink>> AttachKretsyscall(const ContextPtr& context,
                                                       const std::shared_ptr<KernelProgram>& program,
                                                       const AttachTarget& target) {
  return AttachSide(context, program, target, SyscallFunction(*context, target.name), ProbeSide::kReturn);
}

}  // namespace strata::kernel
