#include "strata/isa/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace strata::isa {
namespace {

Instruction Slot(int opcode, int dst, int src, int offset, int imm) {
  Instruction slot;
  slot.opcode = static_cast<std::uint8_t>(opcode);
  slot.dst = static_cast<std::uint8_t>(dst) & 0xf;
  slot.src = static_cast<std::uint8_t>(src) & 0xf;
  slot.offset = static_cast<std::int16_t>(offset);
  slot.imm = imm;
  return slot;
}

struct Refused {
  const char* name;
  std::vector<Instruction> code;
  const char* error;
};

const Refused kRefused[] = {
    {"UnknownOpcode", {Slot(0xff, 0, 0, 0, 0)}, "instruction 0: unknown opcode 0xff"},
    {"ReservedSrc", {Slot(0x07, 1, 3, 0, 0)}, "instruction 0: opcode 0x07 (add64): src: expected 0, got 3"},
    {"ReservedOffset", {Slot(0x0f, 1, 2, 4, 0)}, "instruction 0: opcode 0x0f (add64): offset: expected 0, got 4"},
    {"ReservedImm", {Slot(0x79, 1, 2, 4, 9)}, "instruction 0: opcode 0x79 (ldx64): imm: expected 0, got 9"},
    {"ReservedDst", {Slot(0x05, 1, 0, 0, 0)}, "instruction 0: opcode 0x05 (ja): dst: expected 0, got 1"},
    {"ExitWithImm", {Slot(0x95, 0, 0, 0, 1)}, "instruction 0: opcode 0x95 (exit): imm: expected 0, got 1"},
    {"NoSuchDst", {Slot(0xb7, 11, 0, 0, 0)}, "instruction 0: opcode 0xb7 (mov64): no register R11"},
    {"NoSuchSrc", {Slot(0xbf, 1, 15, 0, 0)}, "instruction 0: opcode 0xbf (mov64): no register R15"},
    {"WriteToFramePointer",
     {Slot(0xb7, 10, 0, 0, 0)},
     "instruction 0: opcode 0xb7 (mov64): frame pointer is read only"},
    {"FetchIntoFramePointer",
     {Slot(0xdb, 1, 10, 0, 1)},
     "instruction 0: opcode 0xdb (atomic64): frame pointer is read only"},
    {"SignedDivisionOffset",
     {Slot(0x3f, 1, 2, 2, 0)},
     "instruction 0: opcode 0x3f (div64): offset: expected 0 or 1, got 2"},
    {"MoveWidth",
     {Slot(0xbf, 1, 2, 24, 0)},
     "instruction 0: opcode 0xbf (mov64): offset: expected 0, 8, 16, 32, got 24"},
    {"MoveWidth32", {Slot(0xbc, 1, 2, 32, 0)}, "instruction 0: opcode 0xbc (mov32): offset: expected 0, 8, 16, got 32"},
    {"CastSpaces", {Slot(0xbf, 1, 2, 1, 5)}, "instruction 0: opcode 0xbf (mov64): imm: no address space cast 0x5"},
    {"SwapWidth", {Slot(0xdc, 1, 0, 0, 8)}, "instruction 0: opcode 0xdc (be): imm: expected 16, 32 or 64, got 8"},
    {"AtomicOperation",
     {Slot(0xdb, 1, 2, 0, 0x20)},
     "instruction 0: opcode 0xdb (atomic64): imm: no atomic operation 0x20"},
    {"NarrowAtomic", {Slot(0xd3, 1, 2, 0, 0)}, "instruction 0: opcode 0xd3 (atomic8): add needs 32 or 64 bits"},
    {"KindOfCall", {Slot(0x85, 0, 3, 0, 1)}, "instruction 0: opcode 0x85 (call): src: no kind of call 3"},
    {"CallOffset", {Slot(0x85, 0, 0, 1, 1)}, "instruction 0: opcode 0x85 (call): offset: expected 0, got 1"},
    {"MissingSecondSlot", {Slot(0x18, 1, 0, 0, 1)}, "instruction 0: opcode 0x18 (ldimm64): second slot is missing"},
    {"SecondSlotNotEmpty",
     {Slot(0x18, 1, 0, 0, 1), Slot(0x95, 0, 0, 0, 0)},
     "instruction 0: opcode 0x18 (ldimm64): second slot: expected only imm"},
    {"KindOfImmediate",
     {Slot(0x18, 1, 7, 0, 1), Slot(0, 0, 0, 0, 0)},
     "instruction 0: opcode 0x18 (ldimm64): src: no kind of 64-bit immediate 7"},
    {"MapWithUpperHalf",
     {Slot(0x18, 1, 1, 0, 1), Slot(0, 0, 0, 0, 6)},
     "instruction 0: opcode 0x18 (ldimm64): second slot: imm: expected 0, got 6"},
};

class RefusedSlot : public testing::TestWithParam<Refused> {};

TEST_P(RefusedSlot, NamesTheField) {
  const Result<const OpcodeInfo*> decoded = DecodeInstruction(GetParam().code, InsnIndex{0});
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(decoded.error().message(), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(Decode, RefusedSlot, testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

TEST(Decode, NamesTheInstructionInTheMiddle) {
  const std::vector<Instruction> code = {Slot(0xb7, 0, 0, 0, 0), Slot(0x95, 0, 0, 3, 0)};
  ASSERT_TRUE(DecodeInstruction(code, InsnIndex{0}).has_value());
  EXPECT_EQ(DecodeInstruction(code, InsnIndex{1}).error().message(),
            "instruction 1: opcode 0x95 (exit): offset: expected 0, got 3");
}

TEST(Decode, RefusesAnIndexPastTheEnd) {
  EXPECT_EQ(DecodeInstruction({}, InsnIndex{0}).error().message(), "instruction 0: past the end of 0 slots");
}

// Every row has some valid slot, and DecodeInstruction gives that row.
TEST(Decode, AcceptsEveryOpcode) {
  for (const OpcodeInfo& info : kOpcodes) {
    Instruction slot = Slot(static_cast<int>(info.opcode), 0, 0, 0, 0);
    if (info.form == OperandForm::kByteOrder) slot.imm = 64;
    if (info.form == OperandForm::kAtomic) slot.imm = 0x100;
    const std::vector<Instruction> code = {slot, Slot(0, 0, 0, 0, 0)};
    const Result<const OpcodeInfo*> decoded = DecodeInstruction(code, InsnIndex{0});
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message();
    EXPECT_EQ(*decoded, &info);
  }
}

TEST(Decode, TargetsCountFromTheNextSlot) {
  EXPECT_EQ(TargetOf(Slot(0x05, 0, 0, -3, 0), InsnIndex{2}, OperandForm::kJump), 0);
  EXPECT_EQ(TargetOf(Slot(0x06, 0, 0, 0, 100000), InsnIndex{2}, OperandForm::kJumpLong), 100003);
  EXPECT_EQ(TargetOf(Slot(0x85, 0, 1, 0, -4), InsnIndex{2}, OperandForm::kCall), -1);
}

}  // namespace
}  // namespace strata::isa
