// The system calls that the engine makes, without libc: a negative result is -errno.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/base/raw_syscall.h"

namespace strata::attach::sys {

// Numbers from arch/x86/entry/syscalls/syscall_64.tbl.
enum class Call : long {
  kRead = 0,
  kClose = 3,
  kMmap = 9,
  kMprotect = 10,
  kMunmap = 11,
  kPread64 = 17,
  kPwrite64 = 18,
  kSchedYield = 24,
  kMadvise = 28,
  kGetpid = 39,
  kArchPrctl = 158,
  kGettid = 186,
  kClockGettime = 228,
  kTgkill = 234,
  kOpenat = 257,
  kNewfstatat = 262,
  kProcessVmReadv = 310,
  kMembarrier = 324,
};

[[gnu::always_inline]] inline long Raw(Call call, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
                                       std::uint64_t d = 0, std::uint64_t e = 0, std::uint64_t f = 0) noexcept {
  return RawSyscall(static_cast<long>(call), a, b, c, d, e, f);
}

inline std::uint64_t Wide(const void* pointer) noexcept { return reinterpret_cast<std::uint64_t>(pointer); }
inline std::uint64_t Wide(long value) noexcept { return static_cast<std::uint64_t>(value); }
inline bool IsError(long result) noexcept { return result < 0 && result > -4096; }

// Values of the kernel's interface, where libc's headers would bring libc's declarations.
inline constexpr int kCurrentFolder = -100;  // AT_FDCWD
inline constexpr int kReadOnly = 0;
inline constexpr int kReadWrite = 2;
inline constexpr int kCloseOnExec = 02000000;
inline constexpr int kNoProtection = 0;
inline constexpr int kProtectRead = 1;
inline constexpr int kProtectWrite = 2;
inline constexpr int kProtectExecute = 4;
inline constexpr int kMapPrivate = 0x02;
inline constexpr int kMapAnonymous = 0x20;
inline constexpr int kMapNoReserve = 0x4000;
inline constexpr int kMapFixedNoReplace = 0x100000;
inline constexpr int kWipeOnFork = 18;  // MADV_WIPEONFORK
inline constexpr int kEnoent = 2;
inline constexpr int kEsrch = 3;
inline constexpr int kEnomem = 12;
inline constexpr int kEbusy = 16;
inline constexpr int kEinval = 22;
inline constexpr int kEtxtbsy = 26;
inline constexpr int kEopnotsupp = 95;

// The head of struct stat (arch/x86/include/uapi/asm/stat.h); 144 bytes in all.
struct FileStatus {
  std::uint64_t device;
  std::uint64_t inode;
  std::uint8_t rest[128];
};

inline int Open(const char* path, int flags) noexcept {
  return static_cast<int>(Raw(Call::kOpenat, Wide(kCurrentFolder), Wide(path), Wide(flags | kCloseOnExec)));
}
inline void Close(int fd) noexcept { Raw(Call::kClose, Wide(fd)); }
inline long Read(int fd, void* to, std::size_t size) noexcept { return Raw(Call::kRead, Wide(fd), Wide(to), size); }
inline long Pread(int fd, void* to, std::size_t size, std::uint64_t offset) noexcept {
  return Raw(Call::kPread64, Wide(fd), Wide(to), size, offset);
}
inline long Pwrite(int fd, const void* from, std::size_t size, std::uint64_t offset) noexcept {
  return Raw(Call::kPwrite64, Wide(fd), Wide(from), size, offset);
}
inline long Stat(const char* path, FileStatus* out) noexcept {
  return Raw(Call::kNewfstatat, Wide(kCurrentFolder), Wide(path), Wide(out), 0);
}
inline long Mmap(std::uint64_t address, std::size_t size, int protection, int flags) noexcept {
  return Raw(Call::kMmap, address, size, Wide(protection), Wide(flags | kMapPrivate | kMapAnonymous), Wide(-1), 0);
}
inline long Mprotect(std::uint64_t address, std::size_t size, int protection) noexcept {
  return Raw(Call::kMprotect, address, size, Wide(protection));
}
inline std::int64_t MonotonicNs() noexcept {
  constexpr std::uint64_t kMonotonic = 1;
  std::int64_t time[2] = {};
  Raw(Call::kClockGettime, kMonotonic, Wide(time));
  return time[0] * 1'000'000'000 + time[1];
}
inline void SchedYield() noexcept { Raw(Call::kSchedYield); }
inline int Getpid() noexcept { return static_cast<int>(Raw(Call::kGetpid)); }
inline int Gettid() noexcept { return static_cast<int>(Raw(Call::kGettid)); }
inline bool IsThreadGone(int tid) noexcept { return Raw(Call::kTgkill, Wide(Getpid()), Wide(tid), 0) == -kEsrch; }

}  // namespace strata::attach::sys
