#include "strata/isa/disassemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "strata/isa/builder.h"

namespace strata::isa {
namespace {

// Instructions of every kind.
std::vector<Instruction> EveryKind() {
  Builder b;
  const Label end = b.NewLabel();
  const Label function = b.NewLabel();
  for (const Arithmetic op : {Arithmetic::kAdd, Arithmetic::kSub, Arithmetic::kMul, Arithmetic::kDiv, Arithmetic::kOr,
                              Arithmetic::kAnd, Arithmetic::kLsh, Arithmetic::kRsh, Arithmetic::kMod, Arithmetic::kXor,
                              Arithmetic::kMov, Arithmetic::kArsh, Arithmetic::kSignedDiv, Arithmetic::kSignedMod}) {
    b.Alu(op, kR1, 5).Alu(op, kR2, kR3).Alu(op, kR4, -6, Width::k32).Alu(op, kR5, kR6, Width::k32);
  }
  b.Negate(kR1).Negate(kR2, Width::k32);
  b.MovSigned(kR1, kR2, 8).MovSigned(kR1, kR2, 16).MovSigned(kR1, kR2, 32).MovSigned(kR1, kR2, 8, Width::k32);
  b.MovSigned(kR1, kR2, 16, Width::k32);
  b.ToLittleEndian(kR1, 16).ToBigEndian(kR1, 32).ByteSwap(kR1, 64);
  b.AddressSpaceCast(kR1, kR2, 1, 0).AddressSpaceCast(kR1, kR2, 0, 1);
  for (const Size size : {Size::k8, Size::k16, Size::k32, Size::k64}) {
    b.Load(size, kR1, kR10, -8).Store(size, kR10, -16, kR2).Store(size, kR3, 4, -7);
  }
  b.LoadSigned(Size::k8, kR1, kR2, 1).LoadSigned(Size::k16, kR1, kR2, 2).LoadSigned(Size::k32, kR1, kR2, 4);
  for (const AtomicInfo& atomic : kAtomics) {
    if (atomic.smallest_access_bytes < 4) continue;
    b.Atomic(atomic.op, Size::k64, kR1, 8, kR2).Atomic(atomic.op, Size::k32, kR1, -4, kR2);
  }
  b.LoadAcquire(Size::k8, kR1, kR2, 0).StoreRelease(Size::k64, kR1, 16, kR2);
  b.LoadPacket(Size::k16, 12).LoadPacket(Size::k32, kR3, 4);
  b.LoadImm64(kR1, 0x1122334455667788)
      .LoadImm64(kR1, 0)
      .LoadMapFd(kR1, 7)
      .LoadMapIndex(kR1, 2)
      .LoadMapIndexValue(kR1, 2, 16);
  b.LoadFunction(kR2, function);
  for (const Condition condition :
       {Condition::kEqual, Condition::kGreater, Condition::kGreaterOrEqual, Condition::kAnyBitSet, Condition::kNotEqual,
        Condition::kSignedGreater, Condition::kSignedGreaterOrEqual, Condition::kLess, Condition::kLessOrEqual,
        Condition::kSignedLess, Condition::kSignedLessOrEqual}) {
    b.JumpIf(condition, kR1, 5, end).JumpIf(condition, kR1, -1, end, Width::k32);
    b.JumpIf(condition, kR1, kR2, end).JumpIf(condition, kR1, kR2, end, Width::k32);
  }
  b.MayGoto(end).Jump(end).JumpLong(end).Call(1).CallFunction(function).CallKernelFunction(77).Bind(end).Exit();
  b.Bind(function).Mov(kR0, 0).Exit();
  return std::move(b).Build().value();
}

// STRATA_REWRITE_GOLDEN=1 writes the file anew. The verifier log of Linux 6.18 has the same text for the same
// instructions.
TEST(Disassemble, MatchesTheGoldenText) {
  const std::string got = DisassembleProgram(EveryKind());
  if (std::getenv("STRATA_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(STRATA_GOLDEN_FILE) << got;
    GTEST_SKIP() << "wrote " << STRATA_GOLDEN_FILE;
  }
  std::ostringstream expected;
  expected << std::ifstream(STRATA_GOLDEN_FILE).rdbuf();
  EXPECT_EQ(got, expected.str());
}

DisassemblyNames Names() {
  DisassemblyNames names;
  names.helper = [](std::uint32_t helper) { return helper == 1 ? "bpf_map_lookup_elem" : ""; };
  names.map = [](InsnIndex at) { return at.value == 0 ? "counts" : ""; };
  names.function = [](InsnIndex first) { return "f" + std::to_string(first.value); };
  names.kernel_function = [](std::uint32_t) { return "bpf_task_acquire"; };
  return names;
}

std::string WithNames(Builder builder, std::uint32_t at = 0) {
  return Disassemble(std::move(builder).Build().value(), InsnIndex{at}, Names());
}

TEST(Disassemble, UsesTheNamesItIsGiven) {
  Builder call;
  const Label function = call.NewLabel();
  call.CallFunction(function).Exit().Bind(function).Exit();
  EXPECT_EQ(WithNames(std::move(call)), "call pc+1#f2");
  EXPECT_EQ(WithNames(std::move(Builder().Call(1))), "call bpf_map_lookup_elem#1");
  EXPECT_EQ(WithNames(std::move(Builder().Call(99))), "call unknown#99");
  EXPECT_EQ(WithNames(std::move(Builder().CallKernelFunction(5))), "call bpf_task_acquire#5");
  EXPECT_EQ(WithNames(std::move(Builder().LoadMapIndex(kR1, 4))), "r1 = map[counts]");
  EXPECT_EQ(WithNames(std::move(Builder().LoadMapIndexValue(kR1, 4, 8))), "r1 = map[counts][0]+8");
}

TEST(Disassemble, PrintsWhatIsNoInstruction) {
  Instruction slot;
  slot.opcode = 0xff;
  EXPECT_EQ(Disassemble({&slot, 1}, InsnIndex{0}), "invalid opcode 0xff");
  slot.opcode = 0x18;
  EXPECT_EQ(Disassemble({&slot, 1}, InsnIndex{0}), "r0 = 0x0 (second slot is missing)");
  slot.opcode = 0xdb;
  slot.imm = 0x77;
  EXPECT_EQ(Disassemble({&slot, 1}, InsnIndex{0}), "invalid atomic operation 0x77");
}

TEST(Disassemble, LabelsReplaceDistances) {
  DisassemblyNames names;
  names.label = [](std::int64_t target) { return target == 2 ? "L1" : ""; };
  const std::vector<Instruction> code = {
      {.opcode = 0x05, .offset = 1}, {.opcode = 0x15, .offset = 1}, {.opcode = 0x95}};
  EXPECT_EQ(Disassemble(code, InsnIndex{0}, names), "goto L1");
  EXPECT_EQ(Disassemble(code, InsnIndex{1}, names), "if r0 == 0x0 goto pc+1");
}

TEST(HelperName, NamesEveryHelperOfTheKernel) {
  EXPECT_EQ(HelperName(0), "");
  EXPECT_EQ(HelperName(1), "bpf_map_lookup_elem");
  EXPECT_EQ(HelperName(211), "bpf_cgrp_storage_delete");
  EXPECT_EQ(HelperName(212), "");
  for (std::uint32_t helper = 1; helper <= 211; ++helper) EXPECT_NE(HelperName(helper), "") << helper;
}

}  // namespace
}  // namespace strata::isa
