#include "traced_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace strata::tools {
namespace {

constexpr int kTerminationPatienceMs = 2000;

Result<std::string> ResolveCommand(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    struct stat status {};
    if (::stat(name.c_str(), &status) != 0) return Error::FromErrno(errno, "command " + name);
    if (S_ISDIR(status.st_mode)) return Error(ErrorCode::kInvalidArgument, "command " + name + ": is a directory");
    if (::access(name.c_str(), X_OK) != 0) return Error::FromErrno(errno, "command " + name);
    return name;
  }
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
    struct stat status {};
    if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  return Error(ErrorCode::kNotFound, fmt::format("command {}: not found in PATH", name));
}

// LD_PRELOAD is a list: ours goes first, what the user had stays.
std::string Merge(const std::string& name, const std::string& value) {
  const char* existing = std::getenv(name.c_str());
  if (name != "LD_PRELOAD" || existing == nullptr || *existing == '\0') return value;
  return value + ":" + existing;
}

std::vector<std::string> BuildEnvironment(const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const bool is_replaced = std::any_of(added.begin(), added.end(), [&](const auto& pair) {
      return text.starts_with(pair.first) && text.substr(pair.first.size()).starts_with('=');
    });
    if (!is_replaced) environment.emplace_back(text);
  }
  for (const auto& [name, value] : added) environment.push_back(name + "=" + Merge(name, value));
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Runs between fork and execve: only async-signal-safe calls.
[[noreturn]] void BecomeCommand(int gate, int report, const char* path, char** arguments, char** environment) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // until it is released: the command itself may outlive us
  char go = 0;
  while (::read(gate, &go, 1) < 0 && errno == EINTR) {
  }
  if (go != 1) ::_exit(127);
  ::prctl(PR_SET_PDEATHSIG, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(path, arguments, environment);
  const int exec_errno = errno;
  [[maybe_unused]] const ssize_t written = ::write(report, &exec_errno, sizeof(exec_errno));
  ::_exit(127);
}

Result<std::pair<UniqueFd, UniqueFd>> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error::FromErrno(errno, "making a pipe");
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

}  // namespace

Result<TracedCommand> TracedCommand::Start(const std::vector<std::string>& arguments,
                                           const std::vector<std::pair<std::string, std::string>>& environment) {
  TracedCommand command;
  command.name_ = arguments.front();
  const std::string path = STRATA_TRY(ResolveCommand(arguments.front()));
  auto [gate_read, gate_write] = STRATA_TRY(MakePipe());
  auto [report_read, report_write] = STRATA_TRY(MakePipe());
  auto argument_strings = arguments;
  auto environment_strings = BuildEnvironment(environment);
  const auto argument_pointers = Pointers(argument_strings);
  const auto environment_pointers = Pointers(environment_strings);

  const pid_t pid = ::fork();
  if (pid < 0) return Error::FromErrno(errno, "starting the command");
  if (pid == 0) {
    gate_write.Reset();
    BecomeCommand(gate_read.get(), report_write.get(), path.c_str(), const_cast<char**>(argument_pointers.data()),
                  const_cast<char**>(environment_pointers.data()));
  }
  command.pid_ = pid;
  command.gate_ = std::move(gate_write);
  command.report_ = std::move(report_read);
  command.pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!command.pidfd_) return Error::FromErrno(errno, "watching the command");
  return command;
}

TracedCommand::TracedCommand(TracedCommand&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      gate_(std::move(other.gate_)),
      report_(std::move(other.report_)),
      name_(std::move(other.name_)) {}

TracedCommand::~TracedCommand() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  Wait();
}

Result<void> TracedCommand::Release() {
  const char go = 1;
  if (::write(gate_.get(), &go, 1) != 1) return Error::FromErrno(errno, "releasing the command");
  gate_.Reset();
  int exec_errno = 0;
  ssize_t count = 0;
  while ((count = ::read(report_.get(), &exec_errno, sizeof(exec_errno))) < 0 && errno == EINTR) {
  }
  report_.Reset();
  if (count == static_cast<ssize_t>(sizeof(exec_errno))) return Error::FromErrno(exec_errno, "command " + name_);
  return {};
}

void TracedCommand::Terminate() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  ::kill(pid_, SIGCONT);  // a stopped process would not see the first signal
  pollfd descriptor{pidfd_.get(), POLLIN, 0};
  if (::poll(&descriptor, 1, kTerminationPatienceMs) <= 0) ::kill(pid_, SIGKILL);
}

int TracedCommand::Wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace strata::tools
