// The helpers that programs may call, as one table: name, function, and what the verifier must know of the arguments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/run_context.h"

namespace strata::runtime {

// What a helper takes in one register (the kernel's enum bpf_arg_type, as far as these need it).
enum class ArgumentKind : std::uint8_t {
  kNone,
  kAnything,        // any number
  kMap,             // const struct bpf_map *
  kMapKey,          // key_size readable bytes
  kMapValue,        // value_size readable bytes
  kUninitMapValue,  // value_size writable bytes
  kContext,
  kMemory,  // readable, of the size in the next argument
  kMemoryOrNull,
  kUninitMemory,  // writable, of the size in the next argument
  kSize,          // at least 1
  kSizeOrZero,
  kAllocationSize,  // a constant
  kConstString,     // NUL-terminated, in read-only memory
  kCallback,
  kCallbackState,  // on the stack, or null
  kRingRecord,     // what reserve returned
  kLongOut,        // 8 writable bytes
  kTimer,          // struct bpf_timer in a map's value
  kDynptr,         // one that a helper has made, on the stack
  kRingDynptr,     // one of ringbuf_reserve_dynptr
  kUninitDynptr,   // 16 bytes of the stack for one
  kSpinLock,       // struct bpf_spin_lock in a map's value
  kTask,           // struct task_struct *
  kCgroupOrNull,   // struct cgroup *
};

enum class ReturnKind : std::uint8_t {
  kInteger,
  kVoid,
  kMapValueOrNull,
  kRingRecordOrNull,
  kMemoryOrNull,
  kKernelPointer,  // to a structure of the kernel's, typed by its BTF; programs load through it
};

namespace helper_flags {
inline constexpr std::uint32_t kUsesSlot = 1U << 0;   // programs that call it lease a slot
inline constexpr std::uint32_t kGplOnly = 1U << 1;    // as the kernel: only for programs with a GPL-compatible licence
inline constexpr std::uint32_t kUsesTask = 1U << 2;   // the program's file needs a layout of the kernel's tasks
inline constexpr std::uint32_t kMayEndRun = 1U << 3;  // by using up the budget
inline constexpr std::uint32_t kOfProbes = 1U << 4;   // only for programs of type kprobe
}  // namespace helper_flags

struct HelperRow {
  std::uint32_t id;  // the kernel's number (enum bpf_func_id)
  const char* name;  // without bpf_
  Helper function;
  ReturnKind returns;
  ArgumentKind arguments[5];
  std::uint32_t flags;
};

struct HelperTable {
  const HelperRow* rows;
  std::size_t count;
  const HelperRow* begin() const noexcept { return rows; }
  const HelperRow* end() const noexcept { return rows + count; }
};

// Sorted by id.
HelperTable Helpers() noexcept;
// Loads through what it returns may fault.
bool ReturnsKernelPointer(std::uint32_t id) noexcept;
// Null for a helper that this runtime does not have.
const HelperRow* FindHelperRow(std::uint32_t id) noexcept;
Helper FindHelper(std::uint32_t id) noexcept;
bool IsHelperKnown(std::uint32_t id) noexcept;

}  // namespace strata::runtime
