// The functions behind the table, by file.
#pragma once

#include "strata/backend/userspace/runtime/run_context.h"

namespace strata::runtime {

#define STRATA_HELPER(name)                                                                                    \
  std::uint64_t name(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, std::uint64_t r5, \
                     RunContext* run) noexcept

// map_helpers.cc
STRATA_HELPER(HelperMapLookup);
STRATA_HELPER(HelperMapUpdate);
STRATA_HELPER(HelperMapDelete);
STRATA_HELPER(HelperMapLookupPerCpu);
STRATA_HELPER(HelperMapPush);
STRATA_HELPER(HelperMapPop);
STRATA_HELPER(HelperMapPeek);
STRATA_HELPER(HelperForEachMapElement);
STRATA_HELPER(HelperSpinLock);
STRATA_HELPER(HelperSpinUnlock);

// tail_call.cc
STRATA_HELPER(HelperTailCall);
STRATA_HELPER(HelperLeaseSlot);

// cgroup_helpers.cc
STRATA_HELPER(HelperCgroupId);
STRATA_HELPER(HelperAncestorCgroupId);
STRATA_HELPER(HelperIsUnderCgroup);

// local_storage.cc
STRATA_HELPER(HelperTaskStorageGet);
STRATA_HELPER(HelperTaskStorageDelete);
STRATA_HELPER(HelperCgroupStorageGet);
STRATA_HELPER(HelperCgroupStorageDelete);

// ring_helpers.cc
STRATA_HELPER(HelperRingOutput);
STRATA_HELPER(HelperRingReserve);
STRATA_HELPER(HelperRingSubmit);
STRATA_HELPER(HelperRingDiscard);
STRATA_HELPER(HelperRingQuery);
STRATA_HELPER(HelperUserRingDrain);

// dynptr_helpers.cc
STRATA_HELPER(HelperDynptrFromMemory);
STRATA_HELPER(HelperRingReserveDynptr);
STRATA_HELPER(HelperRingSubmitDynptr);
STRATA_HELPER(HelperRingDiscardDynptr);
STRATA_HELPER(HelperDynptrRead);
STRATA_HELPER(HelperDynptrWrite);
STRATA_HELPER(HelperDynptrData);

// timer_helpers.cc
STRATA_HELPER(HelperTimerInit);
STRATA_HELPER(HelperTimerSetCallback);
STRATA_HELPER(HelperTimerStart);
STRATA_HELPER(HelperTimerCancel);

// functions/arena_functions.cc
STRATA_HELPER(HelperArenaMemory);

// checksum_helpers.cc
STRATA_HELPER(HelperChecksumDifference);

// perf_helpers.cc
STRATA_HELPER(HelperPerfOutput);

// stack_helpers.cc
STRATA_HELPER(HelperStackId);
STRATA_HELPER(HelperStack);

// memory_helpers.cc
STRATA_HELPER(HelperProbeRead);
STRATA_HELPER(HelperProbeReadUser);
STRATA_HELPER(HelperProbeReadKernel);
STRATA_HELPER(HelperProbeReadString);
STRATA_HELPER(HelperProbeReadUserString);
STRATA_HELPER(HelperProbeReadKernelString);
STRATA_HELPER(HelperCopyFromUser);
STRATA_HELPER(HelperProbeWriteUser);

// time_helpers.cc
STRATA_HELPER(HelperMonotonicTime);
STRATA_HELPER(HelperBootTime);
STRATA_HELPER(HelperCoarseTime);
STRATA_HELPER(HelperTaiTime);
STRATA_HELPER(HelperJiffies);

// task_helpers.cc
STRATA_HELPER(HelperPidTgid);
STRATA_HELPER(HelperNamespacePidTgid);
STRATA_HELPER(HelperUidGid);
STRATA_HELPER(HelperComm);
STRATA_HELPER(HelperProcessorId);
STRATA_HELPER(HelperNumaNode);
STRATA_HELPER(HelperSendSignal);
STRATA_HELPER(HelperSendSignalThread);
STRATA_HELPER(HelperRandom);
STRATA_HELPER(HelperLoop);
STRATA_HELPER(HelperBranchSnapshot);

// probe_helpers.cc
STRATA_HELPER(HelperFunctionAddress);
STRATA_HELPER(HelperCookie);
STRATA_HELPER(HelperOverrideReturn);
STRATA_HELPER(HelperFunctionArgument);
STRATA_HELPER(HelperFunctionResult);
STRATA_HELPER(HelperFunctionArgumentCount);

// task_struct_helpers.cc
STRATA_HELPER(HelperCurrentTask);
STRATA_HELPER(HelperTaskRegisters);
STRATA_HELPER(HelperCopyFromUserTask);
STRATA_HELPER(HelperFindArea);
STRATA_HELPER(HelperGuardedLoad);

// string_helpers.cc
STRATA_HELPER(HelperParseLong);
STRATA_HELPER(HelperParseUnsignedLong);
STRATA_HELPER(HelperCompareStrings);
STRATA_HELPER(HelperPrintToBuffer);
STRATA_HELPER(HelperTracePrint);
STRATA_HELPER(HelperTracePrintArray);

template <typename T>
T* PointerFrom(std::uint64_t value) noexcept {
  return reinterpret_cast<T*>(value);
}
inline std::uint64_t Status(long error) noexcept { return static_cast<std::uint64_t>(error); }

}  // namespace strata::runtime
