#include "strata/backend/kernel/syscall_table.h"

#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>

namespace strata::kernel {
namespace {

long OrErrno(long result) { return result >= 0 ? result : -errno; }

// bpf(2) without the C library's function around it: processors predict returns badly behind a system call, so each
// function less shows in the time that one element of a map takes.
long CallBpf(Command command, void* attr, std::uint32_t size) {
#if defined(__x86_64__)
  long result = 0;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(long{SYS_bpf}), "D"(static_cast<long>(command)), "S"(attr), "d"(static_cast<long>(size))
                   : "rcx", "r11", "memory");
  return result;
#else
  return OrErrno(::syscall(SYS_bpf, static_cast<int>(command), attr, size));
#endif
}

}  // namespace

long SyscallTable::Bpf(Command command, void* attr, std::uint32_t size) const { return CallBpf(command, attr, size); }

long SyscallTable::PerfEventOpen(const perf_event_attr& attributes, pid_t pid, int cpu, int group,
                                 unsigned long flags) const {
  return OrErrno(::syscall(SYS_perf_event_open, &attributes, pid, cpu, group, flags));
}

long SyscallTable::Ioctl(int fd, unsigned long request, unsigned long argument) const {
  return OrErrno(::ioctl(fd, request, argument));
}

long SyscallTable::Mmap(void* address, std::size_t size, int protection, int flags, int fd, off_t offset) const {
  void* const memory = ::mmap(address, size, protection, flags, fd, offset);
  return memory == MAP_FAILED ? -errno : reinterpret_cast<long>(memory);
}

long SyscallTable::Munmap(void* address, std::size_t size) const { return OrErrno(::munmap(address, size)); }

std::uint64_t SyscallTable::EffectiveCapabilities() const {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return 0;
  return data[0].effective | std::uint64_t{data[1].effective} << 32;
}

std::string SyscallTable::ReadFile(const char* path) const {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

long SyscallTable::SetResourceLimit(int resource, const rlimit& limit) const {
  return OrErrno(::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit));
}

long SyscallTable::SetSocketOption(int fd, int level, int option, const void* value, std::uint32_t size) const {
  return OrErrno(::setsockopt(fd, level, option, value, size));
}

long SyscallTable::GetSocketOption(int fd, int level, int option, void* value, std::uint32_t size) const {
  socklen_t length = size;
  return OrErrno(::getsockopt(fd, level, option, value, &length));
}

}  // namespace strata::kernel
