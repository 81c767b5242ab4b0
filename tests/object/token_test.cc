// Rights delegated to a user namespace by a mount: a child that is root in a namespace of its own, and nothing outside.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>

#include "kernel_fixture.h"

// fsopen(2) and its siblings; glibc has them since 2.36.
#include <linux/mount.h>

namespace strata {
namespace {

// Blocks on a byte: what one side waits for, the other has done.
class Turns {
 public:
  Turns() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0); }
  void UseEnd(int end) {
    ::close(ends_[1 - static_cast<std::size_t>(end)]);
    fd_ = UniqueFd(ends_[static_cast<std::size_t>(end)]);
  }
  void Give() const { EXPECT_EQ(::write(fd_.get(), "x", 1), 1); }
  bool Wait() const {
    char byte = 0;
    return ::read(fd_.get(), &byte, 1) == 1;
  }
  // A descriptor goes with the byte.
  void Send(int descriptor) const {
    Message message;
    cmsghdr* header = CMSG_FIRSTHDR(&message.head);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    EXPECT_EQ(::sendmsg(fd_.get(), &message.head, 0), 1);
  }
  UniqueFd Receive() const {
    Message message;
    if (::recvmsg(fd_.get(), &message.head, MSG_CMSG_CLOEXEC) != 1) return UniqueFd();
    const cmsghdr* header = CMSG_FIRSTHDR(&message.head);
    int descriptor = -1;
    if (header != nullptr) std::memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
    return UniqueFd(descriptor);
  }

 private:
  struct Message {
    char byte = 'x';
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr head{};
    Message() {
      head.msg_iov = &data;
      head.msg_iovlen = 1;
      head.msg_control = control;
      head.msg_controllen = sizeof(control);
    }
  };
  std::array<int, 2> ends_{};
  UniqueFd fd_;
};

// Why the child could not do its part; empty when it could.
std::string EnterUserNamespace() {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return std::string("unshare: ") + std::strerror(errno);
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 0 1";
  std::ofstream("/proc/self/gid_map") << "0 0 1";
  return {};
}

// Loads a program by what is delegated at `path`; the text of what went wrong.
std::string LoadByToken(const std::string& path, const CollectionSpec& spec) {
  const auto without = OpenBackend("kernel");
  if (without) return "bpf(2) may be used without a token";
  if (without.error().message().find("user namespace") == std::string::npos) return without.error().message();
  const auto backend =
      OpenBackend("kernel", {.session = {}, .runtime_folder = {}, .agent_path = {}, .token_path = path});
  if (!backend) return backend.error().message();
  const auto objects = LoadCollection(*backend, spec);
  if (!objects) return objects.error().message() + objects.error().log();
  return {};
}

// The child's side: opens the file system in its own namespace, lets the parent delegate, mounts it and uses it.
std::string UseDelegation(const Turns& turns, const CollectionSpec& spec) {
  if (const std::string error = EnterUserNamespace(); !error.empty()) return error;
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC)));
  if (!context) return std::string("fsopen: ") + std::strerror(errno);
  turns.Send(context.get());
  if (!turns.Wait()) return "the parent did not delegate";
  const UniqueFd mounted(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!mounted) return std::string("fsmount: ") + std::strerror(errno);
  return LoadByToken("/proc/self/fd/" + std::to_string(mounted.get()), spec);
}

// Only who has rights may say what is delegated.
bool Delegate(int context) {
  const auto set = [&](const char* key) {
    return ::syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, "any", 0) == 0;
  };
  return set("delegate_cmds") && set("delegate_maps") && set("delegate_progs") && set("delegate_attachs") &&
         ::syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
}

class DelegatedRights : public testing::KernelTest {};

TEST_F(DelegatedRights, LoadProgramsInAUserNamespace) {
  if (backend_->Probe(Ability::kToken).support != Support::kYes) GTEST_SKIP() << "this kernel has no BPF tokens";
  const CollectionSpec spec = LoadCollectionSpec(STRATA_BPF_PROGRAMS).value();
  Turns turns;
  std::array<int, 2> report{};
  ASSERT_EQ(::pipe2(report.data(), O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    turns.UseEnd(1);
    const std::string error = UseDelegation(turns, spec);
    const ssize_t written = ::write(report[1], error.data(), error.size());
    ::_exit(written == static_cast<ssize_t>(error.size()) ? 0 : 1);
  }
  ::close(report[1]);
  turns.UseEnd(0);
  bool is_delegated = false;
  {
    const UniqueFd context = turns.Receive();
    is_delegated = context && Delegate(context.get());
    turns.Give();
  }
  std::string text(4096, '\0');
  const ssize_t length = ::read(report[0], text.data(), text.size());
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  ::close(report[0]);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(is_delegated) << std::strerror(errno);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace strata
