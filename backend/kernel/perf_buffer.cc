// Buffers of perf event arrays: a software event on each CPU, its pages, and its descriptor in the map's slot of that
// CPU.
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fstream>

#include "links/perf_link.h"
#include "map.h"
#include "mapping.h"
#include "possible_cpus.h"
#include "strata/base/owner_process.h"

namespace strata::kernel {
namespace {

constexpr const char* kOnlineCpus = "/sys/devices/system/cpu/online";

class KernelPerfMemory : public PerfMemory {
 public:
  KernelPerfMemory(ContextPtr context, UniqueFd map, std::uint32_t cpu, UniqueFd event, Mapping mapping)
      : context_(std::move(context)),
        map_(std::move(map)),
        cpu_(cpu),
        event_(std::move(event)),
        mapping_(std::move(mapping)) {}
  // The map holds the event too: without this, programs would go on writing into pages that nobody reads.
  ~KernelPerfMemory() override {
    if (!owner_.IsCaller()) return;
    ElementAttr attr;
    attr.map_fd = static_cast<std::uint32_t>(map_.get());
    attr.key = AddressOf(&cpu_);
    context_->Bpf(Command::kMapDelete, attr);
  }
  std::byte* control_page() override { return mapping_.data(); }
  const std::byte* data() override { return mapping_.data() + ::sysconf(_SC_PAGESIZE); }
  std::size_t size_bytes() const override {
    return mapping_.size() - static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }
  int poll_descriptor() const override { return event_.get(); }
  Result<void> SetPaused(bool paused) override {
    const long result = context_->syscalls->Ioctl(event_.get(), PERF_EVENT_IOC_PAUSE_OUTPUT, paused ? 1 : 0);
    if (result >= 0) return {};
    return Error::FromErrno(static_cast<int>(-result),
                            fmt::format("CPU {}: {} its perf buffer", cpu_, paused ? "pausing" : "resuming"));
  }

 private:
  ContextPtr context_;
  UniqueFd map_;
  std::uint32_t cpu_;
  UniqueFd event_;
  Mapping mapping_;
  OwnerProcess owner_;
};

perf_event_attr EventFor(const PerfBufferOptions& options) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_BPF_OUTPUT;
  attributes.sample_type = PERF_SAMPLE_RAW;
  attributes.sample_period = 1;
  attributes.write_backward = options.overwritable ? 1 : 0;
  if (options.watermark_bytes > 0) {
    attributes.watermark = 1;
    attributes.wakeup_watermark = options.watermark_bytes;
  } else {
    attributes.wakeup_events = options.wakeup_records;
  }
  return attributes;
}

Result<UniqueFd> OpenOutput(const Context& context, std::uint32_t cpu, const PerfBufferOptions& options,
                            const std::string& what) {
  auto event = OpenPerfEvent(context, EventFor(options), -1, static_cast<int>(cpu), what);
  if (event || event.error().sys_errno() != ENODEV) return event;
  return Error(ErrorCode::kNotFound, fmt::format("{}: is offline", what), ENODEV);
}

}  // namespace

Result<std::vector<std::uint32_t>> KernelMap::PerfCpus() {
  if (info_.type != MapType::kPerfEventArray) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no perf event array", info_.name));
  }
  std::ifstream file(kOnlineCpus);
  std::string text;
  if (!std::getline(file, text)) return Error(ErrorCode::kNotFound, fmt::format("{}: cannot be read", kOnlineCpus));
  auto cpus = STRATA_TRY(ParseCpuList(text, kOnlineCpus));
  std::erase_if(cpus, [this](std::uint32_t cpu) { return cpu >= info_.max_entries; });
  return cpus;
}

Result<std::unique_ptr<PerfMemory>> KernelMap::PerfBuffer(std::uint32_t cpu, const PerfBufferOptions& options) {
  const std::string what = fmt::format("map {}: perf buffer of CPU {}", info_.name, cpu);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (info_.type != MapType::kPerfEventArray || cpu >= info_.max_entries) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: there is no such slot", what));
  }
  if (!std::has_single_bit(options.size_bytes) || options.size_bytes % page != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: size_bytes {} is not a power of two of pages", what, options.size_bytes));
  }
  auto event = STRATA_TRY(OpenOutput(*context_, cpu, options, what));
  // Pages that user space may not write are what makes a buffer overwritable.
  const int protection = options.overwritable ? PROT_READ : PROT_READ | PROT_WRITE;
  auto mapping = STRATA_TRY(Mapping::Make(context_, event.get(), page + options.size_bytes, protection, 0, what));
  auto map = STRATA_TRY(fd_.Clone());
  const std::span<const std::byte> key = std::as_bytes(std::span(&cpu, 1));
  STRATA_TRY(UpdateDescriptor(key, event.get(), "a perf buffer"));
  const long enabled = context_->syscalls->Ioctl(event.get(), PERF_EVENT_IOC_ENABLE, 0);
  auto memory = std::make_unique<KernelPerfMemory>(context_, std::move(map), cpu, std::move(event), std::move(mapping));
  if (enabled < 0) return Error::FromErrno(static_cast<int>(-enabled), what + ": enabling it");
  return std::unique_ptr<PerfMemory>(std::move(memory));
}

}  // namespace strata::kernel
