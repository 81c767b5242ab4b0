// A program made runnable in this process: its image relocated into private executable memory, or the interpreter over
// its instructions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/reason.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/run_context.h"
#include "strata/backend/userspace/runtime/slots.h"
#include "strata/backend/userspace/runtime/spin_lock.h"

namespace strata::runtime {

struct ProgramInstance {
  ImageEntry entry;        // never null
  TailEntry tail_entry;    // nor that
  CallbackThunk callback;  // null for programs without callbacks
  Process* process;
  void* engine_state;   // the interpreter's program; null for images
  std::uint32_t flags;  // program_flags
  std::uint32_t id;
  ProgramType type;
  std::uint32_t references;
  bool is_resolved;  // one of them is held because the id was found in a map
  bool is_forgotten;
  std::uint32_t map_count;
  MapView** maps;    // the program's map table
  std::byte* image;  // mapped read and execute
  std::uint64_t image_size;
  const ProgramFunction* functions;  // those that may be callbacks
  std::uint32_t function_count;
  std::uint32_t import_count;
  ImportedFunction* imports;
  ProgramInstance* next;
  char name[kNameSize];
};
static_assert(offsetof(ProgramInstance, entry) == kProgramEntryOffset &&
              offsetof(ProgramInstance, tail_entry) == kProgramTailEntryOffset);

// Makes prog-<program_id> runnable, or returns the instance that there is and counts it. Errors: -EACCES when the file
// or folder belongs to somebody else or others may write it, -EPROTO for another layout or image ABI, -EBADMSG for a
// table or relocation outside of the file or a map that differs from what was compiled, -ENOENT when it or one of its
// maps is gone. `reason` says it in words.
long InstantiateProgram(Process& process, int folder_fd, std::uint32_t program_id, ProgramInstance** out,
                        Reason* reason) noexcept;

// At the last release the code is unmapped: the caller has waited until no thread can be inside of it.
void ReleaseProgram(ProgramInstance* program) noexcept;

// What a run gives back. One that was cut off may still hold records, which would keep the consumer waiting, and a
// lock.
[[gnu::always_inline]] inline void EndRun(RunContext& run) noexcept {
  if (run.open_record_count != 0) [[unlikely]]
    DiscardOpenRecords(run);
  if (run.held_lock != nullptr) [[unlikely]]
    DropSpinLock(run.held_lock);
  if (run.slot != kNoSlot) ReleaseSlot(*run.process, run.slot);
}

// For a run that has none. False, and run_flags::kMissed set, where no slot is to be had.
[[gnu::always_inline]] inline bool LeaseSlotFor(RunContext& run) noexcept {
  run.slot = LeaseSlot(*run.process);
  if (run.slot != kNoSlot) [[likely]]
    return true;
  run.flags |= run_flags::kMissed;
  return false;
}

// For the target of a tail call, which its caller may have brought none for: without one the run ends.
[[gnu::always_inline]] inline bool LeaseSlotForTarget(const ProgramInstance& target, RunContext& run) noexcept {
  if ((target.flags & program_flags::kUsesSlot) == 0 || run.slot != kNoSlot || LeaseSlotFor(run)) [[likely]]
    return true;
  run.budget = -1;
  return false;
}

// Runs it once and returns R0. The caller sets context, cookie and function_address. When no slot was to be had, the
// result is 0 and run_flags::kMissed is set.
[[gnu::always_inline]] inline std::uint64_t RunProgram(const ProgramInstance& program, RunContext& run) noexcept {
  run.process = program.process;
  run.program = &program;
  if ((program.flags & program_flags::kUsesSlot) != 0 && !LeaseSlotFor(run)) return 0;
  const std::uint64_t result = program.entry(run.context, &run);
  EndRun(run);
  return result;
}

// The position of the function that a program calls `callback`; -EINVAL when there is none.
long FindFunction(const ProgramInstance& program, std::uint64_t callback) noexcept;

// Runs one of its functions alone, as a helper does its callback, and returns R0. As with RunProgram, the result is 0
// and run_flags::kMissed set when no slot was to be had. `function`: below function_count.
std::uint64_t RunFunction(const ProgramInstance& program, std::uint32_t function, std::uint64_t r1, std::uint64_t r2,
                          std::uint64_t r3, RunContext& run) noexcept;

}  // namespace strata::runtime
