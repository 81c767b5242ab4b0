#include "strata/backend/userspace/runtime/slots.h"

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr int kRounds = 64;  // with a yield of the processor after each

// CPU (bits 0..11) and node. The kernel keeps them for the vDSO in a register that RDPID reads and, for processors
// without it, in the limit of a segment (arch/x86/include/asm/segment.h, __CPUNODE_SEG), which takes four times as long
// to read.
std::uint32_t CpuAndNode(const Process& process) {
  if (process.has_rdpid) [[likely]] {
    std::uint64_t number = 0;
    __asm__ volatile(".byte 0xf3, 0x0f, 0xc7, 0xf8" : "=a"(number));  // rdpid %rax
    return static_cast<std::uint32_t>(number);
  }
  constexpr std::uint32_t kCpuNodeSegment = 15 * 8 + 3;
  std::uint32_t limit = 0;
  __asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"(kCpuNodeSegment));
  return limit;
}

bool TryLease(SlotWord& slot, OwnerWord expected, OwnerWord self) {
  return __atomic_compare_exchange_n(&slot.owner, &expected, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

// Any free slot, beginning with `first`; in later rounds also those of the dead.
std::uint32_t Search(Process& process, std::uint32_t first, OwnerWord self) {
  for (int round = 0; round < kRounds; ++round) {
    for (std::uint32_t i = 0; i < process.slot_count; ++i) {
      const std::uint32_t index = (first + i) % process.slot_count;
      SlotWord& slot = process.slots[index];
      const OwnerWord holder = __atomic_load_n(&slot.owner, __ATOMIC_RELAXED);
      if (holder == 0 && TryLease(slot, 0, self)) return index;
      if (round > 0 && holder != 0 && holder != self && IsOwnerDead(process, holder) && TryLease(slot, holder, self))
        return index;
    }
    sys::SchedYield();
  }
  return kNoSlot;
}

}  // namespace

std::uint32_t CurrentCpu(const Process& process) noexcept { return CpuAndNode(process) & 0xfff; }
std::uint32_t CurrentNumaNode(const Process& process) noexcept { return CpuAndNode(process) >> 12; }

std::uint32_t LeaseSlot(Process& process) noexcept {
  const OwnerWord self = CurrentOwner(process);
  std::uint32_t first = CurrentCpu(process);
  if (first >= process.slot_count) first %= process.slot_count;
  if (TryLease(process.slots[first], 0, self)) [[likely]]
    return first;
  return Search(process, first, self);
}

bool TakeSlot(Process& process, std::uint32_t slot) noexcept {
  const OwnerWord self = CurrentOwner(process);
  const OwnerWord holder = __atomic_load_n(&process.slots[slot].owner, __ATOMIC_RELAXED);
  if (holder != 0 && !IsOwnerDead(process, holder)) return false;
  return TryLease(process.slots[slot], holder, self);
}

}  // namespace strata::runtime
