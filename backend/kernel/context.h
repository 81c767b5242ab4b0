// What all objects of one kernel backend share.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/backend/kernel/bpf_attr.h"
#include "strata/backend/kernel/syscall_table.h"
#include "strata/backend/kernel_facts.h"
#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::kernel {

// A new descriptor, or why there is none.
struct FdOrErrno {
  UniqueFd fd;
  int sys_errno = 0;
  explicit operator bool() const { return static_cast<bool>(fd); }
};

inline constexpr std::uint32_t kTokenFlag = 1U << 16;  // BPF_F_TOKEN_FD

// What this kernel turned out not to have, so that it is asked once.
struct LinkLimits {
  std::atomic<bool> has_no_perf_links = false;  // BPF links of perf events (Linux 5.15)
};

// Immutable once the backend is open, but for the limits that are found; thread-safe.
struct Context {
  std::shared_ptr<const SyscallTable> syscalls;
  std::uint32_t possible_cpus = 0;
  UniqueFd token;                    // rights that were delegated to this process; none for one that has its own
  std::uint32_t kernel_version = 0;  // KERNEL_VERSION(); 0: not known
  std::string event_sources;         // /sys/bus/event_source/devices
  std::vector<std::string> tracefs;  // where it may be mounted
  std::shared_ptr<const KernelFacts> facts;
  std::unique_ptr<LinkLimits> link_limits = std::make_unique<LinkLimits>();

  // The kernel's result, or -errno.
  template <typename Attr>
  long Bpf(Command command, Attr& attr) const {
    return syscalls->Bpf(command, &attr, sizeof(attr));
  }
  // Of a command whose result is a descriptor. Numbers 0 to 2 are never handed out: whoever prints to them later would
  // write into a BPF object.
  template <typename Attr>
  FdOrErrno Open(Command command, Attr& attr) const {
    if (token) AddToken(attr);
    return AsFd(Bpf(command, attr));
  }
  // Fills `record`; the kernel may know less than it has room for.
  template <typename Record>
  int Info(int fd, Record& record) const {
    InfoAttr attr{static_cast<std::uint32_t>(fd), sizeof(record), AddressOf(&record)};
    const long result = Bpf(Command::kInfo, attr);
    return result < 0 ? static_cast<int>(-result) : 0;
  }
  FdOrErrno OpenById(Command command, std::uint32_t id) const;
  FdOrErrno OpenPinned(const std::string& path, std::uint32_t file_flags = 0) const;
  // Calls `visit` with a descriptor of each object of one kind; objects that go meanwhile are left out. Returns 0 or an
  // errno.
  template <typename Visit>
  int ForEachId(Command next_id, Command open_by_id, Visit visit) const {
    IdAttr attr;
    long result = 0;
    while ((result = Bpf(next_id, attr)) == 0) {
      attr.id = attr.next_id;
      if (const FdOrErrno object = OpenById(open_by_id, attr.id)) visit(object.fd);
    }
    return result == -ENOENT ? 0 : static_cast<int>(-result);
  }

 private:
  static FdOrErrno AsFd(long result);
  // The commands that take a token.
  void AddToken(MapCreateAttr& attr) const {
    attr.map_flags |= kTokenFlag;
    attr.map_token_fd = token.get();
  }
  void AddToken(ProgramLoadAttr& attr) const {
    attr.prog_flags |= program_flags::kTokenFd;
    attr.prog_token_fd = token.get();
  }
  void AddToken(BtfLoadAttr& attr) const {
    attr.flags |= kTokenFlag;
    attr.token_fd = token.get();
  }
  template <typename Attr>
  void AddToken(Attr&) const {}
};

using ContextPtr = std::shared_ptr<const Context>;

// A name as the kernel takes it: at most 15 of [A-Za-z0-9_.].
ObjectNameBytes ObjectName(std::string_view name);

// Keeps the object behind `fd` in a BPF file system under `path`. `what` starts the text of errors.
Result<void> PinObject(const Context& context, int fd, const std::string& path, std::string_view what);

// Explains an errno of bpf(2): a missing privilege is named with its remedy, after having been looked up, never by a
// guess.
Error BpfError(int sys_errno, std::string what);

}  // namespace strata::kernel
