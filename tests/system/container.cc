#include "container.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <utility>

namespace strata::testing {
namespace {

bool KeepIds(uid_t user, gid_t group) {
  const auto write = [](const char* path, const std::string& text) {
    std::ofstream file(path);
    file << text << std::flush;
    return file.good();
  };
  const auto same = [](unsigned id) { return std::to_string(id) + " " + std::to_string(id) + " 1"; };
  return write("/proc/self/setgroups", "deny") && write("/proc/self/uid_map", same(user)) &&
         write("/proc/self/gid_map", same(group));
}

bool EnterNamespaces(const ContainerOptions& options) {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  const int user_namespace = options.has_user_namespace ? CLONE_NEWUSER : 0;
  if (::unshare(user_namespace | CLONE_NEWNS | CLONE_NEWPID) != 0) return false;
  return !options.has_user_namespace || KeepIds(user, group);
}

// Of /dev/shm nothing stays; /mnt has the shared folder alone.
bool MountSharedFolder(const std::string& folder) {
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", "/mnt", "tmpfs", 0, "size=1m") == 0 && ::mkdir(kSharedFolder, 0700) == 0 &&
         ::mount(folder.c_str(), kSharedFolder, nullptr, MS_BIND, nullptr) == 0 &&
         ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") == 0;
}

int WaitFor(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

[[noreturn]] void BeFirst(const ContainerOptions& options, const std::function<int()>& first_process) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool is_contained = ::getpid() == 1 && ::access(options.shared_folder.c_str(), F_OK) != 0;
  if (!is_contained) ::_exit(kNotContained);
  for (const std::string& setting : options.settings) {
    const std::size_t equals = setting.find('=');
    ::setenv(setting.substr(0, equals).c_str(), setting.substr(equals + 1).c_str(), 1);
  }
  ::_exit(first_process());
}

}  // namespace

Container::Container(const ContainerOptions& options, const std::function<int()>& first_process) {
  int started[2] = {-1, -1};
  if (::pipe2(started, O_CLOEXEC) != 0) return;
  outer_ = ::fork();
  if (outer_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!EnterNamespaces(options) || !MountSharedFolder(options.shared_folder)) ::_exit(kNoContainer);
    const pid_t first = ::fork();
    if (first == 0) {
      ::close(started[0]);
      ::close(started[1]);
      BeFirst(options, first_process);
    }
    if (::write(started[1], &first, sizeof(first)) != sizeof(first)) ::_exit(kNoContainer);
    ::_exit(WaitFor(first));
  }
  ::close(started[1]);
  if (::read(started[0], &first_, sizeof(first_)) != sizeof(first_)) first_ = -1;
  ::close(started[0]);
}

// Its maker reaps the first process, and is reaped here.
Container::~Container() {
  if (outer_ <= 0) return;
  if (first_ > 0) ::kill(first_, SIGKILL);
  Wait();
}

int Container::Wait() { return WaitFor(std::exchange(outer_, -1)); }

std::function<int()> Program(std::vector<std::string> arguments) {
  return [arguments] {
    std::vector<char*> pointers;
    for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    return 127;
  };
}

}  // namespace strata::testing
