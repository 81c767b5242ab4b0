// What each opcode byte means: opcode.def as an enum and a table. No code beyond constant look-ups: shared with the
// traced process.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/isa/instruction.h"

namespace strata::isa {

// The low three bits of an opcode byte (RFC 9669 section 3.3).
enum class OpClass : std::uint8_t {
  kLoadOther = 0,
  kLoad = 1,
  kStoreImm = 2,
  kStoreReg = 3,
  kAlu32 = 4,
  kJump = 5,
  kJump32 = 6,
  kAlu64 = 7
};

// Which fields of a slot carry operands. A field that is not named must be zero.
enum class OperandForm : std::uint8_t {
  kAluImm,       // dst, imm
  kAluReg,       // dst, src
  kDivisionImm,  // dst, imm; offset 1 for the signed operation
  kDivisionReg,  // dst, src; offset 1 for the signed operation
  kMoveReg,    // dst, src; offset 8, 16 or 32 (64-bit only) sign-extends; offset 1 casts the address space named by imm
  kUnary,      // dst
  kByteOrder,  // dst; imm is the width in bits
  kJump,       // offset
  kJumpLong,   // imm
  kBranchImm,  // dst, imm, offset
  kBranchReg,  // dst, src, offset
  kCall,       // src is a PseudoCall, imm the callee; offset for kernel functions
  kExit,       // nothing
  kMayGoto,    // offset
  kLoad,       // dst, src, offset
  kStoreImm,   // dst, imm, offset
  kStoreReg,   // dst, src, offset
  kAtomic,     // dst, src, offset; imm is an AtomicOp
  kLoadImm64,  // dst, imm, src is a PseudoLoad; a second slot holds the upper half in imm
  kPacketAbsolute,  // imm
  kPacketIndirect,  // src, imm
};

// Every opcode byte that is defined.
enum class Opcode : std::uint8_t {
#define STRATA_OP(opcode, enumerator, mnemonic, op_class, form, symbol) enumerator = opcode,
#include "strata/isa/opcode.def"
};

// imm of an atomic access (RFC 9669 section 5.3).
enum class AtomicOp : std::int32_t {
#define STRATA_ATOMIC(imm, enumerator, name, symbol, smallest_access) enumerator = imm,
#include "strata/isa/opcode.def"
};

struct OpcodeInfo {
  Opcode opcode;
  const char* mnemonic;  // "add64"; the register and the immediate variant share one
  OpClass op_class;
  OperandForm form;
  const char* symbol;  // in text: "+=", "s>", or the access type "u32"
};

struct AtomicInfo {
  AtomicOp op;
  const char* name;    // "fetch_add"
  const char* symbol;  // "+=" for those without a result
  int smallest_access_bytes;
};

inline constexpr OpcodeInfo kOpcodes[] = {
#define STRATA_OP(opcode, enumerator, mnemonic, op_class, form, symbol) \
  {Opcode::enumerator, mnemonic, OpClass::op_class, OperandForm::form, symbol},
#include "strata/isa/opcode.def"
};

inline constexpr AtomicInfo kAtomics[] = {
#define STRATA_ATOMIC(imm, enumerator, name, symbol, smallest_access) \
  {AtomicOp::enumerator, name, symbol, smallest_access},
#include "strata/isa/opcode.def"
};

namespace internal {
inline constexpr std::uint8_t kNoRow = 0xff;
struct RowOfOpcode {
  std::uint8_t rows[256];
};
consteval RowOfOpcode IndexOpcodes() {
  RowOfOpcode index{};
  for (std::uint8_t& row : index.rows) row = kNoRow;
  std::uint8_t next = 0;
  for (const OpcodeInfo& info : kOpcodes) index.rows[static_cast<std::uint8_t>(info.opcode)] = next++;
  return index;
}
inline constexpr RowOfOpcode kRowOfOpcode = IndexOpcodes();
}  // namespace internal

// The row of an opcode byte; null for a byte that no version defines.
constexpr const OpcodeInfo* FindOpcode(std::uint8_t opcode) {
  const std::uint8_t row = internal::kRowOfOpcode.rows[opcode];
  return row == internal::kNoRow ? nullptr : &kOpcodes[row];
}

// The row of an atomic access's imm; null when there is none.
constexpr const AtomicInfo* FindAtomic(std::int32_t imm) {
  for (const AtomicInfo& info : kAtomics) {
    if (static_cast<std::int32_t>(info.op) == imm) return &info;
  }
  return nullptr;
}

constexpr OpClass ClassOf(std::uint8_t opcode) { return static_cast<OpClass>(opcode & 0x07); }

// Bits 4 to 7: the operation of arithmetic and jumps (RFC 9669 sections 4.1 and 4.3).
constexpr std::uint8_t OperationOf(std::uint8_t opcode) { return opcode & 0xf0; }

// Bit 3: the second operand is a register, not imm.
constexpr bool UsesSourceRegister(std::uint8_t opcode) { return (opcode & 0x08) != 0; }

// Bytes that a load, store or atomic accesses: bits 3 and 4.
constexpr int AccessBytes(std::uint8_t opcode) {
  constexpr int kBytes[] = {4, 2, 1, 8};
  return kBytes[(opcode >> 3) & 3];
}

// Slots from this one to the next instruction.
constexpr std::uint32_t SlotCount(const Instruction& instruction) {
  return instruction.opcode == static_cast<std::uint8_t>(Opcode::kLoadImm64) ? 2 : 1;
}

inline constexpr int kRegisterCount = 11;  // R0 .. R10
inline constexpr int kFrameRegister = 10;  // read-only: the end of the function's stack
inline constexpr int kStackBytes = 512;    // of one function
inline constexpr int kMaxCallDepth = 8;    // frames, the first included

}  // namespace strata::isa
