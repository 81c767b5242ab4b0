// The code near a hooked place: leads to strata_uprobe_entry, then runs the displaced instructions.
//
//   .quad site | kind
//   lea -128(%rsp), %rsp     over the red zone, without touching flags
//   call *entry(%rip)
//   lea 128(%rsp), %rsp      <- return address: the first word lies 19 bytes before it
//   jmp *-8(%rsp)            only in the kind kReturns
//   <displaced code>
//   jmp <behind the window>
#pragma once

#include <cstddef>
#include <cstdint>

#include "reach.h"
#include "strata/attach/engine.h"

namespace strata::attach {

enum class StubKind : std::uint8_t {
  kPlain = 0,
  // For a function's first instruction, where the memory below the stack pointer is free: the word there tells where to
  // go on. That is the displaced code, or strata_uretprobe_launch, which calls it at the address in the word below.
  kReturns = 1,
};

inline constexpr std::size_t kStubEntry = 8;    // offset of the first instruction
inline constexpr std::size_t kStubReturn = 19;  // offset of the entry's return address
inline constexpr std::size_t kMaxStub = kStubReturn + 12 + kMaxDisplacedCode + kJumpSize;

// Offset of the displaced code.
constexpr std::size_t DisplacedOffset(StubKind kind) { return kStubReturn + (kind == StubKind::kReturns ? 12 : 8); }

std::size_t StubSize(const UprobePlan& plan, StubKind kind) noexcept;

// Where a stub may lie so that the jump to it and all relative fix-ups reach.
Reach StubReach(const UprobePlan& plan, std::uint64_t site_address) noexcept;

// Writes the bytes of a stub that will lie at `stub`; `entry_slot` is the address of 8 bytes that hold
// strata_uprobe_entry's. False if anything does not reach.
bool BuildStub(const UprobePlan& plan, StubKind kind, std::uint64_t site_address, const void* site, std::uint64_t stub,
               std::uint64_t entry_slot, std::uint8_t* out) noexcept;

// jmp rel32 from `from` to `to`. False if it does not reach.
bool BuildJump(std::uint64_t from, std::uint64_t to, std::uint8_t* out) noexcept;

}  // namespace strata::attach
