// One x86-64 instruction as the planner needs it. The only file that knows the decoding library is decoder.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace strata::attach {

// Where control goes after an instruction.
enum class Flow : std::uint8_t {
  kNext,
  kJump,         // jmp rel8, rel32
  kConditional,  // jcc rel8, rel32
  kLoop,         // loop, loope, loopne, jrcxz, jecxz: rel8 only
  kCall,         // call rel32
  kIndirectJump,
  kIndirectCall,
  kReturn,
};

struct Instruction {
  std::uint8_t size = 0;  // bytes
  Flow flow = Flow::kNext;
  bool is_padding = false;  // nop of any length, or int3
  bool is_pop = false;
  const char* refusal = nullptr;    // why it cannot run at another address; null when it can
  std::uint8_t prefix_size = 0;     // bytes before the opcode
  std::uint8_t condition = 0;       // kConditional: the low half of the opcode
  std::uint8_t modrm_offset = 0;    // kIndirectJump, kIndirectCall
  bool uses_stack_pointer = false;  // kIndirectCall: its operand is rsp or an address based on it
  std::uint8_t rip_operand = 0;     // offset of the displacement of a RIP-relative operand; 0 for none
  std::int64_t target = 0;          // of a direct branch or RIP-relative operand: distance from the instruction's start
};

// True if the next instruction in memory is never reached from this one.
constexpr bool EndsFlow(const Instruction& instruction) {
  return instruction.flow == Flow::kJump || instruction.flow == Flow::kIndirectJump ||
         instruction.flow == Flow::kReturn;
}

constexpr bool IsDirectBranch(const Instruction& instruction) {
  return instruction.flow == Flow::kJump || instruction.flow == Flow::kConditional || instruction.flow == Flow::kLoop ||
         instruction.flow == Flow::kCall;
}

// The instruction that `code` starts with; nothing when it holds none that this decoder knows.
std::optional<Instruction> Decode(std::span<const std::byte> code);

}  // namespace strata::attach
