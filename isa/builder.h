// An assembler: instructions by function call, jumps by label.
//
//   Builder code;
//   const Label done = code.NewLabel();
//   code.Mov(kR0, 0).JumpIf(Condition::kEqual, kR1, 0, done).Mov(kR0, 1).Bind(done).Exit();
//   std::vector<Instruction> program = STRATA_TRY(std::move(code).Build());
#pragma once

#include <cstdint>
#include <vector>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"
#include "strata/isa/opcode.h"

namespace strata::isa {

enum class Register : std::uint8_t {};
inline constexpr Register kR0{0}, kR1{1}, kR2{2}, kR3{3}, kR4{4}, kR5{5}, kR6{6}, kR7{7}, kR8{8}, kR9{9}, kR10{10};

// The second operand of arithmetic, branches and stores: a register or a constant, which is sign-extended.
class Operand {
 public:
  constexpr Operand(Register source) : register_(source), is_register_(true) {}  // NOLINT: implicit on purpose
  constexpr Operand(std::int32_t imm) : imm_(imm) {}                             // NOLINT: implicit on purpose
  constexpr bool is_register() const { return is_register_; }
  constexpr Register source() const { return register_; }
  constexpr std::int32_t imm() const { return imm_; }

 private:
  Register register_{};
  std::int32_t imm_ = 0;
  bool is_register_ = false;
};

// Operation bits of the opcode; the signed ones also set offset to 1.
enum class Arithmetic : std::uint16_t {
  kAdd = 0x00,
  kSub = 0x10,
  kMul = 0x20,
  kDiv = 0x30,
  kOr = 0x40,
  kAnd = 0x50,
  kLsh = 0x60,
  kRsh = 0x70,
  kMod = 0x90,
  kXor = 0xa0,
  kMov = 0xb0,
  kArsh = 0xc0,
  kSignedDiv = 0x130,
  kSignedMod = 0x190
};

enum class Condition : std::uint8_t {
  kEqual = 0x10,
  kGreater = 0x20,
  kGreaterOrEqual = 0x30,
  kAnyBitSet = 0x40,
  kNotEqual = 0x50,
  kSignedGreater = 0x60,
  kSignedGreaterOrEqual = 0x70,
  kLess = 0xa0,
  kLessOrEqual = 0xb0,
  kSignedLess = 0xc0,
  kSignedLessOrEqual = 0xd0
};

enum class Width : std::uint8_t { k32, k64 };                                      // of an operation
enum class Size : std::uint8_t { k8 = 0x10, k16 = 0x08, k32 = 0x00, k64 = 0x18 };  // of a memory access

// A place in one builder's code; bound once, used any number of times before and after.
struct Label {
  std::uint32_t id = 0;
};

// Appends; every method returns the builder. Not thread-safe.
class STRATA_EXPORT Builder {
 public:
  Label NewLabel();
  Builder& Bind(Label label);  // at the next instruction

  // dst = dst op operand
  Builder& Alu(Arithmetic op, Register dst, Operand operand, Width width = Width::k64);
  Builder& Mov(Register dst, Operand operand) { return Alu(Arithmetic::kMov, dst, operand); }
  Builder& Mov32(Register dst, Operand operand) { return Alu(Arithmetic::kMov, dst, operand, Width::k32); }
  Builder& Add(Register dst, Operand operand) { return Alu(Arithmetic::kAdd, dst, operand); }
  Builder& Sub(Register dst, Operand operand) { return Alu(Arithmetic::kSub, dst, operand); }
  Builder& And(Register dst, Operand operand) { return Alu(Arithmetic::kAnd, dst, operand); }
  Builder& Xor(Register dst, Operand operand) { return Alu(Arithmetic::kXor, dst, operand); }
  // dst = the low `bits` (8, 16, 32) of src, sign-extended
  Builder& MovSigned(Register dst, Register src, int bits, Width width = Width::k64);
  Builder& Negate(Register dst, Width width = Width::k64);
  Builder& ToLittleEndian(Register dst, int bits);  // 16, 32, 64; the bits above become zero
  Builder& ToBigEndian(Register dst, int bits);
  Builder& ByteSwap(Register dst, int bits);
  Builder& AddressSpaceCast(Register dst, Register src, std::uint16_t from, std::uint16_t to);

  Builder& Load(Size size, Register dst, Register base, std::int16_t offset);
  Builder& LoadSigned(Size size, Register dst, Register base, std::int16_t offset);  // 8, 16, 32 bits
  Builder& Store(Size size, Register base, std::int16_t offset, Operand value);
  Builder& Atomic(AtomicOp op, Size size, Register base, std::int16_t offset, Register src);
  Builder& LoadAcquire(Size size, Register dst, Register base, std::int16_t offset);
  Builder& StoreRelease(Size size, Register base, std::int16_t offset, Register src);
  Builder& LoadPacket(Size size, std::int32_t offset);                  // R0 = packet[offset]
  Builder& LoadPacket(Size size, Register index, std::int32_t offset);  // R0 = packet[index + offset]

  Builder& LoadImm64(Register dst, std::uint64_t value);
  Builder& LoadMapFd(Register dst, int map_fd);
  Builder& LoadMapIndex(Register dst, std::uint32_t position);  // in the program's map table
  Builder& LoadMapIndexValue(Register dst, std::uint32_t position, std::uint32_t value_offset);  // bytes
  Builder& LoadFunction(Register dst, Label function);                                           // for a callback

  Builder& Jump(Label label);
  Builder& JumpLong(Label label);  // any distance (v4)
  Builder& JumpIf(Condition condition, Register left, Operand right, Label label, Width width = Width::k64);
  Builder& MayGoto(Label label);
  Builder& Call(std::uint32_t helper);
  Builder& CallFunction(Label function);
  Builder& CallKernelFunction(std::uint32_t btf_id);
  Builder& Exit();
  Builder& Append(const Instruction& slot);  // as it is

  InsnIndex next() const { return InsnIndex{static_cast<std::uint32_t>(code_.size())}; }

  // kInvalidArgument for a label that was used and never bound, or a distance that does not fit.
  Result<std::vector<Instruction>> Build() &&;

 private:
  struct Use {
    std::uint32_t index;
    std::uint32_t label;
    bool in_imm;
  };
  Builder& AppendUse(const Instruction& slot, Label label, bool in_imm);
  Builder& AppendImm64(Register dst, PseudoLoad kind, std::uint32_t low, std::uint32_t high);

  std::vector<Instruction> code_;
  std::vector<std::int64_t> labels_;  // the slot, or -1 until bound
  std::vector<Use> uses_;
};

}  // namespace strata::isa
