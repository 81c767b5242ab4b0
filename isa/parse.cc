#include "strata/isa/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>

#include "strata/isa/opcode.h"

namespace strata::isa {
namespace {

// One line and the place in it. Blanks between words do not count.
class Cursor {
 public:
  Cursor(std::string_view line, int number) : line_(line), number_(number) {}

  bool AtEnd() {
    SkipBlanks();
    return at_ == line_.size();
  }

  bool Accept(std::string_view word) {
    SkipBlanks();
    if (!line_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool At(char c) {
    SkipBlanks();
    return at_ < line_.size() && line_[at_] == c;
  }

  Result<void> Expect(std::string_view word) {
    if (Accept(word)) return {};
    return Malformed(fmt::format("expected \"{}\"", word));
  }

  // Decimal or, after "0x", hexadecimal digits, with an optional sign; the bits of a value of up to 64 bits.
  Result<std::uint64_t> Number() {
    const bool is_negative = Accept("-");
    if (!is_negative) Accept("+");
    const int base = Accept("0x") ? 16 : 10;
    std::uint64_t value = 0;
    const char* const start = line_.data() + at_;
    const auto [end, error] = std::from_chars(start, line_.data() + line_.size(), value, base);
    if (end == start) return Malformed("expected a number");
    if (error != std::errc()) return Malformed("the number does not fit 64 bits");
    at_ += static_cast<std::size_t>(end - start);
    return is_negative ? std::uint64_t{0} - value : value;
  }

  // A number that a signed field holds; 32-bit ones may also be written unsigned.
  template <typename Field>
  Result<Field> NumberFor() {
    const std::size_t start = at_;
    const auto bits = STRATA_TRY(Number());
    const auto value = static_cast<std::int64_t>(bits);
    const bool is_unsigned_word = sizeof(Field) == 4 && bits <= std::numeric_limits<std::uint32_t>::max();
    const bool fits = value >= std::numeric_limits<Field>::min() && value <= std::numeric_limits<Field>::max();
    if (fits || is_unsigned_word) return static_cast<Field>(value);
    at_ = start;
    return Malformed(fmt::format("the number does not fit {} bits", 8 * sizeof(Field)));
  }

  bool AtRegister() {
    SkipBlanks();
    const bool has_letter = at_ < line_.size() && (line_[at_] == 'r' || line_[at_] == 'w');
    return has_letter && at_ + 1 < line_.size() && line_[at_ + 1] >= '0' && line_[at_ + 1] <= '9';
  }

  Result<std::uint8_t> Register(char letter) {
    SkipBlanks();
    const std::size_t start = at_;
    if (!AtRegister() || line_[at_] != letter)
      return Malformed(fmt::format("expected a register {}0 to {}10", letter, letter));
    ++at_;
    const auto number = STRATA_TRY(Number());
    if (number < kRegisterCount) return static_cast<std::uint8_t>(number);
    at_ = start;
    return Malformed(fmt::format("no register {}{}", letter, number));
  }

  // Letters, digits and what else a name may have.
  std::string_view Word() {
    SkipBlanks();
    const auto is_part = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
             c == '.';
    };
    const std::size_t start = at_;
    while (at_ < line_.size() && is_part(line_[at_])) ++at_;
    return line_.substr(start, at_ - start);
  }

  Error Malformed(std::string_view message) const {
    return Error(ErrorCode::kMalformed, fmt::format("line {}, column {}: {}", number_, at_ + 1, message));
  }

  std::size_t position() const { return at_; }
  void Return(std::size_t position) { at_ = position; }

 private:
  void SkipBlanks() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) ++at_;
  }

