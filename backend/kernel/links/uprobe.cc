// Uprobes by the uprobe PMU (Linux 4.17), before that by tracefs.
#include <fmt/format.h>
#include <linux/perf_event.h>

#include <string>

#include "attach.h"
#include "perf_link.h"
#include "tracefs.h"

namespace strata::kernel {
namespace {

constexpr unsigned kRefCtrOffsetShift = 32;  // kernel/events/core.c PERF_UPROBE_REF_CTR_OFFSET_SHIFT

enum class ProbeSide { kEntry, kReturn };

struct UprobeEvent {
  std::string path;
  std::int32_t pid;
  UprobeConfig config;
  ProbeSide side;
};

Result<PerfEvent> OpenByPmu(const Context& context, const UprobeEvent& event, const EventSource& source) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = source.type;
  if (event.side == ProbeSide::kReturn) attributes.config |= 1ULL << source.return_bit;
  attributes.config |= event.config.ref_ctr_file_offset << kRefCtrOffsetShift;
  attributes.config1 = AddressOf(event.path.c_str());
  attributes.config2 = event.config.file_offset;
  UniqueFd fd = STRATA_TRY(OpenProbeEvent(context, attributes, event.pid));
  return PerfEvent{nullptr, std::move(fd)};
}

Result<PerfEvent> OpenByTracefs(const Context& context, const UprobeEvent& event) {
  if (event.path.find_first_of(" \t\n") != std::string::npos) {
    return Error(ErrorCode::kNotSupported,
                 "tracefs takes no path with blanks, and this kernel has no uprobe PMU (Linux 4.17)");
  }
  std::string place = fmt::format("{}:{:#x}", event.path, event.config.file_offset);
  if (event.config.ref_ctr_file_offset != 0) place += fmt::format("({:#x})", event.config.ref_ctr_file_offset);
  auto definition =
      STRATA_TRY(DynamicEvent::Create(context, "uprobe_events", event.side == ProbeSide::kReturn ? "r" : "p", place));
  UniqueFd fd = STRATA_TRY(OpenTracepointEvent(context, definition->id(), event.pid));
  return PerfEvent{std::move(definition), std::move(fd)};
}

Result<PerfEvent> Open(const Context& context, const UprobeEvent& event) {
  const auto source = STRATA_TRY(FindEventSource(context, "uprobe"));
  return source ? OpenByPmu(context, event, *source) : OpenByTracefs(context, event);
}

Result<std::unique_ptr<BackendLink>> AttachSide(const ContextPtr& context,
                                                const std::shared_ptr<KernelProgram>& program,
                                                const AttachTarget& target, ProbeSide side) {
  const auto config = STRATA_TRY(DecodeConfig<UprobeConfig>(target));
  const UprobeEvent event{target.path, target.pid, config, side};
  return LinkToPerfEvent(context, program, target, [context, event] { return Open(*context, event); })
      .Context(fmt::format("uprobe at {}+{:#x}", target.path, config.file_offset));
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachUprobe(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target) {
  return AttachSide(context, program, target, ProbeSide::kEntry);
}

Result<std::unique_ptr<BackendLink>> AttachUretprobe(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target) {
  return AttachSide(context, program, target, ProbeSide::kReturn);
}

}  // namespace strata::kernel
