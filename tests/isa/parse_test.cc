#include "strata/isa/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <span>

#include "strata/isa/decode.h"
#include "strata/isa/disassemble.h"
#include "strata/isa/opcode.h"

namespace strata::isa {
namespace {

using testing::HasSubstr;

class RandomInstruction {
 public:
  explicit RandomInstruction(std::uint64_t seed) : random_(seed) {}

  // A valid instruction of that opcode, which text says completely.
  std::vector<Instruction> Make(const OpcodeInfo& info) {
    for (;;) {
      Instruction slot;
      slot.opcode = static_cast<std::uint8_t>(info.opcode);
      slot.dst = random_() % kRegisterCount;
      slot.src = random_() % kRegisterCount;
      slot.offset = static_cast<std::int16_t>(Number());
      slot.imm = static_cast<std::int32_t>(Number());
      Restrict(info, slot);
      std::vector<Instruction> code = {slot};
      if (info.form == OperandForm::kLoadImm64) code.push_back({.imm = HighHalf(slot)});
      if (DecodeInstruction(code, InsnIndex{0})) return code;
    }
  }

 private:
  std::uint64_t Number() {
    constexpr std::uint64_t kEdges[] = {0, 1, 8, 16, 32, 64, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000};
    return random_() % 3 == 0 ? random_() : kEdges[random_() % std::size(kEdges)];
  }

  std::int32_t HighHalf(const Instruction& slot) {
    const auto kind = static_cast<PseudoLoad>(slot.src);
    const bool is_plain = kind == PseudoLoad::kMapFd || kind == PseudoLoad::kMapIndex || kind == PseudoLoad::kFunction;
    return is_plain ? 0 : static_cast<std::int32_t>(Number());
  }

  // Few random fields make a valid slot: what the form does not use is zero, closed sets are drawn from.
  void Restrict(const OpcodeInfo& info, Instruction& slot) {
    switch (info.form) {
      case OperandForm::kAluImm:
        slot.src = 0, slot.offset = 0;
        break;
      case OperandForm::kAluReg:
        slot.offset = 0, slot.imm = 0;
        break;
      case OperandForm::kDivisionImm:
        slot.src = 0, slot.offset &= 1;
        break;
      case OperandForm::kDivisionReg:
        slot.imm = 0, slot.offset &= 1;
        break;
      case OperandForm::kMoveReg:
        slot.offset = static_cast<std::int16_t>(random_() % 5 == 0 ? 1 : random_() % 5 * 8);
        slot.imm = slot.offset == 1 ? (random_() % 2 == 0 ? 1 : 1 << 16) : 0;
        break;
      case OperandForm::kUnary:
        slot.src = 0, slot.offset = 0, slot.imm = 0;
        break;
      case OperandForm::kByteOrder:
        slot.src = 0, slot.offset = 0, slot.imm = 16 << random_() % 3;
        break;
      case OperandForm::kJump:
      case OperandForm::kMayGoto:
        slot.dst = 0, slot.src = 0, slot.imm = 0;
        break;
      case OperandForm::kJumpLong:
        slot.dst = 0, slot.src = 0, slot.offset = 0;
        break;
      case OperandForm::kBranchImm:
      case OperandForm::kStoreImm:
        slot.src = 0;
        break;
      case OperandForm::kBranchReg:
      case OperandForm::kLoad:
      case OperandForm::kStoreReg:
        slot.imm = 0;
        break;
      case OperandForm::kCall:
        slot.dst = 0, slot.offset = 0, slot.src = random_() % 3;
        break;
      case OperandForm::kExit:
        slot = Instruction{.opcode = slot.opcode};
        break;
      case OperandForm::kAtomic:
        slot.imm = static_cast<std::int32_t>(kAtomics[random_() % std::size(kAtomics)].op);
        break;
      case OperandForm::kLoadImm64:
        slot.offset = 0;
        do slot.src = random_() % 7;
        while (static_cast<PseudoLoad>(slot.src) == PseudoLoad::kBtfId);
        break;
      case OperandForm::kPacketAbsolute:
        slot.dst = 0, slot.src = 0, slot.offset = 0;
        break;
      case OperandForm::kPacketIndirect:
        slot.dst = 0, slot.offset = 0;
        break;
    }
  }