  std::string_view line_;
  int number_;
  std::size_t at_ = 0;
};

bool IsOneOf(OperandForm form, std::initializer_list<OperandForm> forms) {
  for (const OperandForm one : forms) {
    if (one == form) return true;
  }
  return false;
}

constexpr std::initializer_list<OperandForm> kAluForms = {OperandForm::kAluImm, OperandForm::kAluReg,
                                                          OperandForm::kDivisionImm, OperandForm::kDivisionReg,
                                                          OperandForm::kMoveReg};

class LineParser {
 public:
  LineParser(Cursor& cursor, std::vector<Instruction>& code) : cursor_(cursor), code_(code) {}

  Result<void> Run() {
    SkipListingPrefix();
    for (const Statement& statement : Statements()) {
      if (cursor_.Accept(statement.start)) return (this->*statement.parse)();
    }
    if (cursor_.AtRegister()) return ParseAssignment();
    return cursor_.Malformed("no instruction starts like this");
  }

 private:
  struct Statement {
    std::string_view start;
    Result<void> (LineParser::*parse)();
  };
  // Tried in this order: a longer word stands before its own beginning.
  static std::span<const Statement> Statements();

  // "   4: (07) "
  void SkipListingPrefix() {
    const std::size_t start = cursor_.position();
    if (cursor_.Number() && cursor_.Accept(":") && cursor_.Accept("(")) {
      cursor_.Word();
      if (cursor_.Accept(")")) return;
    }
    cursor_.Return(start);
  }

  const OpcodeInfo* FindRow(std::initializer_list<OperandForm> forms, std::string_view symbol,
                            std::optional<OpClass> op_class = std::nullopt) const {
    for (const OpcodeInfo& info : kOpcodes) {
      if (IsOneOf(info.form, forms) && info.symbol == symbol && (!op_class || info.op_class == *op_class)) return &info;
    }
    return nullptr;
  }

  Instruction& Emit(const OpcodeInfo& info) {
    code_.emplace_back();
    code_.back().opcode = static_cast<std::uint8_t>(info.opcode);
    return code_.back();
  }
  Instruction& Emit(Opcode opcode) { return Emit(*FindOpcode(static_cast<std::uint8_t>(opcode))); }

  // The symbol of one of the rows of these forms that stands here.
  const OpcodeInfo* AcceptSymbol(std::initializer_list<OperandForm> forms, OpClass op_class) {
    for (const OpcodeInfo& info : kOpcodes) {
      if (IsOneOf(info.form, forms) && info.op_class == op_class && cursor_.Accept(info.symbol)) return &info;
    }
    return nullptr;
  }

  Result<void> ParseExit() {
    Emit(Opcode::kExit);
    return {};
  }
  Result<void> ParseJump() { return ParseDistance<std::int16_t>(Opcode::kJa); }
  Result<void> ParseJumpLong() { return ParseDistance<std::int32_t>(Opcode::kJaLong); }
  Result<void> ParseMayGoto() { return ParseDistance<std::int16_t>(Opcode::kMayGoto); }

  template <typename Field>
  Result<void> ParseDistance(Opcode opcode) {
    STRATA_TRY(cursor_.Expect("pc"));
    const auto distance = STRATA_TRY(cursor_.NumberFor<Field>());
    Instruction& instruction = Emit(opcode);
    if constexpr (sizeof(Field) == sizeof(instruction.offset)) {
      instruction.offset = distance;
    } else {
      instruction.imm = distance;
    }
    return {};
  }

  // if r1 s>= 0x5 goto pc+3
  Result<void> ParseBranch() {
    const char letter = cursor_.At('w') ? 'w' : 'r';
    const bool is_wide = letter == 'r';
    const std::uint8_t dst = STRATA_TRY(cursor_.Register(letter));
    const std::string_view symbol = Condition();
    const bool has_register = cursor_.AtRegister();
    const OpcodeInfo* row = FindRow({has_register ? OperandForm::kBranchReg : OperandForm::kBranchImm}, symbol,
                                    is_wide ? OpClass::kJump : OpClass::kJump32);
    if (row == nullptr) return cursor_.Malformed("expected a comparison before this");
    Instruction& instruction = Emit(*row);
    instruction.dst = dst & 0xf;
    STRATA_TRY(ParseSecondOperand(instruction, letter));
    STRATA_TRY(cursor_.Expect("goto"));
    STRATA_TRY(cursor_.Expect("pc"));
    instruction.offset = STRATA_TRY(cursor_.NumberFor<std::int16_t>());
    return {};
  }

