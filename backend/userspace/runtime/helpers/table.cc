// The table of helpers. One more helper is one row here and one function beside it; docs/helpers.md is printed from it.
#include "strata/backend/userspace/runtime/helpers/table.h"

#include "functions.h"

namespace strata::runtime {
namespace {

using enum ArgumentKind;
using helper_flags::kGplOnly;
using helper_flags::kMayEndRun;
using helper_flags::kOfProbes;
using helper_flags::kUsesSlot;
using helper_flags::kUsesTask;
using ReturnKind::kInteger;
using ReturnKind::kKernelPointer;
using ReturnKind::kMapValueOrNull;
using ReturnKind::kRingRecordOrNull;
using ReturnKind::kVoid;

constexpr HelperRow kHelpers[] = {
    {1, "map_lookup_elem", HelperMapLookup, kMapValueOrNull, {kMap, kMapKey}, 0},
    {2, "map_update_elem", HelperMapUpdate, kInteger, {kMap, kMapKey, kMapValue, kAnything}, 0},
    {3, "map_delete_elem", HelperMapDelete, kInteger, {kMap, kMapKey}, 0},
    {4, "probe_read", HelperProbeRead, kInteger, {kUninitMemory, kSizeOrZero, kAnything}, kGplOnly},
    {5, "ktime_get_ns", HelperMonotonicTime, kInteger, {}, 0},
    {6, "trace_printk", HelperTracePrint, kInteger, {kMemory, kSize, kAnything, kAnything, kAnything}, kGplOnly},
    {7, "get_prandom_u32", HelperRandom, kInteger, {}, 0},
    {8, "get_smp_processor_id", HelperProcessorId, kInteger, {}, kUsesSlot},
    {12, "tail_call", HelperTailCall, kVoid, {kContext, kMap, kAnything}, kMayEndRun},
    {14, "get_current_pid_tgid", HelperPidTgid, kInteger, {}, 0},
    {15, "get_current_uid_gid", HelperUidGid, kInteger, {}, 0},
    {16, "get_current_comm", HelperComm, kInteger, {kUninitMemory, kSize}, 0},
    {25,
     "perf_event_output",
     HelperPerfOutput,
     kInteger,
     {kContext, kMap, kAnything, kMemory, kSizeOrZero},
     kGplOnly | kUsesSlot},
    {27, "get_stackid", HelperStackId, kInteger, {kContext, kMap, kAnything}, kGplOnly},
    {28,
     "csum_diff",
     HelperChecksumDifference,
     kInteger,
     {kMemoryOrNull, kSizeOrZero, kMemoryOrNull, kSizeOrZero, kAnything},
     0},
    {35, "get_current_task", HelperCurrentTask, kInteger, {}, kGplOnly | kUsesTask},
    {36, "probe_write_user", HelperProbeWriteUser, kInteger, {kAnything, kMemory, kSize}, kGplOnly},
    {37, "current_task_under_cgroup", HelperIsUnderCgroup, kInteger, {kMap, kAnything}, 0},
    {42, "get_numa_node_id", HelperNumaNode, kInteger, {}, 0},
    {45, "probe_read_str", HelperProbeReadString, kInteger, {kUninitMemory, kSizeOrZero, kAnything}, kGplOnly},
    {58, "override_return", HelperOverrideReturn, kInteger, {kContext, kAnything}, kGplOnly | kOfProbes},
    {67, "get_stack", HelperStack, kInteger, {kContext, kUninitMemory, kSizeOrZero, kAnything}, kGplOnly},
    {80, "get_current_cgroup_id", HelperCgroupId, kInteger, {}, 0},
    {87, "map_push_elem", HelperMapPush, kInteger, {kMap, kMapValue, kAnything}, 0},
    {88, "map_pop_elem", HelperMapPop, kInteger, {kMap, kUninitMapValue}, 0},
    {89, "map_peek_elem", HelperMapPeek, kInteger, {kMap, kUninitMapValue}, 0},
    {93, "spin_lock", HelperSpinLock, kVoid, {kSpinLock}, kMayEndRun},
    {94, "spin_unlock", HelperSpinUnlock, kVoid, {kSpinLock}, 0},
    {105, "strtol", HelperParseLong, kInteger, {kMemory, kSize, kAnything, kLongOut}, 0},
    {106, "strtoul", HelperParseUnsignedLong, kInteger, {kMemory, kSize, kAnything, kLongOut}, 0},
    {109, "send_signal", HelperSendSignal, kInteger, {kAnything}, 0},
    {112, "probe_read_user", HelperProbeReadUser, kInteger, {kUninitMemory, kSizeOrZero, kAnything}, kGplOnly},
    {113, "probe_read_kernel", HelperProbeReadKernel, kInteger, {kUninitMemory, kSizeOrZero, kAnything}, kGplOnly},
    {114,
     "probe_read_user_str",
     HelperProbeReadUserString,
     kInteger,
     {kUninitMemory, kSizeOrZero, kAnything},
     kGplOnly},
    {115,
     "probe_read_kernel_str",
     HelperProbeReadKernelString,
     kInteger,
     {kUninitMemory, kSizeOrZero, kAnything},
     kGplOnly},
    {117, "send_signal_thread", HelperSendSignalThread, kInteger, {kAnything}, 0},
    {118, "jiffies64", HelperJiffies, kInteger, {}, 0},
    {120, "get_ns_current_pid_tgid", HelperNamespacePidTgid, kInteger, {kAnything, kAnything, kUninitMemory, kSize}, 0},
    {123, "get_current_ancestor_cgroup_id", HelperAncestorCgroupId, kInteger, {kAnything}, 0},
    {125, "ktime_get_boot_ns", HelperBootTime, kInteger, {}, 0},
    {130, "ringbuf_output", HelperRingOutput, kInteger, {kMap, kMemory, kSizeOrZero, kAnything}, 0},
    {131, "ringbuf_reserve", HelperRingReserve, kRingRecordOrNull, {kMap, kAllocationSize, kAnything}, 0},
    {132, "ringbuf_submit", HelperRingSubmit, kVoid, {kRingRecord, kAnything}, 0},
    {133, "ringbuf_discard", HelperRingDiscard, kVoid, {kRingRecord, kAnything}, 0},
    {134, "ringbuf_query", HelperRingQuery, kInteger, {kMap, kAnything}, 0},
    {148, "copy_from_user", HelperCopyFromUser, kInteger, {kUninitMemory, kSizeOrZero, kAnything}, 0},
    {156, "task_storage_get", HelperTaskStorageGet, kMapValueOrNull, {kMap, kAnything, kAnything, kAnything}, 0},
    {157, "task_storage_delete", HelperTaskStorageDelete, kInteger, {kMap, kAnything}, 0},
    {158, "get_current_task_btf", HelperCurrentTask, kKernelPointer, {}, kGplOnly | kUsesTask},
    {160, "ktime_get_coarse_ns", HelperCoarseTime, kInteger, {}, 0},
    {164,
     "for_each_map_elem",
     HelperForEachMapElement,
     kInteger,
     {kMap, kCallback, kCallbackState, kAnything},
     kUsesSlot},
    {165,
     "snprintf",
     HelperPrintToBuffer,
     kInteger,
     {kMemoryOrNull, kSizeOrZero, kConstString, kMemoryOrNull, kSizeOrZero},
     kGplOnly},
    {169, "timer_init", HelperTimerInit, kInteger, {kTimer, kMap, kAnything}, kGplOnly},
    {170, "timer_set_callback", HelperTimerSetCallback, kInteger, {kTimer, kCallback}, kGplOnly},
    {171, "timer_start", HelperTimerStart, kInteger, {kTimer, kAnything, kAnything}, kGplOnly},
    {172, "timer_cancel", HelperTimerCancel, kInteger, {kTimer}, kGplOnly},
    {173, "get_func_ip", HelperFunctionAddress, kInteger, {kContext}, kGplOnly},
    {174, "get_attach_cookie", HelperCookie, kInteger, {kContext}, 0},
    {175, "task_pt_regs", HelperTaskRegisters, kKernelPointer, {kTask}, kGplOnly | kUsesTask},
    {176, "get_branch_snapshot", HelperBranchSnapshot, kInteger, {kUninitMemory, kSizeOrZero, kAnything}, kGplOnly},
    {177, "trace_vprintk", HelperTracePrintArray, kInteger, {kMemory, kSize, kMemoryOrNull, kSizeOrZero}, kGplOnly},
    {180, "find_vma", HelperFindArea, kInteger, {kTask, kAnything, kCallback, kCallbackState, kAnything}, kUsesTask},
    {181, "loop", HelperLoop, kInteger, {kAnything, kCallback, kCallbackState, kAnything}, 0},
    {182, "strncmp", HelperCompareStrings, kInteger, {kMemory, kSize, kConstString}, 0},
    {183, "get_func_arg", HelperFunctionArgument, kInteger, {kContext, kAnything, kLongOut}, kOfProbes},
    {184, "get_func_ret", HelperFunctionResult, kInteger, {kContext, kLongOut}, kOfProbes},
    {185, "get_func_arg_cnt", HelperFunctionArgumentCount, kInteger, {kContext}, kOfProbes},
    {191,
     "copy_from_user_task",
     HelperCopyFromUserTask,
     kInteger,
     {kUninitMemory, kSizeOrZero, kAnything, kTask, kAnything},
     kGplOnly | kUsesTask},
    {195, "map_lookup_percpu_elem", HelperMapLookupPerCpu, kMapValueOrNull, {kMap, kMapKey, kAnything}, 0},
    {197,
     "dynptr_from_mem",
     HelperDynptrFromMemory,
     kInteger,
     {kUninitMemory, kSizeOrZero, kAnything, kUninitDynptr},
     0},
    {198, "ringbuf_reserve_dynptr", HelperRingReserveDynptr, kInteger, {kMap, kAnything, kAnything, kUninitDynptr}, 0},
    {199, "ringbuf_submit_dynptr", HelperRingSubmitDynptr, kVoid, {kRingDynptr, kAnything}, 0},
    {200, "ringbuf_discard_dynptr", HelperRingDiscardDynptr, kVoid, {kRingDynptr, kAnything}, 0},
    {201, "dynptr_read", HelperDynptrRead, kInteger, {kUninitMemory, kSizeOrZero, kDynptr, kAnything, kAnything}, 0},
    {202, "dynptr_write", HelperDynptrWrite, kInteger, {kDynptr, kAnything, kMemory, kSizeOrZero, kAnything}, 0},
    {203, "dynptr_data", HelperDynptrData, ReturnKind::kMemoryOrNull, {kDynptr, kAnything, kAllocationSize}, 0},
    {208, "ktime_get_tai_ns", HelperTaiTime, kInteger, {}, 0},
    {209, "user_ringbuf_drain", HelperUserRingDrain, kInteger, {kMap, kCallback, kCallbackState, kAnything}, 0},
    {210, "cgrp_storage_get", HelperCgroupStorageGet, kMapValueOrNull, {kMap, kCgroupOrNull, kAnything, kAnything}, 0},
    {211, "cgrp_storage_delete", HelperCgroupStorageDelete, kInteger, {kMap, kCgroupOrNull}, 0},
};

}  // namespace

HelperTable Helpers() noexcept { return {kHelpers, sizeof(kHelpers) / sizeof(kHelpers[0])}; }

const HelperRow* FindHelperRow(std::uint32_t id) noexcept {
  for (const HelperRow& row : Helpers()) {
    if (row.id == id) return &row;
  }
  return nullptr;
}

bool ReturnsKernelPointer(std::uint32_t id) noexcept {
  const HelperRow* row = FindHelperRow(id);
  return row != nullptr && row->returns == kKernelPointer;
}

Helper FindHelper(std::uint32_t id) noexcept {
  if (id == kGuardedLoadHelper) return HelperGuardedLoad;
  if (id == kArenaMemoryHelper) return HelperArenaMemory;
  if (id == kLeaseSlotHelper) return HelperLeaseSlot;
  const HelperRow* row = FindHelperRow(id);
  return row == nullptr ? nullptr : row->function;
}

bool IsHelperKnown(std::uint32_t id) noexcept { return FindHelperRow(id) != nullptr; }

}  // namespace strata::runtime
