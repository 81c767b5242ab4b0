// Programs of one socket, by setsockopt(2).
#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>

#include "attach.h"
#include "strata/base/owner_process.h"
#include "strata/spec/network_target.h"

namespace strata::kernel {
namespace {

struct SocketOptions {
  std::string_view kind;
  int attach;
  int detach;
};
constexpr SocketOptions kSocketFilter = {"socket_filter", SO_ATTACH_BPF, SO_DETACH_BPF};
constexpr SocketOptions kReuseport = {"sk_reuseport", SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_REUSEPORT_BPF};  // Linux 5.3

// The socket stays the caller's: a duplicate of its descriptor would keep a connection open that the caller closed. Its
// cookie tells whether the number still stands for it.
class SocketLink : public BackendLink {
 public:
  static Result<std::unique_ptr<BackendLink>> Create(const ContextPtr& context, std::shared_ptr<KernelProgram> program,
                                                     int fd, const SocketOptions& options) {
    auto link = std::unique_ptr<SocketLink>(new SocketLink(context, std::move(program), fd, options));
    STRATA_TRY(link->ReadCookie(link->cookie_));
    STRATA_TRY(link->SetEnabled(true));
    return std::unique_ptr<BackendLink>(std::move(link));
  }
  ~SocketLink() override {
    if (!owner_.IsCaller()) return;
    // A destructor has nobody to tell; Detach() says what went wrong.
    [[maybe_unused]] const auto result = Detach();
  }

  std::uint32_t id() const override { return 0; }
  Result<std::vector<LinkInstance>> Instances() override { return std::vector<LinkInstance>{}; }
  // What is closed has no program any more.
  Result<void> Detach() override {
    if (!is_attached_) return {};
    is_attached_ = false;
    if (!IsSameSocket()) return {};
    constexpr int kIgnored = 0;
    return Set(options_.detach, kIgnored, "detaching");
  }

  Result<void> SetEnabled(bool enabled) override {
    if (enabled == is_attached_) return {};
    if (!enabled) return Detach();
    STRATA_TRY(CheckIsSameSocket());
    STRATA_TRY(Set(options_.attach, program_->fd(), "attaching"));
    is_attached_ = true;
    return {};
  }

  Result<LinkInfo> Info() override {
    LinkInfo info;
    info.kind = options_.kind;
    info.program_id = program_->info().id;
    info.target_id = cookie_;
    return info;
  }

  // The socket has one program: attaching another takes its place at once.
  Result<void> Update(const std::shared_ptr<BackendProgram>& program,
                      const std::shared_ptr<BackendProgram>& expected) override {
    auto next = std::dynamic_pointer_cast<KernelProgram>(program);
    if (next == nullptr || !is_attached_) {
      return Error(ErrorCode::kInvalidArgument,
                   Place() + (is_attached_ ? ": a program of another backend cannot take its place" : ": is detached"));
    }
    if (expected != nullptr && expected->info().id != program_->info().id) {
      return Error(ErrorCode::kBusy, fmt::format("{}: it does not run program {}", Place(), expected->info().name));
    }
    STRATA_TRY(CheckIsSameSocket());
    STRATA_TRY(Set(options_.attach, next->fd(), "replacing"));
    program_ = std::move(next);
    return {};
  }

 private:
  SocketLink(ContextPtr context, std::shared_ptr<KernelProgram> program, int fd, const SocketOptions& options)
      : context_(std::move(context)), program_(std::move(program)), fd_(fd), options_(options) {}

  std::string Place() const { return fmt::format("socket {}", fd_); }

  Result<void> ReadCookie(std::uint64_t& cookie) const {
    const long result = context_->syscalls->GetSocketOption(fd_, SOL_SOCKET, SO_COOKIE, &cookie, sizeof(cookie));
    if (result >= 0) return {};
    return Error::FromErrno(static_cast<int>(-result), Place() + ": reading its cookie (Linux 4.12)");
  }

  bool IsSameSocket() const {
    std::uint64_t cookie = 0;
    return ReadCookie(cookie) && cookie == cookie_;
  }

  Result<void> CheckIsSameSocket() const {
    if (IsSameSocket()) return {};
    return Error(ErrorCode::kNotFound, Place() + ": the socket that the program was attached to is closed");
  }

  Result<void> Set(int option, int value, std::string_view what) const {
    const long result = context_->syscalls->SetSocketOption(fd_, SOL_SOCKET, option, &value, sizeof(value));
    if (result >= 0) return {};
    return BpfError(static_cast<int>(-result), fmt::format("{}: {} program {}", Place(), what, program_->info().name));
  }

  ContextPtr context_;
  std::shared_ptr<KernelProgram> program_;
  int fd_;
  const SocketOptions& options_;
  std::uint64_t cookie_ = 0;
  bool is_attached_ = false;
  OwnerProcess owner_;
};

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachSocketFilter(const ContextPtr& context,
                                                        const std::shared_ptr<KernelProgram>& program,
                                                        const AttachTarget& target) {
  const auto config = STRATA_TRY(DecodeConfig<SocketConfig>(target));
  return SocketLink::Create(context, program, config.fd, kSocketFilter);
}

Result<std::unique_ptr<BackendLink>> AttachReuseport(const ContextPtr& context,
                                                     const std::shared_ptr<KernelProgram>& program,
                                                     const AttachTarget& target) {
  const auto config = STRATA_TRY(DecodeConfig<SocketConfig>(target));
  return SocketLink::Create(context, program, config.fd, kReuseport);
}

}  // namespace strata::kernel