  // The longest that stands here: ">=" before ">".
  std::string_view Condition() {
    std::string_view longest;
    for (const OpcodeInfo& info : kOpcodes) {
      const std::string_view symbol = info.symbol;
      const std::size_t start = cursor_.position();
      if (info.form != OperandForm::kBranchImm || symbol.size() <= longest.size()) continue;
      if (cursor_.Accept(symbol)) longest = symbol;
      cursor_.Return(start);
    }
    cursor_.Accept(longest);
    return longest;
  }

  Result<void> ParseSecondOperand(Instruction& instruction, char letter) {
    if (cursor_.AtRegister()) {
      instruction.src = STRATA_TRY(cursor_.Register(letter))
      &0xf;
    } else {
      instruction.imm = STRATA_TRY(cursor_.NumberFor<std::int32_t>());
    }
    return {};
  }

  // call pc+3, call kernel-function#77, call bpf_map_lookup_elem#1
  Result<void> ParseCall() {
    const bool is_distance = cursor_.Accept("pc+") || cursor_.Accept("pc-");
    std::string_view callee;
    if (is_distance) {
      cursor_.Return(cursor_.position() - 1);  // to the sign
    } else {
      callee = cursor_.Word();
      STRATA_TRY(cursor_.Expect("#"));
    }
    const auto imm = STRATA_TRY(cursor_.NumberFor<std::int32_t>());
    const PseudoCall kind = is_distance                   ? PseudoCall::kFunction
                            : callee == "kernel-function" ? PseudoCall::kKfunc
                                                          : PseudoCall::kHelper;
    Instruction& instruction = Emit(Opcode::kCall);
    instruction.src = static_cast<std::uint8_t>(kind) & 0xf;
    instruction.imm = imm;
    return {};
  }

  struct Place {
    std::string_view access;  // "u32"
    std::uint8_t base = 0;
    std::int16_t offset = 0;
  };

  // u32 *)(r1 +8), after its first parenthesis
  Result<Place> ParsePlace() {
    Place place;
    place.access = cursor_.Word();
    STRATA_TRY(cursor_.Expect("*)("));
    place.base = STRATA_TRY(cursor_.Register('r'));
    place.offset = STRATA_TRY(cursor_.NumberFor<std::int16_t>());
    STRATA_TRY(cursor_.Expect(")"));
    return place;
  }

  Result<Instruction*> EmitAccess(OperandForm form, const Place& place) {
    const OpcodeInfo* row = FindRow({form}, place.access);
    if (row == nullptr) return cursor_.Malformed(fmt::format("no such access of {}", place.access));
    Instruction& instruction = Emit(*row);
    instruction.offset = place.offset;
    return &instruction;
  }

  // *(u32 *)(r1 +8) = 5, after its first parenthesis
  Result<void> ParseStore() {
    const Place place = STRATA_TRY(ParsePlace());
    STRATA_TRY(cursor_.Expect("="));
    const auto form = cursor_.AtRegister() ? OperandForm::kStoreReg : OperandForm::kStoreImm;
    Instruction* instruction = STRATA_TRY(EmitAccess(form, place));
    instruction->dst = place.base & 0xf;
    return ParseSecondOperand(*instruction, 'r');
  }

  Result<void> EmitAtomic(AtomicOp op, const Place& place, std::uint8_t dst, std::uint8_t src) {
    Instruction* instruction = STRATA_TRY(EmitAccess(OperandForm::kAtomic, place));
    instruction->dst = dst & 0xf;
    instruction->src = src & 0xf;
    instruction->imm = static_cast<std::int32_t>(op);
    return {};
  }

