#include "strata/backend/userspace/verifier/arena_accesses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/isa/builder.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {
namespace {

using isa::Builder;
using isa::kR0, isa::kR1, isa::kR2, isa::kR3, isa::kR6, isa::kR10;
using isa::Label;
using isa::Opcode;
using isa::Size;
using testing::ElementsAre;

struct Prepared {
  std::vector<isa::Instruction> code;
  std::vector<std::size_t> accesses;  // slots
};

Prepared Prepare(Builder builder, bool keeps_user_pointers = true) {
  Prepared prepared{std::move(builder).Build().value(), {}};
  const auto functions = FindFunctions(prepared.code).value();
  const auto marks = FindArenaAccesses(prepared.code, functions, keeps_user_pointers);
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i] != 0) prepared.accesses.push_back(i);
  }
  return prepared;
}

Opcode OpcodeAt(const Prepared& prepared, std::size_t at) { return static_cast<Opcode>(prepared.code[at].opcode); }

TEST(ArenaAccesses, ThroughWhatWasCast) {
  Builder builder;
  builder.AddressSpaceCast(kR6, kR1, 1, 0)
      .Load(Size::k64, kR2, kR6, 8)
      .Store(Size::k32, kR6, 0, 5)
      .Store(Size::k64, kR6, 8, kR2)
      .Load(Size::k64, kR3, kR2, 0)  // a number until it is cast
      .Load(Size::k64, kR0, kR1, 0)
      .Exit();
  const Prepared prepared = Prepare(std::move(builder));
  EXPECT_THAT(prepared.accesses, ElementsAre(1, 2, 3));
  EXPECT_EQ(OpcodeAt(prepared, 0), Opcode::kMov32Reg);
  EXPECT_EQ(prepared.code[0].offset, 0);
}

TEST(ArenaAccesses, ArithmeticOnPointersHas32Bits) {
  Builder builder;
  builder.Add(kR2, 8)
      .AddressSpaceCast(kR1, kR1, 1, 0)
      .Add(kR1, kR2)
      .Mov(kR3, kR1)
      .Add(kR3, -16)
      .Load(Size::k8, kR0, kR3, 0)
      .Exit();
  const Prepared prepared = Prepare(std::move(builder));
  EXPECT_THAT(prepared.accesses, ElementsAre(5));
  EXPECT_EQ(OpcodeAt(prepared, 0), Opcode::kAdd64Imm);
  EXPECT_EQ(OpcodeAt(prepared, 2), Opcode::kAdd32Reg);
  EXPECT_EQ(OpcodeAt(prepared, 4), Opcode::kAdd32Imm);
}

TEST(ArenaAccesses, ThroughTheFrameAndNotAfterwards) {
  Builder builder;
  builder.AddressSpaceCast(kR1, kR1, 1, 0)
      .Store(Size::k64, kR10, -8, kR1)
      .Load(Size::k64, kR2, kR10, -8)
      .Load(Size::k32, kR3, kR2, 0)
      .Store(Size::k64, kR10, -8, kR3)
      .Load(Size::k64, kR2, kR10, -8)
      .Load(Size::k32, kR0, kR2, 0)
      .Exit();
  EXPECT_THAT(Prepare(std::move(builder)).accesses, ElementsAre(3));
}

TEST(ArenaAccesses, CastsBackStayWhereUserSpaceWantsThem) {
  const auto cast = [] {
    Builder builder;
    builder.AddressSpaceCast(kR0, kR1, 0, 1).Exit();
    return builder;
  };
  EXPECT_EQ(OpcodeAt(Prepare(cast()), 0), Opcode::kMov64Reg);
  EXPECT_EQ(OpcodeAt(Prepare(cast(), false), 0), Opcode::kMov32Reg);
}

TEST(ArenaAccesses, InFunctionsThatArePassedOne) {
  Builder builder;
  const Label callee = builder.NewLabel();
  builder.AddressSpaceCast(kR1, kR1, 1, 0).CallFunction(callee).Load(Size::k32, kR0, kR0, 0).Exit();
  builder.Bind(callee).Load(Size::k32, kR2, kR1, 0).Mov(kR0, kR1).Exit();
  EXPECT_THAT(Prepare(std::move(builder)).accesses, ElementsAre(2, 4));
}

}  // namespace
}  // namespace strata::verifier
