// Where pointers of one sort go in a program: through registers, words of the frame, calls and returns. Private to this
// layer; arena_accesses.cc, guarded_loads.cc and map_access.cc say which sort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "strata/backend/userspace/verifier/functions.h"
#include "strata/isa/instruction.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {

// What may hold such a pointer: a bit for each register and for each word of the frame.
struct Pointers {
  std::uint16_t registers = 0;
  std::uint64_t frame = 0;

  bool Has(int reg) const { return (registers >> reg & 1) != 0; }
  void Set(int reg, bool value) {
    const auto bit = static_cast<std::uint16_t>(1U << reg);
    registers = static_cast<std::uint16_t>(value ? registers | bit : registers & ~bit);
  }
  // True when that added something.
  bool Join(const Pointers& other);
};

// The word of the frame that the instruction accesses through R10; an access that is no whole word has none.
std::uint64_t FrameBit(const isa::Instruction& insn);

// An atomic access that gives the old value puts no pointer there.
void ForgetFetched(const isa::Instruction& insn, Pointers& pointers);

class PointerFlow {
 public:
  // Both must outlive it. `has_in_callbacks`: callbacks may be called with such pointers.
  PointerFlow(std::span<const isa::Instruction> code, std::span<const FunctionFacts> facts, bool has_in_callbacks);
  virtual ~PointerFlow() = default;
  PointerFlow(const PointerFlow&) = delete;
  PointerFlow& operator=(const PointerFlow&) = delete;

  // Follows all paths. Step() is called for an instruction again whenever more may hold pointers before it.
  void Find();

 protected:
  // Changes `pointers` to what holds behind the instruction, which is no call and no exit.
  virtual void Step(isa::InsnIndex at, isa::OperandForm form, Pointers& pointers) = 0;
  // Of a call that leaves the program; `pointers` are those before it.
  virtual bool ReturnsPointer(isa::InsnIndex at, const Pointers& pointers) = 0;

  const isa::Instruction& InsnAt(isa::InsnIndex at) const { return code_[at.value]; }

 private:
  struct FunctionPointers {
    Pointers entry;
    bool returns = false;
  };

  void Walk(std::size_t function);
  void Call(isa::InsnIndex at, Pointers& pointers);

  std::span<const isa::Instruction> code_;
  std::span<const FunctionFacts> facts_;
  std::vector<FunctionPointers> functions_;
  bool has_changed_ = false;
};

}  // namespace strata::verifier
