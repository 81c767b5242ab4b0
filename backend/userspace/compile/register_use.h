// Which registers an instruction reads and writes: bit i stands for Ri.
#pragma once

#include <bit>
#include <cstdint>

#include "strata/isa/instruction.h"
#include "strata/isa/opcode.h"

namespace strata::compile {

constexpr std::uint16_t RegisterBit(int reg) { return static_cast<std::uint16_t>(1U << reg); }
inline constexpr std::uint16_t kArgumentRegisters =
    RegisterBit(1) | RegisterBit(2) | RegisterBit(3) | RegisterBit(4) | RegisterBit(5);
inline constexpr std::uint16_t kAllRegisters = 0xffff;
inline constexpr std::uint16_t kClobberedByCalls = RegisterBit(0) | kArgumentRegisters;

template <typename Visit>
void ForEachRegister(std::uint16_t set, Visit visit) {
  for (unsigned rest = set; rest != 0; rest &= rest - 1) visit(std::countr_zero(rest));
}

struct RegisterUse {
  std::uint16_t reads = 0;
  std::uint16_t writes = 0;
};

// Of a call: as if the callee took all arguments.
RegisterUse UseOf(const isa::Instruction& insn, isa::OperandForm form);

}  // namespace strata::compile
