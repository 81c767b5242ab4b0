#include "strata/isa/builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>

#include "strata/isa/decode.h"

namespace strata::isa {
namespace {

std::string Hex(const std::vector<Instruction>& code) {
  std::string text;
  for (const Instruction& slot : code) {
    unsigned char bytes[8];
    std::memcpy(bytes, &slot, sizeof(bytes));
    for (const unsigned char byte : bytes) {
      constexpr char kDigits[] = "0123456789abcdef";
      text += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return text;
}

struct Encoding {
  const char* name;
  std::function<void(Builder&)> build;
  const char* bytes;  // as in an object file
};

const Encoding kEncodings[] = {
    {"MovImm", [](Builder& b) { b.Mov(kR1, -2); }, "b7010000feffffff"},
    {"MovReg", [](Builder& b) { b.Mov(kR6, kR1); }, "bf16000000000000"},
    {"Mov32", [](Builder& b) { b.Mov32(kR9, kR10); }, "bca9000000000000"},
    {"MovSigned", [](Builder& b) { b.MovSigned(kR1, kR2, 16); }, "bf21100000000000"},
    {"Add", [](Builder& b) { b.Add(kR2, -8); }, "07020000f8ffffff"},
    {"SubReg32", [](Builder& b) { b.Alu(Arithmetic::kSub, kR3, kR4, Width::k32); }, "1c43000000000000"},
    {"SignedDiv", [](Builder& b) { b.Alu(Arithmetic::kSignedDiv, kR1, kR2); }, "3f21010000000000"},
    {"SignedModImm32", [](Builder& b) { b.Alu(Arithmetic::kSignedMod, kR1, 7, Width::k32); }, "9401010007000000"},
    {"Negate", [](Builder& b) { b.Negate(kR5); }, "8705000000000000"},
    {"BigEndian", [](Builder& b) { b.ToBigEndian(kR1, 32); }, "dc01000020000000"},
    {"ByteSwap", [](Builder& b) { b.ByteSwap(kR1, 16); }, "d701000010000000"},
    {"AddressSpaceCast", [](Builder& b) { b.AddressSpaceCast(kR1, kR2, 1, 0); }, "bf21010001000000"},
    {"Load64", [](Builder& b) { b.Load(Size::k64, kR1, kR10, -8); }, "79a1f8ff00000000"},
    {"Load8", [](Builder& b) { b.Load(Size::k8, kR1, kR2, 3); }, "7121030000000000"},
    {"LoadSigned32", [](Builder& b) { b.LoadSigned(Size::k32, kR1, kR2, 4); }, "8121040000000000"},
    {"StoreReg16", [](Builder& b) { b.Store(Size::k16, kR10, -2, kR3); }, "6b3afeff00000000"},
    {"StoreImm32", [](Builder& b) { b.Store(Size::k32, kR1, 0, 5); }, "6201000005000000"},
    {"AtomicAdd", [](Builder& b) { b.Atomic(AtomicOp::kAdd, Size::k64, kR1, 8, kR2); }, "db21080000000000"},
    {"CompareExchange32", [](Builder& b) { b.Atomic(AtomicOp::kCompareExchange, Size::k32, kR1, 0, kR2); },
     "c3210000f1000000"},
    {"LoadAcquire", [](Builder& b) { b.LoadAcquire(Size::k64, kR1, kR2, 8); }, "db21080000010000"},
    {"StoreRelease", [](Builder& b) { b.StoreRelease(Size::k32, kR1, 8, kR2); }, "c321080010010000"},
    {"PacketAbsolute", [](Builder& b) { b.LoadPacket(Size::k16, 12); }, "280000000c000000"},
    {"PacketIndirect", [](Builder& b) { b.LoadPacket(Size::k8, kR3, 1); }, "5030000001000000"},
    {"LoadImm64", [](Builder& b) { b.LoadImm64(kR1, 0x1122334455667788); }, "18010000887766550000000044332211"},
    {"LoadMapFd", [](Builder& b) { b.LoadMapFd(kR1, 7); }, "18110000070000000000000000000000"},
    {"LoadMapIndexValue", [](Builder& b) { b.LoadMapIndexValue(kR1, 2, 16); }, "18610000020000000000000010000000"},
    {"Call", [](Builder& b) { b.Call(1); }, "8500000001000000"},
    {"CallKernelFunction", [](Builder& b) { b.CallKernelFunction(77); }, "852000004d000000"},
    {"Exit", [](Builder& b) { b.Exit(); }, "9500000000000000"},
};

class BuilderEncoding : public testing::TestWithParam<Encoding> {};

TEST_P(BuilderEncoding, GivesTheBytesAndDecodes) {
  Builder builder;
  GetParam().build(builder);
  const std::vector<Instruction> code = std::move(builder).Build().value();
  EXPECT_EQ(Hex(code), GetParam().bytes);
  const Result<const OpcodeInfo*> decoded = DecodeInstruction(code, InsnIndex{0});
  EXPECT_TRUE(decoded.has_value()) << decoded.error().message();
}

INSTANTIATE_TEST_SUITE_P(Builder, BuilderEncoding, testing::ValuesIn(kEncodings),
                         [](const auto& row) { return row.param.name; });

TEST(Builder, ResolvesLabelsInBothDirections) {
  Builder builder;
  const Label again = builder.NewLabel();
  const Label done = builder.NewLabel();
  builder.Bind(again)
      .JumpIf(Condition::kEqual, kR1, 5, done)
      .JumpIf(Condition::kSignedLess, kR1, kR2, again, Width::k32);
  builder.JumpLong(again).MayGoto(done).Bind(done).Exit();
  EXPECT_EQ(Hex(std::move(builder).Build().value()),
            "1501030005000000"
            "ce21feff00000000"
            "06000000fdffffff"
            "e500000000000000"
            "9500000000000000");
}

TEST(Builder, CountsBothSlotsOfALoadImm64) {
  Builder builder;
  const Label function = builder.NewLabel();
  const Label end = builder.NewLabel();
  builder.LoadFunction(kR2, function).Jump(end).CallFunction(function).Bind(end).Exit().Bind(function).Exit();
  const std::vector<Instruction> code = std::move(builder).Build().value();
  EXPECT_EQ(code[0].imm, 4);     // slot 0 to slot 5
  EXPECT_EQ(code[0].src, 4);     // BPF_PSEUDO_FUNC
  EXPECT_EQ(code[2].offset, 1);  // over the call
  EXPECT_EQ(code[3].imm, 1);
  EXPECT_EQ(code[3].src, 1);  // BPF_PSEUDO_CALL
}

TEST(Builder, RefusesAnUnboundLabel) {
  Builder builder;
  builder.Jump(builder.NewLabel());
  EXPECT_EQ(std::move(builder).Build().error().message(), "instruction 0: label 0 is not bound");
}

TEST(Builder, RefusesAJumpThatDoesNotFit) {
  Builder builder;
  const Label far = builder.NewLabel();
  builder.Jump(far);
  for (int i = 0; i < 40000; ++i) builder.Mov(kR0, 0);
  builder.Bind(far).Exit();
  EXPECT_EQ(std::move(builder).Build().error().message(), "instruction 0: a jump of 40000 slots does not fit 16 bits");
}

}  // namespace
}  // namespace strata::isa
