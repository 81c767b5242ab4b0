#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "objects.h"

namespace strata::kernel {
namespace {

constexpr char kUprobePmu[] = "/sys/bus/event_source/devices/uprobe/";
constexpr unsigned kRefCtrOffsetShift = 32;  // kernel/events/core.c PERF_UPROBE_REF_CTR_OFFSET_SHIFT

struct LinkHandle {
  UniqueFd fd;
  std::uint32_t id = 0;
};

Result<LinkHandle> LinkToEvent(const KernelProgram& program, int event, std::uint64_t cookie) {
  auto options = EmptyOptions<bpf_link_create_opts>();
  options.perf_event.bpf_cookie = cookie;
  UniqueFd fd(::bpf_link_create(program.fd(), event, BPF_PERF_EVENT, &options));
  if (!fd) return BpfError(errno, fmt::format("linking program {} to a perf event", program.info().name));
  bpf_link_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) return BpfError(errno, "reading a link's info");
  return LinkHandle{std::move(fd), info.id};
}

// A perf event with a program behind it, bound by a BPF link (Linux 5.15).
class PerfLink : public BackendLink {
 public:
  PerfLink(std::shared_ptr<KernelProgram> program, UniqueFd event, std::uint64_t cookie, LinkHandle link)
      : program_(std::move(program)), event_(std::move(event)), cookie_(cookie), link_(std::move(link)) {}

  std::uint32_t id() const override { return link_.id; }

  Result<void> Detach() override {
    link_.fd.Reset();
    event_.Reset();
    return {};
  }

  // A disabled perf event still runs its program (kernel/trace/trace_uprobe.c), so the link itself goes and comes.
  Result<void> SetEnabled(bool enabled) override {
    if (!enabled) {
      link_.fd.Reset();
    } else if (!link_.fd) {
      link_ = STRATA_TRY(LinkToEvent(*program_, event_.get(), cookie_));
    }
    return {};
  }

  Result<std::vector<LinkInstance>> Instances() override { return std::vector<LinkInstance>{}; }

 private:
  std::shared_ptr<KernelProgram> program_;
  UniqueFd event_;
  std::uint64_t cookie_;
  LinkHandle link_;
};

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

Result<UniqueFd> OpenUprobeEvent(const AttachTarget& target, const UprobeConfig& config, ProbeSide side) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = STRATA_TRY(ReadNumber(std::string(kUprobePmu) + "type", "%u"));
  if (side == ProbeSide::kReturn) {
    const unsigned bit = STRATA_TRY(ReadNumber(std::string(kUprobePmu) + "format/retprobe", "config:%u"));
    attributes.config |= 1ULL << bit;
  }
  attributes.config |= config.ref_ctr_file_offset << kRefCtrOffsetShift;
  attributes.config1 = reinterpret_cast<std::uint64_t>(target.path.c_str());
  attributes.config2 = config.file_offset;
  const bool every_process = target.pid == kAllProcesses;
  const long fd = ::syscall(SYS_perf_event_open, &attributes, every_process ? -1 : target.pid, every_process ? 0 : -1,
                            -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) {
    return BpfError(errno, fmt::format("uprobe at {}+{:#x}: perf_event_open", target.path, config.file_offset));
  }
  return UniqueFd(static_cast<int>(fd));
}

Result<std::unique_ptr<BackendLink>> AttachUprobe(const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target, ProbeSide side) {
  const auto config = STRATA_TRY(DecodeConfig<UprobeConfig>(target));
  auto event = STRATA_TRY(OpenUprobeEvent(target, config, side));
  auto link = LinkToEvent(*program, event.get(), target.cookie);
  if (!link) {
    return std::move(link).error().WithContext(fmt::format("uprobe at {}+{:#x}", target.path, config.file_offset));
  }
  return std::unique_ptr<BackendLink>(
      std::make_unique<PerfLink>(program, std::move(event), target.cookie, *std::move(link)));
}

Result<std::unique_ptr<BackendLink>> AttachEntry(const std::shared_ptr<KernelProgram>& program,
                                                 const AttachTarget& target) {
  return AttachUprobe(program, target, ProbeSide::kEntry);
}

Result<std::unique_ptr<BackendLink>> AttachReturn(const std::shared_ptr<KernelProgram>& program,
                                                  const AttachTarget& target) {
  return AttachUprobe(program, target, ProbeSide::kReturn);
}

constexpr AttachRow kRows[] = {
    {"uprobe", AttachEntry},
    {"uretprobe", AttachReturn},
};

}  // namespace

std::span<const AttachRow> AttachRows() { return kRows; }

}  // namespace strata::kernel
