// Writes x86-64 machine code: the shortest encoding of each instruction, jumps to labels relaxed at the end. General
// registers only. Source: Intel SDM volume 2, chapters 2 (encoding) and 3 to 5 (opcodes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "strata/backend/userspace/runtime/layout.h"

namespace strata::compile::x86 {

enum class Reg : std::uint8_t { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15 };

enum class Bits : std::uint8_t { k32, k64 };  // operand size; 32-bit results zero the upper half

// The opcode's low bits in jcc.
enum class Cond : std::uint8_t {
  kSign = 8,
  kNotSign = 9,
  kBelow = 2,
  kAboveOrEqual = 3,
  kEqual = 4,
  kNotEqual = 5,
  kBelowOrEqual = 6,
  kAbove = 7,
  kLess = 12,
  kGreaterOrEqual = 13,
  kLessOrEqual = 14,
  kGreater = 15,
};
constexpr Cond Negate(Cond cond) { return static_cast<Cond>(static_cast<std::uint8_t>(cond) ^ 1); }

// Operations that exist as register, memory and immediate forms: the value is the /digit of the immediate form; the
// register form's opcode is 8 * value + 1.
enum class Alu : std::uint8_t { kAdd = 0, kOr = 1, kAnd = 4, kSub = 5, kXor = 6, kCmp = 7 };
enum class Shift : std::uint8_t { kRol = 0, kShl = 4, kShr = 5, kSar = 7 };  // /digit of C1 and D3
enum class Unary : std::uint8_t { kNeg = 3, kDiv = 6, kIdiv = 7 };           // /digit of F7

// base + disp + (index << scale_log2)
struct Mem {
  Reg base;
  std::int32_t disp = 0;
  Reg index = Reg::rsp;  // which cannot be one: none
  int scale_log2 = 0;
};

// A place in the code: bound once, used any number of times.
struct Label {
  std::uint32_t id;
};

// An opcode byte inside of one template that jumps a few bytes ahead or back; bound before the template ends.
struct ShortJump {
  std::size_t displacement_at;
};

// The finished code.
struct Code {
  std::vector<std::byte> bytes;
  std::vector<runtime::ImageRelocation> relocations;
  std::vector<std::uint32_t> label_offsets;  // by label id
};

class Assembler {
 public:
  // Labels 0 .. label_count - 1 exist from the start.
  explicit Assembler(std::uint32_t label_count);

  Label NewLabel();
  void Bind(Label label);

  // --- moves
  void Mov(Bits bits, Reg dst, Reg src);
  void MovImm(Reg dst, std::uint64_t value);  // the shortest of xor, mov r32, mov r64 with 32 bits, movabs
  void MovRelocated(Reg dst, runtime::ImageRelocationKind kind, std::uint32_t index, std::int64_t addend);
  void Lea(Reg dst, Mem from);
  void LeaLabel(Reg dst, Label label);
  void Exchange(Reg a, Reg b);
  void ExtendZero(Reg dst, Reg src, int from_bits);             // 8, 16, 32
  void ExtendSign(Bits bits, Reg dst, Reg src, int from_bits);  // 8, 16, 32
  void Load(Reg dst, Mem from, int size_bytes);                 // zero-extended
  void LoadSigned(Reg dst, Mem from, int size_bytes);
  void Store(Mem to, Reg src, int size_bytes);
  void StoreImm(Mem to, std::int32_t value, int size_bytes);

  // --- arithmetic
  void AluReg(Alu op, Bits bits, Reg dst, Reg src);
  void AluImm(Alu op, Bits bits, Reg dst, std::int32_t imm);
  void CompareMem(Bits bits, Reg left, Mem right);
  void AluMemImm(Alu op, Bits bits, Mem to, std::int32_t imm);
  void CompareByteImm(Mem left, std::int8_t imm);
  void Test(Bits bits, Reg a, Reg b);
  void TestImm(Bits bits, Reg a, std::int32_t imm);
  void MulReg(Bits bits, Reg dst, Reg src);
  void MulImm(Bits bits, Reg dst, Reg src, std::int32_t imm);
  void MulMemImm(Bits bits, Reg dst, Mem from, std::int32_t imm);
  void UnaryOp(Unary op, Bits bits, Reg reg);
  void ShiftImm(Shift op, Bits bits, Reg reg, int count);
  void ShiftByCl(Shift op, Bits bits, Reg reg);
  void RotateLow16(Reg reg);  // swaps the two low bytes
  void ByteSwap(Bits bits, Reg reg);
  void SignToRdx(Bits bits);  // cdq, cqo