  // lock *(u64 *)(r1 +8) += r2, after its first parenthesis
  Result<void> ParseLocked() {
    const Place place = STRATA_TRY(ParsePlace());
    for (const AtomicInfo& info : kAtomics) {
      if (*info.symbol == '\0' || !cursor_.Accept(info.symbol)) continue;
      const std::uint8_t src = STRATA_TRY(cursor_.Register('r'));
      return EmitAtomic(info.op, place, place.base, src);
    }
    return cursor_.Malformed("expected an atomic operation");
  }

  // store_release((u64 *)(r1 +16), r2)
  Result<void> ParseStoreRelease() {
    const Place place = STRATA_TRY(ParsePlace());
    STRATA_TRY(cursor_.Expect(","));
    const std::uint8_t src = STRATA_TRY(cursor_.Register('r'));
    STRATA_TRY(cursor_.Expect(")"));
    return EmitAtomic(AtomicOp::kStoreRelease, place, place.base, src);
  }

  Result<void> ParseAssignment() {
    letter_ = cursor_.At('w') ? 'w' : 'r';
    class_ = letter_ == 'r' ? OpClass::kAlu64 : OpClass::kAlu32;
    dst_ = STRATA_TRY(cursor_.Register(letter_));
    const std::size_t start = cursor_.position();
    const bool is_signed_division = cursor_.Accept("s/=") || cursor_.Accept("s%=");
    if (is_signed_division) {
      cursor_.Return(start);
      cursor_.Accept("s");
    }
    const OpcodeInfo* row = AcceptSymbol(kAluForms, class_);
    if (row == nullptr) return cursor_.Malformed("expected an assignment");
    const std::string_view symbol = row->symbol;
    if (symbol == "=") {
      for (const Statement& value : Values()) {
        if (cursor_.Accept(value.start)) return (this->*value.parse)();
      }
    }
    const bool has_register = cursor_.AtRegister();
    for (const OpcodeInfo& info : kOpcodes) {
      const bool is_row = IsOneOf(info.form, kAluForms) && info.op_class == class_ && info.symbol == symbol;
      if (!is_row || UsesSourceRegister(static_cast<std::uint8_t>(info.opcode)) != has_register) continue;
      Instruction& instruction = Emit(info);
      instruction.dst = dst_ & 0xf;
      instruction.offset = is_signed_division ? 1 : 0;
      return ParseSecondOperand(instruction, letter_);
    }
    return cursor_.Malformed("expected an operand");
  }

  // What may follow "r1 =" beside a register or a decimal number.
  static std::span<const Statement> Values();

  Result<void> ParseNegation() {
    cursor_.Return(cursor_.position() - 1);  // to the register
    STRATA_TRY(cursor_.Register(letter_));
    Emit(class_ == OpClass::kAlu64 ? Opcode::kNeg64 : Opcode::kNeg32).dst = dst_ & 0xf;
    return {};
  }

  // (s16)r2, after its s
  Result<void> ParseSignExtension() {
    const auto bits = STRATA_TRY(cursor_.NumberFor<std::int16_t>());
    STRATA_TRY(cursor_.Expect(")"));
    const std::uint8_t src = STRATA_TRY(cursor_.Register(letter_));
    Instruction& instruction = Emit(class_ == OpClass::kAlu64 ? Opcode::kMov64Reg : Opcode::kMov32Reg);
    instruction.dst = dst_ & 0xf;
    instruction.src = src & 0xf;
    instruction.offset = bits;
    return {};
  }

