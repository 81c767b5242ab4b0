// What the loader's planner, the engines in the traced process, and the handlers they call agree on.
//
// A plan is made where a decoder is (attach/plan) and applied where none is (attach/uprobe), possibly by another
// process: standard layout, no pointers, versioned, and checked before use (IsWellFormed).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace strata::attach {

// The registers at a hooked place, in the order of the kernel's struct pt_regs (arch/x86/include/asm/ptrace.h). `ip` is
// the hooked instruction's address (for a return: the address that the function returns to), `sp` and `flags` are the
// program's own.
struct PtRegs {
  std::uint64_t r15, r14, r13, r12, bp, bx;
  std::uint64_t r11, r10, r9, r8, ax, cx, dx, si, di;
  std::uint64_t orig_ax, ip, cs, flags, sp, ss;
};
static_assert(sizeof(PtRegs) == 168 && offsetof(PtRegs, ip) == 128 && offsetof(PtRegs, sp) == 152);

// One who wants to know of an event. Both functions run inside the traced program, between two of its instructions:
// they call nothing of the host, touch no vector register, and may run on any thread. A run may write `regs`, but only
// to read it back itself: nothing of it reaches the program.
struct Handler {
  void (*run)(void* cookie, PtRegs* regs) = nullptr;
  void (*missed)(void* cookie) =
      nullptr;  // an event that was not run: recursion, or no room for a return address; may be null
  void* cookie = nullptr;
};

enum class ProbeKind : std::uint8_t { kEntry = 0, kReturn = 1 };

// --- Uprobe plans ----------------------------------------------------------------------------------------------------
inline constexpr std::uint32_t kUprobePlanVersion = 1;
inline constexpr std::size_t kJumpSize = 5;        // bytes of `jmp rel32`
inline constexpr std::size_t kMaxWindow = 4 + 15;  // four bytes of instructions, then the longest one
inline constexpr std::size_t kMaxDisplacedCode = 96;
inline constexpr std::size_t kMaxFixups = 8;
inline constexpr std::size_t kMaxWindowInstructions = kJumpSize;

enum class FixupKind : std::uint8_t {
  kRelative32 = 1,  // 4 bytes at `offset`: the target's distance from the code's byte `next`
  kAbsolute64 = 2,  // 8 bytes at `offset`: the target's address
};

// A place in the displaced code that depends on where site and code lie. The target is told as a distance from the
// site's first byte, which is the same in the file's addresses and in memory.
struct Fixup {
  FixupKind kind;
  std::uint8_t offset;
  std::uint8_t next;
  std::uint8_t reserved[5];
  std::int64_t target;
};
static_assert(sizeof(Fixup) == 16);

// Where an instruction of the window went; the first is {0, 0}. A thread found at `original` bytes into the window
// continues at `displaced` bytes into the copy.
struct Boundary {
  std::uint8_t original;
  std::uint8_t displaced;
};

// How to hook one place of one file: the window's bytes as the file has them, and the same instructions in a form that
// runs anywhere within reach.
struct UprobePlan {
  std::uint32_t version;
  ProbeKind probe;
  std::uint8_t window_size;    // bytes of whole instructions, at least kJumpSize
  std::uint8_t code_size;      // bytes of `code`
  std::uint8_t falls_through;  // 1: the code's end continues behind the window; 0: its last instruction goes elsewhere
  std::uint8_t fixup_count;
  std::uint8_t boundary_count;     // instructions in the window; more than one has inner boundaries
  std::uint8_t is_function_start;  // 1: nothing of the function has run before the site
  std::uint8_t reserved[5];
  std::uint64_t file_offset;  // of the site, in bytes from the file's start
  std::uint8_t expected[kMaxWindow];
  Boundary boundaries[kMaxWindowInstructions];
  std::uint8_t reserved2[3];
  std::uint8_t code[kMaxDisplacedCode];
  Fixup fixups[kMaxFixups];
};
static_assert(std::is_standard_layout_v<UprobePlan> && std::is_trivially_copyable_v<UprobePlan>);
static_assert(sizeof(UprobePlan) == 24 + 32 + kMaxDisplacedCode + kMaxFixups * sizeof(Fixup));

// True if every size and offset in `plan` is in range, so that applying it stays inside the plan and the code.
constexpr bool IsWellFormed(const UprobePlan& plan) {
  if (plan.version != kUprobePlanVersion || plan.probe > ProbeKind::kReturn) return false;
  if (plan.window_size < kJumpSize || plan.window_size > kMaxWindow) return false;
  if (plan.code_size == 0 || plan.code_size > kMaxDisplacedCode || plan.fixup_count > kMaxFixups) return false;
  if (plan.boundary_count == 0 || plan.boundary_count > kMaxWindowInstructions) return false;
  for (std::size_t i = 0; i < plan.boundary_count; ++i) {
    if (plan.boundaries[i].original >= plan.window_size || plan.boundaries[i].displaced >= plan.code_size) return false;
  }
  for (std::size_t i = 0; i < plan.fixup_count; ++i) {
    const Fixup& fixup = plan.fixups[i];
    const std::size_t size = fixup.kind == FixupKind::kAbsolute64 ? 8 : 4;
    if (fixup.kind != FixupKind::kAbsolute64 && fixup.kind != FixupKind::kRelative32) return false;
    if (fixup.offset + size > plan.code_size || fixup.next > plan.code_size) return false;
  }
  return true;
}

}  // namespace strata::attach