  std::mt19937_64 random_;
};

// Every opcode, with random operands: text, instructions and text again are the same.
TEST(Parse, ReadsBackWhatTheDisassemblerPrints) {
  RandomInstruction random(1);
  for (const OpcodeInfo& info : kOpcodes) {
    for (int round = 0; round < 200; ++round) {
      const std::vector<Instruction> code = random.Make(info);
      const std::string text = Disassemble(code, InsnIndex{0});
      const auto parsed = ParseProgram(text);
      ASSERT_TRUE(parsed.has_value()) << text << ": " << parsed.error().message();
      ASSERT_EQ(*parsed, code) << text;
      ASSERT_EQ(Disassemble(*parsed, InsnIndex{0}), text);
    }
  }
}

TEST(Parse, ReadsAListing) {
  const std::string_view text =
      "   0: (b7) r0 = 0\n"
      "\n"
      "; a comment\n"
      "   1: (18) r1 = 0x1122334455667788   ; two slots\n"
      "   3: (15) if r1 == 0x5 goto pc+1\n"
      "   4: (07) r0 += -1\r\n"
      "   5: (95) exit";
  const auto code = ParseProgram(text).value();
  ASSERT_EQ(code.size(), 6U);
  EXPECT_EQ(DisassembleProgram(code),
            "   0: (b7) r0 = 0\n   1: (18) r1 = 0x1122334455667788\n   3: (15) if r1 == 0x5 goto pc+1\n"
            "   4: (07) r0 += -1\n   5: (95) exit\n");
}

TEST(Parse, TakesTheNumberOfANamedHelper) {
  EXPECT_EQ(ParseProgram("call bpf_map_lookup_elem#1").value(), ParseProgram("call unknown#1").value());
}

std::string ErrorOf(std::string_view text) {
  const auto parsed = ParseProgram(text);
  return parsed ? "no error" : parsed.error().message();
}

TEST(Parse, NamesLineAndColumn) {
  EXPECT_EQ(ErrorOf("exit\n\nr11 = 0"), "line 3, column 1: no register r11");
  EXPECT_EQ(ErrorOf("r1 ="), "line 1, column 5: expected a number");
  EXPECT_EQ(ErrorOf("r1 = 4294967296"), "line 1, column 6: the number does not fit 32 bits");
  EXPECT_EQ(ErrorOf("goto pc+32768"), "line 1, column 8: the number does not fit 16 bits");
  EXPECT_EQ(ErrorOf("r1 = r2 r3"), "line 1, column 9: expected the end of the line");
  EXPECT_EQ(ErrorOf("jump"), "line 1, column 1: no instruction starts like this");
  EXPECT_EQ(ErrorOf("r1 = *(u7 *)(r2 +0)"), "line 1, column 20: no such access of u7");
  EXPECT_EQ(ErrorOf("if r1 ~ 3 goto pc+1"), "line 1, column 7: expected a comparison before this");
  EXPECT_EQ(ErrorOf("r1 = 99999999999999999999"), "line 1, column 6: the number does not fit 64 bits");
}

TEST(Parse, DoesNotMixRegisterWidths) {
  EXPECT_THAT(ErrorOf("r1 += w2"), HasSubstr("expected a register r0 to r10"));
  EXPECT_THAT(ErrorOf("w1 = r2"), HasSubstr("expected a register w0 to w10"));
  EXPECT_THAT(ErrorOf("r1 = *(u32 *)(w2 +0)"), HasSubstr("expected a register r0 to r10"));
}

}  // namespace
}  // namespace strata::isa
