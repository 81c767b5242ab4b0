#include <asm/errno.h>
#include <sys/prctl.h>

#include "functions.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/slots.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kCommSize = 16;
constexpr std::uint64_t kLastSignal = 64;
constexpr std::uint64_t kMaxLoops = 8 << 20;  // BPF_MAX_LOOPS

[[gnu::tls_model("initial-exec")]] __thread std::uint64_t random_state;

// struct bpf_pidns_info
struct NamespaceIds {
  std::uint32_t pid;
  std::uint32_t tgid;
};

}  // namespace

STRATA_HELPER(HelperPidTgid) {
  const ThreadIds ids = CurrentIds(*run->process);
  return (std::uint64_t{ids.pid} << 32) | ids.tid;
}

STRATA_HELPER(HelperNamespacePidTgid) {
  auto* out = PointerFrom<NamespaceIds>(r3);
  const Process& process = *run->process;
  if (r4 != sizeof(NamespaceIds) || process.namespace_inode == 0 || r1 != process.namespace_device ||
      r2 != process.namespace_inode) {
    memset(out, 0, static_cast<std::uint32_t>(r4));
    return Status(-EINVAL);
  }
  const ThreadIds ids = CurrentIds(*run->process);
  *out = {ids.tid, ids.pid};
  return 0;
}

STRATA_HELPER(HelperUidGid) { return (std::uint64_t{sys::Getgid()} << 32) | sys::Getuid(); }

// The thread's name, not the program's. It may be changed from outside at any time, so it is asked for each time.
STRATA_HELPER(HelperComm) {
  const auto size = static_cast<std::uint32_t>(r2);
  if (size == 0) return Status(-EINVAL);
  char comm[kCommSize] = {};
  sys::Prctl(PR_GET_NAME, sys::Address(comm));
  auto* out = PointerFrom<char>(r1);
  memset(out, 0, size);
  const std::uint32_t room = size < kCommSize ? size : kCommSize;
  for (std::uint32_t i = 0; i + 1 < room && comm[i] != 0; ++i) out[i] = comm[i];
  return 0;
}

STRATA_HELPER(HelperProcessorId) {
  if (run->slot == kNoSlot) [[unlikely]]
    run->slot = LeaseSlot(*run->process);
  if (run->slot != kNoSlot) [[likely]]
    return run->slot;
  run->flags |= run_flags::kMissed;
  return CurrentCpu(*run->process);
}

STRATA_HELPER(HelperNumaNode) { return CurrentNumaNode(*run->process); }

// Signal 0 is sent to nobody, which succeeds, as in the kernel.
STRATA_HELPER(HelperSendSignal) {
  const auto signal = static_cast<std::uint32_t>(r1);
  if (signal > kLastSignal) return Status(-EINVAL);
  return Status(sys::Kill(CurrentIds(*run->process).pid, static_cast<int>(signal)));
}

STRATA_HELPER(HelperSendSignalThread) {
  const auto signal = static_cast<std::uint32_t>(r1);
  if (signal > kLastSignal) return Status(-EINVAL);
  const ThreadIds ids = CurrentIds(*run->process);
  return Status(sys::Tgkill(ids.pid, ids.tid, static_cast<int>(signal)));
}

// xorshift64* per thread: as unpredictable as the kernel's prandom, which is for sampling only.
STRATA_HELPER(HelperRandom) {
  std::uint64_t state = random_state;
  if (state == 0) state = (__builtin_ia32_rdtsc() ^ CurrentOwner(*run->process)) | 1;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  random_state = state;
  return (state * 0x2545f4914f6cdd1dULL) >> 32;
}

// What a kernel says on a processor that records no branches.
STRATA_HELPER(HelperBranchSnapshot) { return Status(r3 != 0 ? -EINVAL : -ENOENT); }

STRATA_HELPER(HelperLoop) {
  if (r4 != 0) return Status(-EINVAL);
  const auto rounds = static_cast<std::uint32_t>(r1);
  if (rounds > kMaxLoops) return Status(-E2BIG);
  for (std::uint32_t i = 0; i < rounds; ++i) {
    if (run->callback(i, r3, 0, 0, r2, run) != 0 || run->budget < 0) return i + 1;
  }
  return rounds;
}

}  // namespace strata::runtime
