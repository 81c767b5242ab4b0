#include "program_load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include "signal_block.h"
#include "strata/backend/verifier_log.h"

namespace strata::kernel {
namespace {

constexpr int kMostRetries = 1000;  // of EAGAIN
constexpr int kMostLogAttempts = 30;
constexpr std::uint32_t kFirstLogSize = 64 * 1024;          // bytes
constexpr std::uint32_t kLargestLogSize = UINT32_MAX >> 2;  // the kernel's limit
// Of a log that nobody asked for. A kernel that says how long it is keeps its end, where the reason stands, and takes
// many seconds to write it all again.
constexpr std::uint32_t kLargestUnasked = 16U << 20;
constexpr std::uint32_t kFailureLogLevel = 1;  // BPF_LOG_LEVEL1: branches

// Room for the next try: what the kernel says that it needs, where it does (Linux 6.4), or twice as much.
std::uint32_t NextLogSize(std::uint32_t size, std::uint32_t true_size) {
  if (true_size > size) return std::min(true_size, kLargestLogSize);
  return size > kLargestLogSize / 2 ? kLargestLogSize : size * 2;
}

void MarkTruncated(std::string& log, std::uint32_t true_size) {
  if (log.empty()) return;
  const std::size_t kept = log.size();
  if (!log.ends_with('\n')) log += '\n';
  log += TruncationLine(kept, true_size > kept ? true_size : 0);
}

}  // namespace

FdOrErrno LoadOnce(const Context& context, ProgramLoadAttr& attr) {
  FdOrErrno loaded = context.Open(Command::kProgramLoad, attr);
  if (loaded.sys_errno != EAGAIN) return loaded;
  // A signal came while the program was verified. The profiler's comes again and again, so it waits from now on; most
  // loads see none, and need not pay for that.
  const ProfilerSignalBlocked blocked;
  for (int retry = 0; loaded.sys_errno == EAGAIN && retry < kMostRetries; ++retry) {
    loaded = context.Open(Command::kProgramLoad, attr);
  }
  return loaded;
}

namespace {

// One load with a log of `size` bytes. `attr` keeps the log's true size.
LoadOutcome LoadWithRoom(const Context& context, ProgramLoadAttr& attr, std::uint32_t size) {
  const std::unique_ptr<char[]> log(new (std::nothrow) char[size]);
  if (log == nullptr) return {{}, ENOMEM, {}};
  log[0] = '\0';
  attr.log_buf = AddressOf(log.get());
  attr.log_size = size;
  attr.log_true_size = 0;
  FdOrErrno loaded = LoadOnce(context, attr);
  return {std::move(loaded.fd), loaded.sys_errno, std::string(log.get(), ::strnlen(log.get(), size))};
}

// Until the log has room, or shall not grow any more.
LoadOutcome LoadWithGrowingLog(const Context& context, ProgramLoadAttr attr, std::uint32_t largest_true_size) {
  LoadOutcome outcome;
  std::uint32_t size = kFirstLogSize;
  for (int attempt = 1;; ++attempt) {
    LoadOutcome next = LoadWithRoom(context, attr, size);
    const bool is_out_of_memory = next.sys_errno == ENOMEM && next.log.empty() && !outcome.log.empty();
    if (!is_out_of_memory) outcome = std::move(next);
    const bool has_no_room = outcome.sys_errno == ENOSPC;
    const bool may_grow =
        size < kLargestLogSize && attempt < kMostLogAttempts && attr.log_true_size <= largest_true_size;
    if (has_no_room && !is_out_of_memory && may_grow) {
      size = NextLogSize(size, attr.log_true_size);
      continue;
    }
    // EFAULT: the kernel could not write all of it, and what it wrote is still worth reading.
    if (has_no_room || outcome.sys_errno == EFAULT) MarkTruncated(outcome.log, attr.log_true_size);
    return outcome;
  }
}

}  // namespace

LoadOutcome LoadWithLog(const Context& context, ProgramLoadAttr attr, std::uint32_t log_level) {
  int first_errno = 0;
  if (log_level == 0) {
    FdOrErrno silent = LoadOnce(context, attr);
    if (silent) return {std::move(silent.fd), 0, {}};
    first_errno = silent.sys_errno;
  }
  attr.log_level = log_level != 0 ? log_level : kFailureLogLevel;
  LoadOutcome outcome = LoadWithGrowingLog(context, attr, log_level != 0 ? UINT32_MAX : kLargestUnasked);
  if (!outcome.fd && first_errno != 0) outcome.sys_errno = first_errno;
  return outcome;
}

}  // namespace strata::kernel
