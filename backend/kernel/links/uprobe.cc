// Uprobes by the uprobe PMU (Linux 4.17).
#include <fmt/format.h>
#include <linux/perf_event.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "attach.h"
#include "perf_link.h"

namespace strata::kernel {
namespace {

constexpr char kUprobePmu[] = "/sys/bus/event_source/devices/uprobe/";
constexpr unsigned kRefCtrOffsetShift = 32;  // kernel/events/core.c PERF_UPROBE_REF_CTR_OFFSET_SHIFT

Result<std::uint32_t> ReadNumber(const std::string& path, const char* format) {
  std::ifstream file(path);
  std::string text;
  unsigned number = 0;
  if (!std::getline(file, text) || std::sscanf(text.c_str(), format, &number) != 1) {
    return Error(ErrorCode::kNotSupported, path + ": cannot be read; uprobes by perf need Linux 4.17");
  }
  return number;
}

enum class ProbeSide { kEntry, kReturn };

Result<UniqueFd> OpenUprobeEvent(const Context& context, const AttachTarget& target, const UprobeConfig& config,
                                 ProbeSide side) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = STRATA_TRY(ReadNumber(std::string(kUprobePmu) + "type", "%u"));
  if (side == ProbeSide::kReturn) {
    const unsigned bit = STRATA_TRY(ReadNumber(std::string(kUprobePmu) + "format/retprobe", "config:%u"));
    attributes.config |= 1ULL << bit;
  }
  attributes.config |= config.ref_ctr_file_offset << kRefCtrOffsetShift;
  attributes.config1 = AddressOf(target.path.c_str());
  attributes.config2 = config.file_offset;
  const bool every_process = target.pid == kAllProcesses;
  return OpenPerfEvent(context, attributes, every_process ? -1 : target.pid, every_process ? 0 : -1,
                       fmt::format("uprobe at {}+{:#x}", target.path, config.file_offset));
}

Result<std::unique_ptr<BackendLink>> Attach(const ContextPtr& context, const std::shared_ptr<KernelProgram>& program,
                                            const AttachTarget& target, ProbeSide side) {
  const auto config = STRATA_TRY(DecodeConfig<UprobeConfig>(target));
  auto event = STRATA_TRY(OpenUprobeEvent(*context, target, config, side));
  return LinkToPerfEvent(context, program, target, std::move(event))
      .Context(fmt::format("uprobe at {}+{:#x}", target.path, config.file_offset));
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachUprobe(const ContextPtr& context,
                                                  const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target) {
  return Attach(context, program, target, ProbeSide::kEntry);
}

Result<std::unique_ptr<BackendLink>> AttachUretprobe(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target) {
  return Attach(context, program, target, ProbeSide::kReturn);
}

}  // namespace strata::kernel
