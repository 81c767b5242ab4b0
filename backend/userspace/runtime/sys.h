// Raw system calls of x86-64 Linux by name: no libc, no errno (a negative result is -errno), no cancellation point, no
// hook of ours or others on the way.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/base/raw_syscall.h"

namespace strata::runtime::sys {

// Numbers from arch/x86/entry/syscalls/syscall_64.tbl.
enum class Call : long {
  kRead = 0,
  kWrite = 1,
  kClose = 3,
  kFstat = 5,
  kPoll = 7,
  kMmap = 9,
  kMprotect = 10,
  kMunmap = 11,
  kRtSigaction = 13,
  kIoctl = 16,
  kPwrite = 18,
  kSchedYield = 24,
  kMincore = 27,
  kMadvise = 28,
  kGetpid = 39,
  kExecve = 59,
  kKill = 62,
  kUname = 63,
  kFlock = 73,
  kGetuid = 102,
  kGetgid = 104,
  kGeteuid = 107,
  kGetppid = 110,
  kGetresuid = 118,
  kGetresgid = 120,
  kSetfsuid = 122,
  kSetfsgid = 123,
  kPrctl = 157,
  kStatfs = 137,
  kFstatfs = 138,
  kGettid = 186,
  kTkill = 200,
  kFutex = 202,
  kGetdents64 = 217,
  kClockGettime = 228,
  kClockGetres = 229,
  kTgkill = 234,
  kOpenat = 257,
  kNewfstatat = 262,
  kUnlinkat = 263,
  kRenameat = 264,
  kFaccessat = 269,
  kRtTgsigqueueinfo = 297,
  kOpenByHandleAt = 304,
  kProcessVmReadv = 310,
  kProcessVmWritev = 311,
  kMembarrier = 324,
  kPidfdOpen = 434,
};

[[gnu::always_inline]] inline long Raw(Call call, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
                                       std::uint64_t d = 0, std::uint64_t e = 0, std::uint64_t f = 0) noexcept {
  return RawSyscall(static_cast<long>(call), a, b, c, d, e, f);
}

inline std::uint64_t Address(const void* pointer) noexcept { return reinterpret_cast<std::uint64_t>(pointer); }
inline std::uint64_t Wide(long value) noexcept { return static_cast<std::uint64_t>(value); }

// struct stat of the kernel (arch/x86/include/uapi/asm/stat.h).
struct FileStatus {
  std::uint64_t device;
  std::uint64_t inode;
  std::uint64_t link_count;
  std::uint32_t mode;
  std::uint32_t user;
  std::uint32_t group;
  std::uint32_t padding;
  std::uint64_t special_device;
  std::int64_t size_bytes;
  std::int64_t block_size;
  std::int64_t blocks;
  std::uint64_t times[6];
  std::int64_t unused[3];
};
static_assert(sizeof(FileStatus) == 144);

struct Timespec {
  std::int64_t seconds;
  std::int64_t nanoseconds;
};

struct IoVector {
  void* base;
  std::uint64_t size_bytes;
};

struct PollEntry {
  std::int32_t fd;
  std::int16_t events;
  std::int16_t returned;
};

// A result of mmap and the like that is no address.
inline bool IsError(long result) noexcept { return result < 0 && result > -4096; }

inline long StatAt(int folder, const char* path, FileStatus* out) noexcept {
  return Raw(Call::kNewfstatat, Wide(folder), Address(path), Address(out), 0);
}
inline int OpenAt(int folder, const char* path, int flags, std::uint32_t mode = 0) noexcept {
  return static_cast<int>(Raw(Call::kOpenat, Wide(folder), Address(path), Wide(flags), mode));
}
// struct file_handle of file systems that know files by one number.
struct FileHandle {
  std::uint32_t bytes;
  std::int32_t type;
  std::uint64_t id;
};
inline int OpenByHandle(int mount, const FileHandle& handle, int flags) noexcept {
  return static_cast<int>(Raw(Call::kOpenByHandleAt, Wide(mount), Address(&handle), Wide(flags)));
}
inline void Close(int fd) noexcept { Raw(Call::kClose, Wide(fd)); }
inline long Read(int fd, void* to, std::size_t size) noexcept { return Raw(Call::kRead, Wide(fd), Address(to), size); }
inline long Write(int fd, const void* from, std::size_t size) noexcept {
  return Raw(Call::kWrite, Wide(fd), Address(from), size);
}
inline long WriteAt(int fd, const void* from, std::size_t size, std::uint64_t offset) noexcept {
  return Raw(Call::kPwrite, Wide(fd), Address(from), size, offset);
}
inline long Ioctl(int fd, std::uint64_t request, void* argument) noexcept {
  return Raw(Call::kIoctl, Wide(fd), request, Address(argument));
}
// The magic number of the file system.
inline long FileSystemOf(int fd, std::uint64_t* out) noexcept {
  std::uint64_t status[15];  // struct statfs (arch/x86/include/uapi/asm/statfs.h)
  const long error = Raw(Call::kFstatfs, Wide(fd), Address(status));
  *out = error == 0 ? status[0] : 0;
  return error;
}
// Bytes that users may still fill there; all that fit into the number where nothing limits them, or it is not known.
inline std::uint64_t FreeBytesAt(const char* path) noexcept {
  std::uint64_t status[15];  // type, block size, blocks, free blocks, those for users, ...
  const long error = Raw(Call::kStatfs, Address(path), Address(status));
  return error != 0 || status[2] == 0 ? ~std::uint64_t{0} : status[1] * status[4];
}
inline long Fstat(int fd, FileStatus* out) noexcept { return Raw(Call::kFstat, Wide(fd), Address(out)); }
// Looks without waiting.
inline long PollNow(PollEntry* entry) noexcept { return Raw(Call::kPoll, Address(entry), 1, 0); }
inline long Flock(int fd, int operation) noexcept { return Raw(Call::kFlock, Wide(fd), Wide(operation)); }
inline long GetDents(int fd, void* buffer, std::size_t size) noexcept {
  return Raw(Call::kGetdents64, Wide(fd), Address(buffer), size);
}
inline long UnlinkAt(int folder, const char* path) noexcept {
  return Raw(Call::kUnlinkat, Wide(folder), Address(path), 0);
}
inline long RenameAt(int folder, const char* from, const char* to) noexcept {
  return Raw(Call::kRenameat, Wide(folder), Address(from), Wide(folder), Address(to));
}

inline long Mmap(void* at, std::size_t size, int protection, int flags, int fd = -1,
                 std::uint64_t offset = 0) noexcept {
  return Raw(Call::kMmap, Address(at), size, Wide(protection), Wide(flags), Wide(fd), offset);
}
inline long Munmap(void* at, std::size_t size) noexcept { return Raw(Call::kMunmap, Address(at), size); }
inline long Mprotect(void* at, std::size_t size, int protection) noexcept {
  return Raw(Call::kMprotect, Address(at), size, Wide(protection));
}
inline long Madvise(void* at, std::size_t size, int advice) noexcept {
  return Raw(Call::kMadvise, Address(at), size, Wide(advice));
}

// A byte for each page: bit 0 says that the file has it in memory.
inline long Mincore(const void* at, std::size_t size, unsigned char* residency) noexcept {
  return Raw(Call::kMincore, Address(at), size, Address(residency));
}

inline std::uint32_t Gettid() noexcept { return static_cast<std::uint32_t>(Raw(Call::kGettid)); }
inline std::uint32_t Getpid() noexcept { return static_cast<std::uint32_t>(Raw(Call::kGetpid)); }
inline std::uint32_t Getuid() noexcept { return static_cast<std::uint32_t>(Raw(Call::kGetuid)); }
inline std::uint32_t Geteuid() noexcept { return static_cast<std::uint32_t>(Raw(Call::kGeteuid)); }
inline std::uint32_t Getgid() noexcept { return static_cast<std::uint32_t>(Raw(Call::kGetgid)); }
inline std::uint32_t Getppid() noexcept { return static_cast<std::uint32_t>(Raw(Call::kGetppid)); }
inline long Getresuid(std::uint32_t* real, std::uint32_t* effective, std::uint32_t* saved) noexcept {
  return Raw(Call::kGetresuid, Address(real), Address(effective), Address(saved));
}
inline long Getresgid(std::uint32_t* real, std::uint32_t* effective, std::uint32_t* saved) noexcept {
  return Raw(Call::kGetresgid, Address(real), Address(effective), Address(saved));
}
// Both return what was set before.
inline std::uint32_t Setfsuid(std::uint32_t id) noexcept {
  return static_cast<std::uint32_t>(Raw(Call::kSetfsuid, id));
}
inline std::uint32_t Setfsgid(std::uint32_t id) noexcept {
  return static_cast<std::uint32_t>(Raw(Call::kSetfsgid, id));
}
// Six names of 65 bytes.
inline long Uname(char* names) noexcept { return Raw(Call::kUname, Address(names)); }
inline long Kill(std::uint32_t pid, int signal) noexcept { return Raw(Call::kKill, pid, Wide(signal)); }
inline long Tkill(std::uint32_t tid, int signal) noexcept { return Raw(Call::kTkill, tid, Wide(signal)); }
inline long Tgkill(std::uint32_t pid, std::uint32_t tid, int signal) noexcept {
  return Raw(Call::kTgkill, pid, tid, Wide(signal));
}
inline long SendSignalInfo(std::uint32_t pid, std::uint32_t tid, int signal, const void* info) noexcept {
  return Raw(Call::kRtTgsigqueueinfo, pid, tid, Wide(signal), Address(info));
}
// Actions are the kernel's struct sigaction, with masks of 64 signals.
inline long RtSigaction(int signal, const void* action, void* old) noexcept {
  return Raw(Call::kRtSigaction, Wide(signal), Address(action), Address(old), 8);
}
inline int PidfdOpen(std::uint32_t pid) noexcept { return static_cast<int>(Raw(Call::kPidfdOpen, pid, 0)); }
inline void SchedYield() noexcept { Raw(Call::kSchedYield); }
inline long Prctl(int option, std::uint64_t argument) noexcept { return Raw(Call::kPrctl, Wide(option), argument); }

inline long ClockGettime(int clock, Timespec* out) noexcept {
  return Raw(Call::kClockGettime, Wide(clock), Address(out));
}
inline long ClockResolution(int clock, Timespec* out) noexcept {
  return Raw(Call::kClockGetres, Wide(clock), Address(out));
}

// `count` pieces on both sides.
inline long ProcessVmReadv(std::uint32_t pid, const IoVector* local, const IoVector* remote,
                           std::uint64_t count = 1) noexcept {
  return Raw(Call::kProcessVmReadv, pid, Address(local), count, Address(remote), count, 0);
}

inline long ProcessVmWritev(std::uint32_t pid, const IoVector* local, const IoVector* remote) noexcept {
  return Raw(Call::kProcessVmWritev, pid, Address(local), 1, Address(remote), 1, 0);
}

// Shared futexes: the words lie in files. Timeouts are relative; null waits for ever.
inline long FutexWait(const std::uint32_t* word, std::uint32_t expected, const Timespec* timeout) noexcept {
  return Raw(Call::kFutex, Address(word), 0, expected, Address(timeout));
}
inline long FutexWake(const std::uint32_t* word, std::uint32_t count) noexcept {
  return Raw(Call::kFutex, Address(word), 1, count);
}

// membarrier(2): every running thread of the processes that registered passes a full memory barrier before
// RemoteBarrier() returns. Registration lasts until execve, and a child inherits it; with several threads it takes some
// milliseconds.
inline long RegisterForRemoteBarriers() noexcept { return Raw(Call::kMembarrier, 1U << 2); }  // GLOBAL_EXPEDITED
inline long RemoteBarrier() noexcept { return Raw(Call::kMembarrier, 1U << 1); }

}  // namespace strata::runtime::sys
