#include "strata/backend/userspace/runtime/slots.h"

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr int kRounds = 16;

// CPU (bits 0..11) and node, which the kernel keeps in the limit of a segment for the vDSO
// (arch/x86/include/asm/segment.h, __CPUNODE_SEG).
std::uint32_t CpuAndNode() {
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

std::uint32_t CurrentCpu() noexcept { return CpuAndNode() & 0xfff; }
std::uint32_t CurrentNumaNode() noexcept { return CpuAndNode() >> 12; }

std::uint32_t LeaseSlot(Process& process) noexcept {
  const OwnerWord self = CurrentOwner(process);
  std::uint32_t first = CurrentCpu();
  if (first >= process.slot_count) first %= process.slot_count;
  if (TryLease(process.slots[first], 0, self)) [[likely]]
    return first;
  return Search(process, first, self);
}

}  // namespace strata::runtime
