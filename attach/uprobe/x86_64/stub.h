// The code near a hooked place: leads to strata_uprobe_entry, then runs the displaced instructions.
//
//   .quad site
//   lea -128(%rsp), %rsp     over the red zone, without touching flags
//   call *entry(%rip)
//   lea 128(%rsp), %rsp      <- return address: the site lies 19 bytes before it
//   <displaced code>
//   jmp <behind the window>
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/attach/engine.h"
#include "reach.h"

namespace strata::attach {

inline constexpr std::size_t kStubEntry = 8;       // offset of the first instruction
inline constexpr std::size_t kDisplacedCode = 27;  // offset of the displaced code
inline constexpr std::size_t kMaxStub = kDisplacedCode + kMaxDisplacedCode + kJumpSize;

std::size_t StubSize(const UprobePlan& plan) noexcept;

// Where a stub may lie so that the jump to it and all relative fix-ups reach.
Reach StubReach(const UprobePlan& plan, std::uint64_t site_address) noexcept;

// Writes the bytes of a stub that will lie at `stub`; `entry_slot` is the address of 8 bytes that hold
// strata_uprobe_entry's. False if anything does not reach.
bool BuildStub(const UprobePlan& plan, std::uint64_t site_address, const void* site, std::uint64_t stub,
               std::uint64_t entry_slot, std::uint8_t* out) noexcept;

// jmp rel32 from `from` to `to`. False if it does not reach.
bool BuildJump(std::uint64_t from, std::uint64_t to, std::uint8_t* out) noexcept;

}  // namespace strata::attach
