#include "strata/isa/opcode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace strata::isa {
namespace {

TEST(OpcodeTable, HasEachOpcodeOnce) {
  std::set<std::uint8_t> seen;
  for (const OpcodeInfo& info : kOpcodes) {
    EXPECT_TRUE(seen.insert(static_cast<std::uint8_t>(info.opcode)).second) << info.mnemonic;
  }
  EXPECT_EQ(seen.size(), 128U);
}

TEST(OpcodeTable, HasEachMnemonicOncePerOperandForm) {
  std::set<std::pair<std::string, OperandForm>> seen;
  for (const OpcodeInfo& info : kOpcodes) EXPECT_TRUE(seen.emplace(info.mnemonic, info.form).second) << info.mnemonic;
}

TEST(OpcodeTable, FindsEveryRowByItsByte) {
  for (const OpcodeInfo& info : kOpcodes) EXPECT_EQ(FindOpcode(static_cast<std::uint8_t>(info.opcode)), &info);
}

TEST(OpcodeTable, HasNoRowForOtherBytes) {
  int missing = 0;
  for (int byte = 0; byte < 256; ++byte) missing += FindOpcode(static_cast<std::uint8_t>(byte)) == nullptr ? 1 : 0;
  EXPECT_EQ(missing, 256 - 128);
  EXPECT_EQ(FindOpcode(0xff), nullptr);
  EXPECT_EQ(FindOpcode(0x00), nullptr);  // the second slot of an ldimm64
}

TEST(OpcodeTable, ClassIsTheLowBitsOfTheByte) {
  for (const OpcodeInfo& info : kOpcodes) {
    EXPECT_EQ(info.op_class, ClassOf(static_cast<std::uint8_t>(info.opcode))) << info.mnemonic;
  }
}

// Each operation of RFC 9669 section 4 exists in both widths and with both kinds of second operand.
TEST(OpcodeTable, ArithmeticAndBranchesHaveNoHole) {
  for (const int operation : {0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0}) {
    for (const int rest : {0x04, 0x0c, 0x07, 0x0f})
      EXPECT_NE(FindOpcode(static_cast<std::uint8_t>(operation | rest)), nullptr);
  }
  for (const int operation : {0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0}) {
    for (const int rest : {0x05, 0x0d, 0x06, 0x0e})
      EXPECT_NE(FindOpcode(static_cast<std::uint8_t>(operation | rest)), nullptr);
  }
}

TEST(OpcodeTable, AccessTypesNameTheAccessSize) {
  for (const OpcodeInfo& info : kOpcodes) {
    const bool is_access = info.form == OperandForm::kLoad || info.form == OperandForm::kStoreImm ||
                           info.form == OperandForm::kStoreReg || info.form == OperandForm::kAtomic;
    if (!is_access) continue;
    EXPECT_EQ(std::string(info.symbol).substr(1),
              std::to_string(AccessBytes(static_cast<std::uint8_t>(info.opcode)) * 8));
  }
}

TEST(AtomicTable, FindsEveryRowByItsImm) {
  std::set<std::string> names;
  for (const AtomicInfo& info : kAtomics) {
    EXPECT_EQ(FindAtomic(static_cast<std::int32_t>(info.op)), &info);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
  }
  EXPECT_EQ(FindAtomic(0x20), nullptr);
}

}  // namespace
}  // namespace strata::isa
