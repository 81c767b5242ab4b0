#include "perf_link.h"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

namespace strata::kernel {
namespace {

Result<std::uint32_t> ReadNumber(const std::string& path, const char* format) {
  std::ifstream file(path);
  std::string text;
  unsigned number = 0;
  if (std::getline(file, text) && std::sscanf(text.c_str(), format, &number) == 1) return number;
  return Error(ErrorCode::kMalformed, fmt::format("{}: \"{}\" is not of the form {}", path, text, format));
}

// EACCES and EPERM of perf_event_open(2) depend on a setting; it is read, not guessed.
Error PerfError(int sys_errno, std::string what) {
  if (sys_errno != EACCES) return BpfError(sys_errno, std::move(what));
  std::ifstream file("/proc/sys/kernel/perf_event_paranoid");
  std::string level;
  std::getline(file, level);
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("{}: refused; kernel.perf_event_paranoid is {}: run as root or with CAP_PERFMON", what,
                           level.empty() ? "unknown" : level),
               sys_errno);
}

// A program bound by ioctl: there is no link object, the event's descriptor is all there is.
class IoctlLink : public BackendLink {
 public:
  static Result<std::unique_ptr<BackendLink>> Create(const ContextPtr& context, std::shared_ptr<KernelProgram> program,
                                                     const AttachTarget& target, const OpenEvent& open) {
    auto link = std::unique_ptr<IoctlLink>(new IoctlLink(context, std::move(program), target, open));
    STRATA_TRY(link->SetEnabled(true));
    return std::unique_ptr<BackendLink>(std::move(link));
  }

  std::uint32_t id() const override { return 0; }
  Result<void> Detach() override {
    event_.Close();
    open_ = nullptr;
    return {};
  }

  // Closing the event is what stops the program; a disabled one still runs it.
  Result<void> SetEnabled(bool enabled) override {
    if (!enabled) {
      event_.Close();
      return {};
    }
    if (event_.fd) return {};
    if (open_ == nullptr) return Error(ErrorCode::kInvalidArgument, info_.kind + ": is detached");
    PerfEvent event = STRATA_TRY(open_());
    STRATA_TRY(Ioctl(event, PERF_EVENT_IOC_SET_BPF, static_cast<unsigned long>(program_->fd())));
    STRATA_TRY(Ioctl(event, PERF_EVENT_IOC_ENABLE, 0));
    event_ = std::move(event);
    return {};
  }

  Result<std::vector<LinkInstance>> Instances() override { return std::vector<LinkInstance>{}; }
  Result<LinkInfo> Info() override { return info_; }

 private:
  IoctlLink(ContextPtr context, std::shared_ptr<KernelProgram> program, const AttachTarget& target, OpenEvent open)
      : context_(std::move(context)), program_(std::move(program)), open_(std::move(open)) {
    info_.program_id = program_->info().id;
    info_.kind = target.kind;
    info_.path = target.path;
    info_.name = target.name;
    info_.pid = target.pid;
  }

  Result<void> Ioctl(const PerfEvent& event, unsigned long request, unsigned long argument) const {
    const long result = context_->syscalls->Ioctl(event.fd.get(), request, argument);
    if (result >= 0) return {};
    return BpfError(static_cast<int>(-result),
                    fmt::format("binding program {} to the perf event by ioctl", program_->info().name));
  }

  ContextPtr context_;
  std::shared_ptr<KernelProgram> program_;
  OpenEvent open_;
  PerfEvent event_;
  LinkInfo info_;
};

// The link holds the event; what the event needs is held here.
FdLink::Make ByBpfLink(const ContextPtr& context, const AttachTarget& target, const OpenEvent& open) {
  return [context, cookie = target.cookie, open,
          kept = std::make_shared<std::shared_ptr<void>>()](const KernelProgram& program) -> Result<UniqueFd> {
    PerfEvent event = STRATA_TRY(open());
    LinkCreateAttr attr;
    attr.target = static_cast<std::uint32_t>(event.fd.get());
    attr.attach_type = static_cast<std::uint32_t>(AttachType::kPerfEvent);
    attr.detail.perf_event.cookie = cookie;
    UniqueFd link = STRATA_TRY(CreateLink(*context, program, attr));
    *kept = std::move(event.keeps);
    return link;
  };
}

// No descriptor is no perf event: EBADF.
bool HasPerfLinks(const Context& context) {
  LinkCreateAttr attr;
  attr.target = UINT32_MAX;
  attr.attach_type = static_cast<std::uint32_t>(AttachType::kPerfEvent);
  return KnowsLinks(context, ProgramType::kTracepoint, attr);
}

Error NoCookie() {
  return Error(ErrorCode::kNotSupported, "a cookie of a perf event needs Linux 5.15 (BPF links of perf events)",
               EINVAL);
}

}  // namespace

Result<std::optional<EventSource>> FindEventSource(const Context& context, const std::string& name) {
  const std::string folder = fmt::format("{}/{}/", context.event_sources, name);
  if (::access((folder + "type").c_str(), F_OK) != 0) return std::optional<EventSource>();
  EventSource source;
  source.type = STRATA_TRY(ReadNumber(folder + "type", "%u"));
  source.return_bit = STRATA_TRY(ReadNumber(folder + "format/retprobe", "config:%u"));
  return std::optional(source);
}

Result<UniqueFd> OpenPerfEvent(const Context& context, const perf_event_attr& attributes, std::int32_t pid, int cpu,
                               std::string_view what) {
  const long fd = context.syscalls->PerfEventOpen(attributes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) {
    return PerfError(static_cast<int>(-fd),
                     what.empty() ? "perf_event_open" : fmt::format("{}: perf_event_open", what));
  }
  return UniqueFd(static_cast<int>(fd));
}

Result<UniqueFd> OpenProbeEvent(const Context& context, const perf_event_attr& attributes, std::int32_t pid) {
  // The kernel wants a CPU where it gets no process; a probe's program runs on all of them.
  const bool every_process = pid == kAllProcesses;
  return OpenPerfEvent(context, attributes, every_process ? -1 : pid, every_process ? 0 : -1, {});
}

Result<UniqueFd> OpenTracepointEvent(const Context& context, std::uint64_t id, std::int32_t pid) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = id;
  return OpenProbeEvent(context, attributes, pid);
}

Result<std::unique_ptr<BackendLink>> LinkToPerfEvent(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target, const OpenEvent& open) {
  std::atomic<bool>& has_no_perf_links = context->link_limits->has_no_perf_links;
  if (!has_no_perf_links) {
    auto link = FdLink::Create(context, program, target, ByBpfLink(context, target, open));
    // EINVAL is also said of a program that does not fit.
    if (link || link.error().sys_errno() != EINVAL || HasPerfLinks(*context)) return link;
    has_no_perf_links = true;
  }
  if (target.cookie != 0) return NoCookie();
  return IoctlLink::Create(context, program, target, open);
}

}  // namespace strata::kernel
