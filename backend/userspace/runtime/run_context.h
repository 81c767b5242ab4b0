// What a run of a program carries, and how compiled code, the interpreter and the helpers call one another. Bumping any
// of this bumps kImageAbi.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"

namespace strata::runtime {

struct Process;  // per-process state of the runtime (process.h)
struct ProgramInstance;
struct MapView;

// Until the verifier bounds every loop, a run may take this many backward jumps and calls before it is ended with
// result 0: bpf_loop's longest, 1 << 23 calls of its callback, and as much again.
inline constexpr std::int64_t kRunBudget = 1 << 24;
// may_goto jumps once less than this is left, so that the program ends by its own means.
inline constexpr std::int64_t kMayGotoReserve = 1 << 16;
inline constexpr std::uint32_t kNoSlot = 0xffffffff;
inline constexpr std::uint32_t kMaxTailCalls = 33;  // MAX_TAIL_CALL_CNT; of one run, in all its frames

// Where engines find the fields of ProgramInstance that they need for a tail call.
inline constexpr std::int32_t kProgramEntryOffset = 0;
inline constexpr std::int32_t kProgramTailEntryOffset = 8;

// What a process knows of the objects in a map lies behind the map's file in its memory (resolved_objects.h): a 64-bit
// id for each place, then an address for each place. These are bytes from the start of the file of an array, where the
// ids that are there now lie.
constexpr std::uint64_t ObjectIdsSize(std::uint32_t max_entries) {
  return (std::uint64_t{max_entries} * sizeof(std::uint32_t) + kPageSize - 1) / kPageSize * kPageSize;
}
constexpr std::uint64_t KnownIdsOffset(std::uint32_t max_entries) { return ObjectIdsSize(max_entries) + kPageSize; }
constexpr std::uint64_t KnownObjectsOffset(std::uint32_t max_entries) {
  return KnownIdsOffset(max_entries) + std::uint64_t{max_entries} * sizeof(std::uint64_t);
}

// Of RunContext::flags.
namespace run_flags {
// The program did not run, or not to its end, because no slot was free.
inline constexpr std::uint32_t kMissed = 1U << 0;
// The hooked function shall return at once, with override_result.
inline constexpr std::uint32_t kOverride = 1U << 1;
}  // namespace run_flags

// What a run is for, where it is a probe's.
enum class ProbeEvent : std::uint32_t {
  kNone,    // no function's: a timer, say
  kEntry,   // a place before the function's end
  kReturn,  // the function has returned
};

struct RunContext;

// Entry of an image: System V calling convention. Returns R0. RunContext::program is then the instance that the image
// belongs to. An image with callbacks stores its thunk in RunContext::callback, and one with an unwind target its stack
// pointer in RunContext::engine_state, before it does anything else: whoever enters sets neither.
//
// A tail call counts itself in RunContext::tail_calls_left, stores the target in RunContext::program and takes the
// caller's frame down as at its end (registers that belong to the C caller restored). The target returns to the
// caller's caller: from a subprogram, to the function that had called it, in another image perhaps. So a call of a
// function that may end in a tail call is followed by restoring program, engine_state and callback, and by a look at
// the budget, which the target may have used up. The interpreter calls the target's entry; compiled code jumps to its
// tail entry.
using ImageEntry = std::uint64_t (*)(void* context, RunContext* run);

// Where compiled code enters the target of a tail call: the context is in rdi, the run in r12, and the r12 of the C
// caller lies at rsp, in front of the return address. No C function.
using TailEntry = void (*)();

// Calls the eBPF function at `function` (an address inside the image) with R1..R4; helpers use it for callbacks. Keeps
// the C caller's registers.
using CallbackThunk = std::uint64_t (*)(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                                        std::uint64_t function, RunContext* run);

// A helper gets R1..R5 and, as sixth argument, the run. Never blocks without bound, never throws, touches no vector
// register.
using Helper = std::uint64_t (*)(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                                 std::uint64_t r5, RunContext* run) noexcept;

// Not a number that programs can call: the helper by which engines load through pointers that may lead nowhere. R1 is
// the address, R2 the size in bytes; gives the value without its sign, or 0.
inline constexpr std::uint32_t kGuardedLoadHelper = 1U << 30;
// The same for memory of arenas: R1 is the pointer, R2 the size in bytes, R3 the arena's MapView; gives the address in
// this process, or 0 where there is no page.
inline constexpr std::uint32_t kArenaMemoryHelper = kGuardedLoadHelper + 1;
// A slot for the rest of the run, for the target of a tail call that uses one; 0 where none is to be had: the run has
// missed its event, and ends.
inline constexpr std::uint32_t kLeaseSlotHelper = kGuardedLoadHelper + 2;

// A record of a ring buffer that a run has reserved and neither submitted nor discarded.
struct OpenRecord {
  MapView* ring;
  void* payload;
};
inline constexpr std::uint32_t kMaxOpenRecords = 8;  // of a run at a time

// A function that a program calls by name.
struct ImportedFunction {
  Helper function;      // the runtime's own, called as helpers are; null for
  const void* address;  // one of the host
};

// On the stack of whoever starts the run. Compiled code holds its address in r12, or in r9 where it calls nothing, and
// knows the offsets of those fields that the assertion below names.
struct RunContext {
  std::int64_t budget = kRunBudget;  // counted down; below zero the run ends
  std::uint32_t slot = kNoSlot;      // leased before the run when the program uses one
  std::uint32_t flags = 0;
  Process* process = nullptr;
  void* context = nullptr;                   // what R1 was at the start: struct pt_regs for uprobes
  std::uint64_t cookie = 0;                  // bpf_get_attach_cookie
  std::uint64_t function_address = 0;        // bpf_get_func_ip
  CallbackThunk callback = nullptr;          // null for programs without callbacks
  void* engine_state = nullptr;              // the interpreter's frame, or the stack pointer to end a compiled run at
  const ProgramInstance* program = nullptr;  // that runs: the last one called by a tail call
  std::uint32_t tail_calls_left = kMaxTailCalls;
  ProbeEvent event = ProbeEvent::kNone;
  std::uint32_t* held_lock = nullptr;  // the spin lock of a map's value that the run holds
  std::uint64_t override_result = 0;   // bpf_override_return
  std::uint32_t open_record_count = 0;
  std::uint32_t reserved2 = 0;
  OpenRecord open_records[kMaxOpenRecords];  // the first open_record_count; the others are never read
};
static_assert(offsetof(RunContext, budget) == 0 && offsetof(RunContext, slot) == 8 &&
              offsetof(RunContext, callback) == 48 && offsetof(RunContext, engine_state) == 56 &&
              offsetof(RunContext, program) == 64 && offsetof(RunContext, tail_calls_left) == 72);

}  // namespace strata::runtime
