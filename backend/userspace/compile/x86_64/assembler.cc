#include "assembler.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

namespace strata::compile::x86 {
namespace {

constexpr int Number(Reg reg) { return static_cast<int>(reg); }

template <typename T>
bool Fits(std::int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

// Without a REX prefix, 4 to 7 as byte registers mean ah, ch, dh, bh.
bool NeedsRexForByte(int reg) { return reg >= 4 && reg < 8; }

constexpr std::uint8_t kOperandSize16 = 0x66;
constexpr std::uint8_t kLock = 0xf0;
constexpr std::byte kBreakpoint{0xcc};

// Opcodes above 0xff are 0x0f-prefixed.
constexpr int kTwoByte = 0x0f00;

}  // namespace

Assembler::Assembler(std::uint32_t label_count) : bytes_(4096), labels_(label_count) {
  jumps_.reserve(label_count / 4 + 8);
}

Label Assembler::NewLabel() {
  labels_.emplace_back();
  return Label{static_cast<std::uint32_t>(labels_.size() - 1)};
}

void Assembler::Bind(Label label) { labels_[label.id] = place(); }

void Assembler::Reserve() {
  if (bytes_.size() - size_ < kLongestInstruction) bytes_.resize(bytes_.size() * 2);
}

void Assembler::Word(std::uint16_t value) {
  std::memcpy(&bytes_[size_], &value, sizeof(value));
  size_ += sizeof(value);
}
void Assembler::Dword(std::uint32_t value) {
  std::memcpy(&bytes_[size_], &value, sizeof(value));
  size_ += sizeof(value);
}
void Assembler::Qword(std::uint64_t value) {
  std::memcpy(&bytes_[size_], &value, sizeof(value));
  size_ += sizeof(value);
}

void Assembler::Rex(Bits bits, int reg, int index, int base, bool is_forced) {
  const int rex = 0x40 | (bits == Bits::k64 ? 8 : 0) | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
  if (rex != 0x40 || is_forced) Byte(rex);
}

void Assembler::Opcode(int opcode) {
  if (opcode > 0xff) Byte(0x0f);
  Byte(opcode & 0xff);
}

// With the smallest displacement. rsp, r12 and an index need a SIB byte; rbp and r13 always have a displacement.
void Assembler::ModMem(int reg, Mem mem) {
  const int base = Number(mem.base) & 7;
  const bool needs_sib = base == Number(Reg::rsp) || mem.index != Reg::rsp;
  const bool can_omit = base != Number(Reg::rbp);
  const int mod = mem.disp == 0 && can_omit ? 0 : Fits<std::int8_t>(mem.disp) ? 1 : 2;
  Byte(mod << 6 | (reg & 7) << 3 | (needs_sib ? Number(Reg::rsp) : base));
  if (needs_sib) Byte(mem.scale_log2 << 6 | (Number(mem.index) & 7) << 3 | base);
  if (mod == 1) Byte(mem.disp & 0xff);
  if (mod == 2) Dword(static_cast<std::uint32_t>(mem.disp));
}

void Assembler::OpReg(Bits bits, int opcode, int reg, int rm, bool is_byte) {
  Reserve();
  Rex(bits, reg, 0, rm, is_byte && (NeedsRexForByte(reg) || NeedsRexForByte(rm)));
  Opcode(opcode);
  ModReg(reg, rm);
}

void Assembler::OpMem(Bits bits, int opcode, int reg, Mem mem, bool is_byte) {
  Reserve();
  Rex(bits, reg, Number(mem.index), Number(mem.base), is_byte && NeedsRexForByte(reg));
  Opcode(opcode);
  ModMem(reg, mem);
}

// --- moves ---------------------------------------------------------------------------------------------------------

void Assembler::Mov(Bits bits, Reg dst, Reg src) { OpReg(bits, 0x89, Number(src), Number(dst)); }

void Assembler::MovImm(Reg dst, std::uint64_t value) {
  if (value == 0) return AluReg(Alu::kXor, Bits::k32, dst, dst);
  Reserve();
  const int low = Number(dst) & 7;
  if (value <= std::numeric_limits<std::uint32_t>::max()) {
    Rex(Bits::k32, 0, 0, Number(dst));
    Byte(0xb8 | low);
    return Dword(static_cast<std::uint32_t>(value));
  }
  Rex(Bits::k64, 0, 0, Number(dst));
  if (Fits<std::int32_t>(static_cast<std::int64_t>(value))) {
    Byte(0xc7);
    ModReg(0, Number(dst));
    return Dword(static_cast<std::uint32_t>(value));
  }
  Byte(0xb8 | low);
  Qword(value);
}

void Assembler::MovRelocated(Reg dst, runtime::ImageRelocationKind kind, std::uint32_t index, std::int64_t addend) {
  Reserve();
  Rex(Bits::k64, 0, 0, Number(dst));
  Byte(0xb8 | (Number(dst) & 7));
  runtime::ImageRelocation relocation{};
  relocation.kind = kind;
  relocation.index = index;
  relocation.addend = addend;
  relocations_.push_back({place(), relocation});
  Qword(0);
}

void Assembler::Lea(Reg dst, Mem from) { OpMem(Bits::k64, 0x8d, Number(dst), from); }

void Assembler::LeaLabel(Reg dst, Label label) {
  Reserve();
  Rex(Bits::k64, Number(dst), 0, 0);
  Byte(0x8d);
  Byte((Number(dst) & 7) << 3 | 5);
  label_uses_.push_back({place(), label.id});
  Dword(0);
}

void Assembler::Exchange(Reg a, Reg b) { OpReg(Bits::k64, 0x87, Number(a), Number(b)); }

void Assembler::ExtendZero(Reg dst, Reg src, int from_bits) {
  if (from_bits == 32) return Mov(Bits::k32, dst, src);
  const int opcode = kTwoByte | (from_bits == 8 ? 0xb6 : 0xb7);
  OpReg(Bits::k32, opcode, Number(dst), Number(src), from_bits == 8);
}

void Assembler::ExtendSign(Bits bits, Reg dst, Reg src, int from_bits) {
  if (from_bits == 32) return OpReg(Bits::k64, 0x63, Number(dst), Number(src));
  const int opcode = kTwoByte | (from_bits == 8 ? 0xbe : 0xbf);
  OpReg(bits, opcode, Number(dst), Number(src), from_bits == 8);
}

void Assembler::Load(Reg dst, Mem from, int size_bytes) {
  switch (size_bytes) {
    case 1:
      return OpMem(Bits::k32, kTwoByte | 0xb6, Number(dst), from);
    case 2:
      return OpMem(Bits::k32, kTwoByte | 0xb7, Number(dst), from);
    case 4:
      return OpMem(Bits::k32, 0x8b, Number(dst), from);
    default:
      return OpMem(Bits::k64, 0x8b, Number(dst), from);
  }
}

void Assembler::LoadSigned(Reg dst, Mem from, int size_bytes) {
  const int opcode = size_bytes == 1 ? kTwoByte | 0xbe : size_bytes == 2 ? kTwoByte | 0xbf : 0x63;
  OpMem(Bits::k64, opcode, Number(dst), from);
}

void Assembler::Store(Mem to, Reg src, int size_bytes) {
  Reserve();
  if (size_bytes == 2) Byte(kOperandSize16);
  OpMem(size_bytes == 8 ? Bits::k64 : Bits::k32, size_bytes == 1 ? 0x88 : 0x89, Number(src), to, size_bytes == 1);
}

void Assembler::StoreImm(Mem to, std::int32_t value, int size_bytes) {
  Reserve();
  if (size_bytes == 2) Byte(kOperandSize16);
  OpMem(size_bytes == 8 ? Bits::k64 : Bits::k32, size_bytes == 1 ? 0xc6 : 0xc7, 0, to);
  if (size_bytes == 1) return Byte(value & 0xff);
  if (size_bytes == 2) return Word(static_cast<std::uint16_t>(value));
  Dword(static_cast<std::uint32_t>(value));
}

// --- arithmetic ----------------------------------------------------------------------------------------------------

void Assembler::AluReg(Alu op, Bits bits, Reg dst, Reg src) {
  OpReg(bits, static_cast<int>(op) * 8 + 1, Number(src), Number(dst));
}

void Assembler::AluImm(Alu op, Bits bits, Reg dst, std::int32_t imm) {
  Reserve();
  if (Fits<std::int8_t>(imm)) {
    OpReg(bits, 0x83, static_cast<int>(op), Number(dst));
    return Byte(imm & 0xff);
  }
  if (dst == Reg::rax) {
    Rex(bits, 0, 0, 0);
    Byte(static_cast<int>(op) * 8 + 5);
  } else {
    OpReg(bits, 0x81, static_cast<int>(op), Number(dst));
  }
  Dword(static_cast<std::uint32_t>(imm));
}

void Assembler::CompareMem(Bits bits, Reg left, Mem right) { OpMem(bits, 0x3b, Number(left), right); }

void Assembler::AluMemImm(Alu op, Bits bits, Mem to, std::int32_t imm) {
  const bool is_short = Fits<std::int8_t>(imm);
  OpMem(bits, is_short ? 0x83 : 0x81, static_cast<int>(op), to);
  if (is_short) return Byte(imm & 0xff);
  Dword(static_cast<std::uint32_t>(imm));
}

void Assembler::CompareByteImm(Mem left, std::int8_t imm) {
  OpMem(Bits::k32, 0x80, static_cast<int>(Alu::kCmp), left);
  Byte(imm & 0xff);
}

void Assembler::Test(Bits bits, Reg a, Reg b) { OpReg(bits, 0x85, Number(a), Number(b)); }

void Assembler::TestImm(Bits bits, Reg a, std::int32_t imm) {
  Reserve();
  if (imm >= 0 && imm <= 0x7f) {  // the byte above stays out: test's other bits are zero
    OpReg(Bits::k32, 0xf6, 0, Number(a), true);
    return Byte(imm);
  }
  OpReg(imm >= 0 ? Bits::k32 : bits, 0xf7, 0, Number(a));
  Dword(static_cast<std::uint32_t>(imm));
}

void Assembler::MulReg(Bits bits, Reg dst, Reg src) { OpReg(bits, kTwoByte | 0xaf, Number(dst), Number(src)); }

void Assembler::MulImm(Bits bits, Reg dst, Reg src, std::int32_t imm) {
  const bool is_short = Fits<std::int8_t>(imm);
  OpReg(bits, is_short ? 0x6b : 0x69, Number(dst), Number(src));
  if (is_short) return Byte(imm & 0xff);
  Dword(static_cast<std::uint32_t>(imm));
}

void Assembler::MulMemImm(Bits bits, Reg dst, Mem from, std::int32_t imm) {
  const bool is_short = Fits<std::int8_t>(imm);
  OpMem(bits, is_short ? 0x6b : 0x69, Number(dst), from);
  if (is_short) return Byte(imm & 0xff);
  Dword(static_cast<std::uint32_t>(imm));
}

void Assembler::UnaryOp(Unary op, Bits bits, Reg reg) { OpReg(bits, 0xf7, static_cast<int>(op), Number(reg)); }

void Assembler::ShiftImm(Shift op, Bits bits, Reg reg, int count) {
  if (count == 1) return OpReg(bits, 0xd1, static_cast<int>(op), Number(reg));
  OpReg(bits, 0xc1, static_cast<int>(op), Number(reg));
  Byte(count);
}

void Assembler::ShiftByCl(Shift op, Bits bits, Reg reg) { OpReg(bits, 0xd3, static_cast<int>(op), Number(reg)); }

void Assembler::RotateLow16(Reg reg) {
  Reserve();
  Byte(kOperandSize16);
  ShiftImm(Shift::kRol, Bits::k32, reg, 8);
}

void Assembler::ByteSwap(Bits bits, Reg reg) {
  Reserve();
  Rex(bits, 0, 0, Number(reg));
  Byte(0x0f);
  Byte(0xc8 | (Number(reg) & 7));
}

void Assembler::SignToRdx(Bits bits) {
  Reserve();
  Rex(bits, 0, 0, 0);
  Byte(0x99);
}

// --- locked accesses -----------------------------------------------------------------------------------------------

void Assembler::LockAlu(Alu op, Bits bits, Mem to, Reg src) {
  Reserve();
  Byte(kLock);
  OpMem(bits, static_cast<int>(op) * 8 + 1, Number(src), to);
}

void Assembler::LockExchangeAdd(Bits bits, Mem to, Reg src) {
  Reserve();
  Byte(kLock);
  OpMem(bits, kTwoByte | 0xc1, Number(src), to);
}

void Assembler::ExchangeMem(Bits bits, Mem to, Reg src) { OpMem(bits, 0x87, Number(src), to); }  // locked by itself

void Assembler::LockCompareExchange(Bits bits, Mem to, Reg src) {
  Reserve();
  Byte(kLock);
  OpMem(bits, kTwoByte | 0xb1, Number(src), to);
}

// --- flow ----------------------------------------------------------------------------------------------------------

void Assembler::Branch(std::uint8_t cond, Label label) {
  Reserve();
  jumps_.push_back({static_cast<std::uint32_t>(size_), label.id, cond, true});
  size_ += jumps_.back().long_bytes();  // written by CopyCode
}

void Assembler::JumpMem(Mem through) { OpMem(Bits::k32, 0xff, 4, through); }

void Assembler::Call(Label label) {
  Reserve();
  Byte(0xe8);
  label_uses_.push_back({place(), label.id});
  Dword(0);
}

void Assembler::CallReg(Reg reg) { OpReg(Bits::k32, 0xff, 2, Number(reg)); }

void Assembler::CallHelper(std::uint32_t helper) {
  CallThroughTable({runtime::ImageRelocationKind::kHelper, helper, 0});
}

void Assembler::CallMapOperation(std::uint32_t map, runtime::MapOperation operation) {
  CallThroughTable({runtime::ImageRelocationKind::kMapOperation, map, static_cast<std::int64_t>(operation)});
}

void Assembler::CallImport(std::uint32_t position) {
  CallThroughTable({runtime::ImageRelocationKind::kFunction, position, 0});
}

void Assembler::CallThroughTable(const Callee& callee) {
  const auto known = std::find(callees_.begin(), callees_.end(), callee);
  const auto entry = static_cast<std::uint32_t>(known - callees_.begin());
  if (known == callees_.end()) callees_.push_back(callee);
  Reserve();
  Byte(0xff);
  Byte(0x15);  // call [rip + disp32]
  callee_uses_.push_back({place(), entry});
  Dword(0);
}

void Assembler::Push(Reg reg) {
  Reserve();
  Rex(Bits::k32, 0, 0, Number(reg));
  Byte(0x50 | (Number(reg) & 7));
}
void Assembler::PushMem(Mem from) { OpMem(Bits::k32, 0xff, 6, from); }
void Assembler::Pop(Reg reg) {
  Reserve();
  Rex(Bits::k32, 0, 0, Number(reg));
  Byte(0x58 | (Number(reg) & 7));
}
void Assembler::PopMem(Mem to) { OpMem(Bits::k32, 0x8f, 0, to); }
void Assembler::Leave() {
  Reserve();
  Byte(0xc9);
}
void Assembler::Ret() {
  Reserve();
  Byte(0xc3);
}

ShortJump Assembler::JumpShort() {
  Reserve();
  Byte(0xeb);
  Byte(0);
  return {size_ - 1};
}
ShortJump Assembler::JumpShortIf(Cond cond) {
  Reserve();
  Byte(0x70 | static_cast<int>(cond));
  Byte(0);
  return {size_ - 1};
}
void Assembler::BindShort(ShortJump jump) {
  const std::size_t distance = size_ - (jump.displacement_at + 1);
  assert(distance <= 127);
  bytes_[jump.displacement_at] = static_cast<std::byte>(distance);
}
void Assembler::JumpShortBack(Cond cond, std::size_t to) {
  Reserve();
  Byte(0x70 | static_cast<int>(cond));
  Byte(static_cast<int>(to) - static_cast<int>(size_ + 1));
}

// --- layout --------------------------------------------------------------------------------------------------------

void Assembler::SumSavings() {
  saved_before_.resize(jumps_.size() + 1);
  std::uint32_t saved = 0;
  for (std::size_t i = 0; i < jumps_.size(); ++i) {
    saved_before_[i] = saved;
    saved += jumps_[i].long_bytes() - jumps_[i].bytes();
  }
  saved_before_[jumps_.size()] = saved;
}

// All begin short; those that do not reach grow, which may push others out of reach. Code made to grow one jump at a
// time would take quadratic time: after a few rounds every jump grows.
void Assembler::ChooseShortJumps() {
  constexpr int kMostRounds = 16;
  for (int round = 0;; ++round) {
    SumSavings();
    bool has_grown = false;
    for (std::uint32_t i = 0; i < jumps_.size(); ++i) {
      JumpSite& jump = jumps_[i];
      if (!jump.is_short || (round < kMostRounds && Reaches(jump, i))) continue;
      jump.is_short = false;
      has_grown = true;
    }
    if (!has_grown) return;
  }
}

bool Assembler::Reaches(const JumpSite& jump, std::uint32_t position) const {
  const std::int64_t from = std::int64_t{Final({jump.at, position})} + jump.bytes();
  return Fits<std::int8_t>(std::int64_t{Final(labels_[jump.label])} - from);
}

Code Assembler::CopyCode() const {
  Code code;
  code.bytes.resize(size_ - saved_before_.back());
  std::byte* to = code.bytes.data();
  std::uint32_t from = 0;
  for (const JumpSite& jump : jumps_) {
    std::memcpy(to, &bytes_[from], jump.at - from);
    to += jump.at - from;
    from = jump.at + jump.long_bytes();
    const auto end = static_cast<std::int64_t>(to - code.bytes.data()) + jump.bytes();
    const auto distance = static_cast<std::int32_t>(static_cast<std::int64_t>(Final(labels_[jump.label])) - end);
    if (jump.is_short) {
      *to++ = static_cast<std::byte>(jump.cond == kAlways ? 0xeb : 0x70 | jump.cond);
      *to++ = static_cast<std::byte>(distance);
      continue;
    }
    if (jump.cond != kAlways) *to++ = std::byte{0x0f};
    *to++ = static_cast<std::byte>(jump.cond == kAlways ? 0xe9 : 0x80 | jump.cond);
    std::memcpy(to, &distance, sizeof(distance));
    to += sizeof(distance);
  }
  std::memcpy(to, bytes_.data() + from, size_ - from);
  return code;
}

void Assembler::AppendCalleeTable(Code& code) const {
  if (callees_.empty()) return;
  code.bytes.resize((code.bytes.size() + 7) / 8 * 8, kBreakpoint);
  for (const Callee& callee : callees_) {
    runtime::ImageRelocation relocation{};
    relocation.offset = static_cast<std::uint32_t>(code.bytes.size());
    relocation.kind = callee.kind;
    relocation.index = callee.index;
    relocation.addend = callee.addend;
    code.relocations.push_back(relocation);
    code.bytes.resize(code.bytes.size() + 8);
  }
}

void Assembler::WriteReferences(Code& code) const {
  const auto write_distance = [&](Place place, std::uint32_t target) {
    const std::uint32_t at = Final(place);
    const std::uint32_t distance = target - (at + 4);
    std::memcpy(&code.bytes[at], &distance, sizeof(distance));
  };
  for (const LabelUse& use : label_uses_) write_distance(use.place, Final(labels_[use.label]));
  const auto table = static_cast<std::uint32_t>(code.bytes.size() - 8 * callees_.size());
  for (const CalleeUse& use : callee_uses_) write_distance(use.place, table + 8 * use.entry);
}

Code Assembler::Finish() {
  ChooseShortJumps();
  Code code = CopyCode();
  code.relocations.reserve(relocations_.size() + callees_.size());
  for (const Relocation& entry : relocations_) {
    code.relocations.push_back(entry.relocation);
    code.relocations.back().offset = Final(entry.place);
  }
  AppendCalleeTable(code);
  WriteReferences(code);
  code.label_offsets.reserve(labels_.size());
  for (const Place& label : labels_) code.label_offsets.push_back(Final(label));
  return code;
}

}  // namespace strata::compile::x86