  // --- locked accesses of 4 or 8 bytes
  void LockAlu(Alu op, Bits bits, Mem to, Reg src);
  void LockExchangeAdd(Bits bits, Mem to, Reg src);
  void ExchangeMem(Bits bits, Mem to, Reg src);
  void LockCompareExchange(Bits bits, Mem to, Reg src);

  // --- flow
  void Jump(Label label) { Branch(kAlways, label); }
  void JumpIf(Cond cond, Label label) { Branch(static_cast<std::uint8_t>(cond), label); }
  void JumpMem(Mem through);
  void Call(Label label);
  void CallReg(Reg reg);
  void CallHelper(std::uint32_t helper);  // through a table behind the code
  void CallMapOperation(std::uint32_t map, runtime::MapOperation operation);
  void CallImport(std::uint32_t position);
  void Push(Reg reg);
  void PushMem(Mem from);
  void Pop(Reg reg);
  void PopMem(Mem to);
  void Leave();
  void Ret();
  // Jumps within one template: no Jump, JumpIf or label may lie in between.
  ShortJump JumpShort();
  ShortJump JumpShortIf(Cond cond);
  void BindShort(ShortJump jump);
  std::size_t here() const { return size_; }
  void JumpShortBack(Cond cond, std::size_t to);

  // Chooses the short form of every jump that can have it, and lays the table of callees behind the code.
  Code Finish();

 private:
  static constexpr std::uint8_t kAlways = 0xff;
  static constexpr std::size_t kLongestInstruction = 16;

  // Positions before relaxation, with the number of jumps that lie before them.
  struct Place {
    std::uint32_t at = 0;
    std::uint32_t jumps_before = 0;
  };
  struct JumpSite {
    std::uint32_t at;
    std::uint32_t label;
    std::uint8_t cond;
    bool is_short;
    std::uint32_t long_bytes() const { return cond == kAlways ? 5 : 6; }
    std::uint32_t bytes() const { return is_short ? 2 : long_bytes(); }
  };
  struct LabelUse {
    Place place;  // of a 32-bit displacement
    std::uint32_t label;
  };
  // A function of the runtime, as its relocation names it.
  struct Callee {
    runtime::ImageRelocationKind kind;
    std::uint32_t index;
    std::int64_t addend;
    bool operator==(const Callee&) const = default;
  };
  struct CalleeUse {
    Place place;
    std::uint32_t entry;  // in callees_
  };
  struct Relocation {
    Place place;
    runtime::ImageRelocation relocation;
  };

  Place place() const { return {static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(jumps_.size())}; }
  void Reserve();
  void Byte(int value) { bytes_[size_++] = static_cast<std::byte>(value); }
  void Word(std::uint16_t value);
  void Dword(std::uint32_t value);
  void Qword(std::uint64_t value);
  void Rex(Bits bits, int reg, int index, int base, bool is_forced = false);
  void ModReg(int reg, int rm) { Byte(0xc0 | (reg & 7) << 3 | (rm & 7)); }
  void ModMem(int reg, Mem mem);
  void OpReg(Bits bits, int opcode, int reg, int rm, bool is_byte = false);
  void OpMem(Bits bits, int opcode, int reg, Mem mem, bool is_byte = false);
  void Opcode(int opcode);
  void Branch(std::uint8_t cond, Label label);
  void CallThroughTable(const Callee& callee);

  void ChooseShortJumps();
  bool Reaches(const JumpSite& jump, std::uint32_t position) const;  // in its short form
  void SumSavings();
  std::uint32_t Final(Place place) const { return place.at - saved_before_[place.jumps_before]; }
  Code CopyCode() const;
  void AppendCalleeTable(Code& code) const;
  void WriteReferences(Code& code) const;

  std::vector<std::byte> bytes_;  // jumps in their long form; size_ of them are written
  std::size_t size_ = 0;
  std::vector<Place> labels_;
  std::vector<JumpSite> jumps_;
  std::vector<LabelUse> label_uses_;
  std::vector<CalleeUse> callee_uses_;
  std::vector<Callee> callees_;  // in the order of the table
  std::vector<Relocation> relocations_;
  std::vector<std::uint32_t> saved_before_;  // bytes that the first i jumps save
};

}  // namespace strata::compile::x86