  // addr_space_cast(r2, 0, 1)
  Result<void> ParseAddressSpaceCast() {
    const std::uint8_t src = STRATA_TRY(cursor_.Register('r'));
    STRATA_TRY(cursor_.Expect(","));
    const auto to = STRATA_TRY(cursor_.NumberFor<std::int16_t>());
    STRATA_TRY(cursor_.Expect(","));
    const auto from = STRATA_TRY(cursor_.NumberFor<std::int16_t>());
    STRATA_TRY(cursor_.Expect(")"));
    Instruction& instruction = Emit(Opcode::kMov64Reg);
    instruction.dst = dst_ & 0xf;
    instruction.src = src & 0xf;
    instruction.offset = 1;
    instruction.imm = static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(to)) << 16 |
                                                static_cast<std::uint16_t>(from));
    return {};
  }

  Result<void> ParseToLittleEndian() { return ParseByteOrder(Opcode::kToLittleEndian); }
  Result<void> ParseToBigEndian() { return ParseByteOrder(Opcode::kToBigEndian); }
  Result<void> ParseByteSwap() { return ParseByteOrder(Opcode::kByteSwap); }
  Result<void> ParseByteOrder(Opcode opcode) {
    const auto bits = STRATA_TRY(cursor_.NumberFor<std::int32_t>());
    STRATA_TRY(cursor_.Register('r'));
    Instruction& instruction = Emit(opcode);
    instruction.dst = dst_ & 0xf;
    instruction.imm = bits;
    return {};
  }

  // *(u32 *)(r2 +8), *(u16 *)skb[12], *(u16 *)skb[r3 + 4], after the first parenthesis
  Result<void> ParseLoad() {
    const std::size_t start = cursor_.position();
    const std::string_view access = cursor_.Word();
    if (cursor_.Accept("*)skb[")) return ParsePacketLoad(access);
    cursor_.Return(start);
    const Place place = STRATA_TRY(ParsePlace());
    Instruction* instruction = STRATA_TRY(EmitAccess(OperandForm::kLoad, place));
    instruction->dst = dst_ & 0xf;
    instruction->src = place.base & 0xf;
    return {};
  }

  Result<void> ParsePacketLoad(std::string_view access) {
    const bool is_indirect = cursor_.AtRegister();
    const auto form = is_indirect ? OperandForm::kPacketIndirect : OperandForm::kPacketAbsolute;
    Instruction* instruction = STRATA_TRY(EmitAccess(form, Place{.access = access}));
    if (is_indirect) {
      instruction->src = STRATA_TRY(cursor_.Register('r'))
      &0xf;
      STRATA_TRY(cursor_.Expect("+"));
    }
    instruction->imm = STRATA_TRY(cursor_.NumberFor<std::int32_t>());
    return cursor_.Expect("]");
  }

  // atomic64_fetch_add((u64 *)(r1 +8), r2), r0 = atomic_cmpxchg((u32 *)(r1 +8), r0, r2); after "atomic"
  Result<void> ParseFetchingAtomic() {
    cursor_.Accept("64");
    STRATA_TRY(cursor_.Expect("_"));
    const std::string_view name = cursor_.Word();
    STRATA_TRY(cursor_.Expect("(("));
    const Place place = STRATA_TRY(ParsePlace());
    STRATA_TRY(cursor_.Expect(","));
    for (const AtomicInfo& info : kAtomics) {
      if (name != info.name) continue;
      if (info.op == AtomicOp::kCompareExchange) STRATA_TRY(cursor_.Expect("r0,"));
      const std::uint8_t src = STRATA_TRY(cursor_.Register('r'));
      STRATA_TRY(cursor_.Expect(")"));
      return EmitAtomic(info.op, place, place.base, src);
    }
    return cursor_.Malformed(fmt::format("no atomic operation {}", name));
  }

  // load_acquire((u8 *)(r2 +0))
  Result<void> ParseLoadAcquire() {
    const Place place = STRATA_TRY(ParsePlace());
    STRATA_TRY(cursor_.Expect(")"));
    return EmitAtomic(AtomicOp::kLoadAcquire, place, dst_, place.base);
  }

  Result<void> EmitWide(PseudoLoad kind, std::int32_t low, std::int32_t high) {
    Instruction& first = Emit(Opcode::kLoadImm64);
    first.dst = dst_ & 0xf;
    first.src = static_cast<std::uint8_t>(kind) & 0xf;
    first.imm = low;
    code_.emplace_back();
    code_.back().imm = high;
    return {};
  }

  // map[fd:7], map[idx:2][0]+16
  Result<void> ParseMap() {
    const bool by_index = cursor_.Accept("idx:");
    if (!by_index) STRATA_TRY(cursor_.Expect("fd:"));
    const auto map = STRATA_TRY(cursor_.NumberFor<std::int32_t>());
    STRATA_TRY(cursor_.Expect("]"));
    if (!cursor_.Accept("[0]")) return EmitWide(by_index ? PseudoLoad::kMapIndex : PseudoLoad::kMapFd, map, 0);
    const auto offset = STRATA_TRY(cursor_.NumberFor<std::int32_t>());
    return EmitWide(by_index ? PseudoLoad::kMapIndexValue : PseudoLoad::kMapValue, map, offset);
  }

  // subprog[+5]
  Result<void> ParseFunction() {
    const auto distance = STRATA_TRY(cursor_.NumberFor<std::int32_t>());
    STRATA_TRY(cursor_.Expect("]"));
    return EmitWide(PseudoLoad::kFunction, distance, 0);
  }

  // A hexadecimal number is a 64-bit constant, a decimal one the 32 bits of a move.
  Result<void> ParseWideConstant() {
    cursor_.Return(cursor_.position() - 2);
    const auto value = STRATA_TRY(cursor_.Number());
    return EmitWide(PseudoLoad::kNone, static_cast<std::int32_t>(static_cast<std::uint32_t>(value)),
                    static_cast<std::int32_t>(static_cast<std::uint32_t>(value >> 32)));
  }

  Cursor& cursor_;
  std::vector<Instruction>& code_;
  // Of the assignment that is parsed.
  char letter_ = 'r';
  OpClass class_ = OpClass::kAlu64;
  std::uint8_t dst_ = 0;
};

