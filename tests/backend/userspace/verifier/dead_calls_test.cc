#include "strata/backend/userspace/verifier/dead_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/isa/builder.h"

namespace strata::verifier {
namespace {

using isa::Builder;
using isa::Condition;
using isa::Instruction;
using isa::kR0, isa::kR1, isa::kR2, isa::kR6, isa::kR10;
using isa::Label;
using isa::Width;

constexpr std::uint32_t kPoison = 0xbad2310;
constexpr auto kNothing = Instruction{.opcode = 0xb7};  // r0 = 0

bool IsKnown(std::uint32_t id) { return id < 200; }

std::vector<Instruction> Prune(Builder builder) {
  auto code = std::move(builder).Build().value();
  EXPECT_TRUE(RemoveDeadCalls(code, IsKnown));
  return code;
}

bool KeepsPoison(const std::vector<Instruction>& code) {
  return std::any_of(code.begin(), code.end(), [](const Instruction& insn) { return insn.imm == kPoison; });
}

// if (r1 op right) goto done; call poison; done: exit
Builder Guarded(Builder builder, Condition condition, isa::Operand right, Width width = Width::k64) {
  const Label done = builder.NewLabel();
  builder.JumpIf(condition, kR1, right, done, width).Call(kPoison).Bind(done).Mov(kR0, 0).Exit();
  return builder;
}

TEST(DeadCalls, BehindAFalseConstantAreRemoved) {
  const auto code = Prune(Guarded(std::move(Builder().Mov(kR1, 0)), Condition::kEqual, 0));
  EXPECT_EQ(code[2], kNothing);
  EXPECT_FALSE(KeepsPoison(code));
}

TEST(DeadCalls, ThatAreReachedStay) {
  EXPECT_TRUE(KeepsPoison(Prune(Guarded(std::move(Builder().Mov(kR1, 1)), Condition::kEqual, 0))));
  EXPECT_TRUE(KeepsPoison(Prune(std::move(Builder().Call(kPoison).Exit()))));
  // Of the context nothing is known.
  EXPECT_TRUE(KeepsPoison(Prune(Guarded(Builder(), Condition::kEqual, 0))));
}

TEST(DeadCalls, OfKnownHelpersAreLeftAlone) {
  Builder builder;
  const Label done = builder.NewLabel();
  builder.Mov(kR1, 0).JumpIf(Condition::kEqual, kR1, 0, done).Call(7).Call(999).Bind(done).Mov(kR0, 0).Exit();
  const auto code = Prune(std::move(builder));
  EXPECT_EQ(code[2].imm, 7);
  EXPECT_EQ(code[3], kNothing);
}

TEST(DeadCalls, OfKernelFunctionsAndHelpersThatAreMissing) {
  Builder builder;
  const Label done = builder.NewLabel();
  builder.Mov(kR1, 0).JumpIf(Condition::kEqual, kR1, 0, done).CallKernelFunction(1234).Bind(done).Mov(kR0, 0).Exit();
  EXPECT_EQ(Prune(std::move(builder))[2], kNothing);
}

struct Row {
  std::int64_t left;
  Condition condition;
  std::int32_t right;
  Width width;
  bool is_taken;
};
const Row kRows[] = {
    {5, Condition::kEqual, 5, Width::k64, true},
    {5, Condition::kNotEqual, 5, Width::k64, false},
    {5, Condition::kGreater, 4, Width::k64, true},
    {-1, Condition::kGreater, 4, Width::k64, true},
    {-1, Condition::kSignedGreater, 4, Width::k64, false},
    {-1, Condition::kSignedLess, 0, Width::k32, true},
    {0x100000000, Condition::kEqual, 0, Width::k32, true},
    {0x100000000, Condition::kEqual, 0, Width::k64, false},
    {-1, Condition::kEqual, -1, Width::k64, true},
    {6, Condition::kAnyBitSet, 1, Width::k64, false},
    {7, Condition::kAnyBitSet, 1, Width::k64, true},
    {4, Condition::kLess, 4, Width::k64, false},
    {4, Condition::kLessOrEqual, 4, Width::k64, true},
    {4, Condition::kGreaterOrEqual, 4, Width::k32, true},
    {-4, Condition::kSignedLessOrEqual, -4, Width::k32, true},
    {-4, Condition::kSignedGreaterOrEqual, -3, Width::k64, false},
};

TEST(DeadCalls, BranchesAreDecidedLikeAtRunTime) {
  for (const Row& row : kRows) {
    Builder builder;
    builder.LoadImm64(kR1, static_cast<std::uint64_t>(row.left));
    EXPECT_EQ(KeepsPoison(Prune(Guarded(std::move(builder), row.condition, row.right, row.width))), !row.is_taken)
        << row.left << " and " << row.right;
  }
}

TEST(DeadCalls, ConstantsAreComputed) {
  Builder builder;
  builder.Mov(kR1, 12).Add(kR1, -2).Alu(isa::Arithmetic::kLsh, kR1, 3).Sub(kR1, 80);
  EXPECT_FALSE(KeepsPoison(Prune(Guarded(std::move(builder), Condition::kEqual, 0))));
  Builder narrow;
  narrow.Mov(kR1, -1).Alu(isa::Arithmetic::kAdd, kR1, 1, Width::k32).Mov(kR2, kR1).Xor(kR1, kR2);
  EXPECT_FALSE(KeepsPoison(Prune(Guarded(std::move(narrow), Condition::kEqual, 0))));
  Builder memory;
  memory.Mov(kR1, 0).Store(isa::Size::k64, kR10, -8, kR1).Load(isa::Size::k64, kR1, kR10, -8);
  EXPECT_TRUE(KeepsPoison(Prune(Guarded(std::move(memory), Condition::kEqual, 0))));
}

TEST(DeadCalls, WaysThatMeetKeepWhatTheyAgreeOn) {
  for (const int other : {0, 1}) {
    Builder builder;
    const Label second = builder.NewLabel();
    const Label joined = builder.NewLabel();
    builder.JumpIf(Condition::kEqual, kR1, 5, second).Mov(kR1, 0).Jump(joined);
    builder.Bind(second).Mov(kR1, other).Bind(joined);
    EXPECT_EQ(KeepsPoison(Prune(Guarded(std::move(builder), Condition::kEqual, 0))), other == 1);
  }
}

TEST(DeadCalls, LoopsLoseWhatTheyChange) {
  Builder builder;
  const Label again = builder.NewLabel();
  builder.Mov(kR1, 0).Mov(kR6, 0).Bind(again).Add(kR6, 1);
  builder.JumpIf(Condition::kLess, kR6, 10, again);
  EXPECT_FALSE(KeepsPoison(Prune(Guarded(std::move(builder), Condition::kEqual, 0))));
  Builder changing;
  const Label more = changing.NewLabel();
  changing.Mov(kR1, 0).Bind(more).Add(kR1, 1).JumpIf(Condition::kLess, kR1, 10, more);
  EXPECT_TRUE(KeepsPoison(Prune(Guarded(std::move(changing), Condition::kEqual, 10))));
}

// main: r0 = has(); if (r0 == 0) goto done; call poison; ... has: r0 = value; exit
std::vector<Instruction> AsksAFunction(std::int32_t value) {
  Builder builder;
  const Label has = builder.NewLabel();
  builder.Mov(kR6, 0).CallFunction(has).Mov(kR1, kR0).Add(kR1, kR6);
  builder = Guarded(std::move(builder), Condition::kEqual, 0);
  builder.Bind(has).Mov(kR0, value).Exit();
  return Prune(std::move(builder));
}

TEST(DeadCalls, ResultsOfFunctionsAreFollowed) {
  EXPECT_FALSE(KeepsPoison(AsksAFunction(0)));
  EXPECT_TRUE(KeepsPoison(AsksAFunction(1)));
}

TEST(DeadCalls, ArgumentsOfFunctionsAreJoinedOverTheirCallers) {
  for (const int second : {0, 1}) {
    Builder builder;
    const Label callee = builder.NewLabel();
    builder.Mov(kR1, 0).CallFunction(callee).Mov(kR1, second).CallFunction(callee).Mov(kR0, 0).Exit().Bind(callee);
    EXPECT_EQ(KeepsPoison(Prune(Guarded(std::move(builder), Condition::kEqual, 0))), second == 1);
  }
}

TEST(DeadCalls, CallbacksMayGetAnything) {
  Builder builder;
  const Label callback = builder.NewLabel();
  builder.LoadFunction(kR2, callback).Call(100).Mov(kR0, 0).Exit().Bind(callback);
  EXPECT_TRUE(KeepsPoison(Prune(Guarded(std::move(builder), Condition::kEqual, 0))));
}

TEST(DeadCalls, BothHalvesOfAPoisonedLoadAreRemoved) {
  Builder builder;
  const Label done = builder.NewLabel();
  builder.Mov(kR1, 0).JumpIf(Condition::kEqual, kR1, 0, done).Call(kPoison).Call(kPoison);
  builder.Bind(done).Mov(kR0, 0).Exit();
  const auto code = Prune(std::move(builder));
  EXPECT_EQ(code[2], kNothing);
  EXPECT_EQ(code[3], kNothing);
}

TEST(DeadCalls, CodeThatIsNoneIsRefused) {
  std::vector<Instruction> code = {{.opcode = 0x85, .imm = 999}, {.opcode = 0xff}};
  const auto result = RemoveDeadCalls(code, IsKnown);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kVerifierRejected);
}

}  // namespace
}  // namespace strata::verifier
