#include "trace_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "context.h"

namespace strata::kernel {
namespace {

constexpr std::string_view kMarker = "bpf_trace_printk: ";

// The tracer forgets names ("<...>-1234"); the process itself, also one that is not reaped yet, knows its own.
std::string WithName(std::string_view task) {
  constexpr std::string_view kForgotten = "<...>-";
  if (!task.starts_with(kForgotten)) return std::string(task);
  const std::string_view pid = task.substr(kForgotten.size());
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  return std::getline(file, name) ? fmt::format("{}-{}", name, pid) : std::string(task);
}

// "     sort-1234    [000] d..31  12.345678: bpf_trace_printk: text" becomes "sort-1234: text"; lines of other tracers
// are skipped.
bool FormatLine(std::string_view line, std::string* formatted) {
  const std::size_t marker = line.find(kMarker);
  if (marker == std::string_view::npos) return false;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view text = line.substr(line.find(kMarker) + kMarker.size());
  const std::string_view task = line.substr(0, line.find(" ["));
  const std::string_view trimmed = task.substr(0, task.find_last_not_of(' ') + 1);
  *formatted = fmt::format("{}: {}", WithName(trimmed), text);
  return true;
}

class TracePipe : public TraceLog {
 public:
  explicit TracePipe(UniqueFd fd) : fd_(std::move(fd)) {}
  int poll_descriptor() const override { return fd_.get(); }

  Result<void> Drain(const std::function<void(std::string_view)>& on_line) override {
    char buffer[4096];
    for (;;) {
      const ssize_t count = ::read(fd_.get(), buffer, sizeof(buffer));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return {};
      if (count < 0) return Error::FromErrno(errno, "reading trace_pipe");
      if (count == 0) return {};
      pending_.append(buffer, static_cast<std::size_t>(count));
      std::size_t start = 0;
      for (std::size_t end; (end = pending_.find('\n', start)) != std::string::npos; start = end + 1) {
        std::string formatted;
        if (FormatLine(std::string_view(pending_).substr(start, end - start), &formatted)) on_line(formatted);
      }
      pending_.erase(0, start);
    }
  }

 private:
  UniqueFd fd_;
  std::string pending_;
};

}  // namespace

Result<std::unique_ptr<TraceLog>> OpenTracePipe() {
  for (const char* path : {"/sys/kernel/tracing/trace_pipe", "/sys/kernel/debug/tracing/trace_pipe"}) {
    UniqueFd fd(::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (fd) return std::unique_ptr<TraceLog>(std::make_unique<TracePipe>(std::move(fd)));
    if (errno == EBUSY) return Error::FromErrno(errno, std::string(path) + " is being read by another process");
  }
  return Error(ErrorCode::kNotSupported,
               "bpf_printk: trace_pipe cannot be opened; mount it with: mount -t tracefs tracefs /sys/kernel/tracing");
}

}  // namespace strata::kernel