std::span<const LineParser::Statement> LineParser::Statements() {
  static constexpr Statement kStatements[] = {
      {"exit", &LineParser::ParseExit},      {"gotol", &LineParser::ParseJumpLong},
      {"goto", &LineParser::ParseJump},      {"may_goto", &LineParser::ParseMayGoto},
      {"if", &LineParser::ParseBranch},      {"call", &LineParser::ParseCall},
      {"lock *(", &LineParser::ParseLocked}, {"store_release((", &LineParser::ParseStoreRelease},
      {"*(", &LineParser::ParseStore},
  };
  return kStatements;
}

std::span<const LineParser::Statement> LineParser::Values() {
  static constexpr Statement kValues[] = {
      {"-r", &LineParser::ParseNegation},
      {"-w", &LineParser::ParseNegation},
      {"(s", &LineParser::ParseSignExtension},
      {"addr_space_cast(", &LineParser::ParseAddressSpaceCast},
      {"le", &LineParser::ParseToLittleEndian},
      {"be", &LineParser::ParseToBigEndian},
      {"bswap", &LineParser::ParseByteSwap},
      {"*(", &LineParser::ParseLoad},
      {"atomic", &LineParser::ParseFetchingAtomic},
      {"load_acquire((", &LineParser::ParseLoadAcquire},
      {"map[", &LineParser::ParseMap},
      {"subprog[", &LineParser::ParseFunction},
      {"0x", &LineParser::ParseWideConstant},
  };
  return kValues;
}

}  // namespace

Result<std::vector<Instruction>> ParseProgram(std::string_view text) {
  std::vector<Instruction> code;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    Cursor cursor(line.substr(0, line.find(';')), number);
    if (cursor.AtEnd()) continue;
    STRATA_TRY(LineParser(cursor, code).Run());
    if (!cursor.AtEnd()) return cursor.Malformed("expected the end of the line");
  }
  return code;
}

}  // namespace strata::isa
