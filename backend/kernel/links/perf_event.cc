// Programs that run when a counter overflows (Linux 4.9).
#include <fmt/format.h>
#include <linux/perf_event.h>

#include <fstream>

#include "attach.h"
#include "perf_link.h"
#include "possible_cpus.h"
#include "strata/backend/link_group.h"

namespace strata::kernel {
namespace {

constexpr char kOnlineCpus[] = "/sys/devices/system/cpu/online";

perf_event_attr Attributes(const PerfEventConfig& config) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = config.type;
  attributes.config = config.config;
  attributes.bp_type = config.breakpoint_type;
  attributes.config1 = config.config1;
  attributes.config2 = config.config2;
  if (config.sample_is_frequency != 0) {
    attributes.freq = 1;
    attributes.sample_freq = config.sample;
  } else {
    attributes.sample_period = config.sample;
  }
  return attributes;
}

Result<std::vector<int>> CpusOf(const AttachTarget& target, const PerfEventConfig& config) {
  if (config.cpu >= 0 || target.pid != kAllProcesses) return std::vector<int>{config.cpu};
  std::ifstream file(kOnlineCpus);
  std::string text;
  std::getline(file, text);
  const auto online = STRATA_TRY(ParseCpuList(text, kOnlineCpus));
  return std::vector<int>(online.begin(), online.end());
}

// A bare EINVAL or ENOENT of perf_event_open(2) says that no counter of this machine can count it.
Result<UniqueFd> Open(const Context& context, const AttachTarget& target, const PerfEventConfig& config, int cpu) {
  auto event = OpenPerfEvent(context, Attributes(config), target.pid, cpu, {});
  const int error = event ? 0 : event.error().sys_errno();
  if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP) {
    return Error(ErrorCode::kNotSupported, "this machine has no counter for it", error);
  }
  return event;
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachPerfEvent(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target) {
  const auto config = STRATA_TRY(DecodeConfig<PerfEventConfig>(target));
  if (config.sample == 0) {
    return Error(ErrorCode::kInvalidArgument, "perf event: its period or frequency is 0, the program would never run",
                 EINVAL);
  }
  std::vector<std::unique_ptr<BackendLink>> links;
  for (const int cpu : STRATA_TRY(CpusOf(target, config))) {
    const std::string what = fmt::format("perf event {}:{:#x}{}", config.type, config.config,
                                         cpu < 0 ? std::string() : fmt::format(" on CPU {}", cpu));
    const auto open = [context, target, config, cpu]() -> Result<PerfEvent> {
      UniqueFd fd = STRATA_TRY(Open(*context, target, config, cpu));
      return PerfEvent{nullptr, std::move(fd)};
    };
    links.push_back(STRATA_TRY(LinkToPerfEvent(context, program, target, open).Context(what)));
  }
  return MakeLinkGroup(std::move(links), {target.kind, nullptr});
}

}  // namespace strata::kernel
