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
STRATA_HELPER(HelperForEachMapElement);

// tail_call.cc
STRATA_HELPER(HelperTailCall);

// cgroup_helpers.cc
STRATA_HELPER(HelperCgroupId);
STRATA_HELPER(HelperAncestorCgroupId);
STRATA_HELPER(HelperIsUnderCgroup);

// task_storage.cc
STRATA_HELPER(HelperTaskStorageGet);
STRATA_HELPER(HelperTaskStorageDelete);

// ring_helpers.cc
STRATA_HELPER(HelperRingOutput);
STRATA_HELPER(HelperRingReserve);
STRATA_HELPER(HelperRingSubmit);
STRATA_HELPER(HelperRingDiscard);
STRATA_HELPER(HelperRingQuery);

// memory_helpers.cc
STRATA_HELPER(HelperProbeRead);
STRATA_HELPER(HelperProbeReadString);
STRATA_HELPER(HelperCopyFromUser);

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
STRATA_HELPER(HelperFunctionAddress);
STRATA_HELPER(HelperCookie);
STRATA_HELPER(HelperLoop);

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
