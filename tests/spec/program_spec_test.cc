#include "strata/spec/program_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/isa/builder.h"

namespace strata {
namespace {

using isa::Builder;
using isa::InsnIndex;
using isa::Instruction;
using isa::kR0;
using isa::kR1;
using testing::HasSubstr;

constexpr std::uint8_t kExit = 0x95;

std::vector<Instruction> Movs(int count) {
  Builder code;
  for (int i = 0; i < count; ++i) code.Mov(kR1, 100 + i);
  return std::move(code).Build().value();
}

// 0: if r1 == 0 goto 4    1-2: r1 = map    3: r0 = 1    4: goto 0    5: exit
FunctionSpec Sample() {
  Builder code;
  const auto start = code.NewLabel();
  const auto end = code.NewLabel();
  code.Bind(start)
      .JumpIf(isa::Condition::kEqual, kR1, 0, end)
      .LoadImm64(kR1, 0)
      .Mov(kR0, 1)
      .Bind(end)
      .Jump(start)
      .Exit();
  FunctionSpec function;
  function.name = "sample";
  function.instructions = std::move(code).Build().value();
  function.references = {Reference{.index = {1}, .kind = ReferenceKind::kMap, .symbol = "map"}};
  function.line_infos = {{{0}, 1, 1, 10}, {{3}, 1, 1, 30}, {{5}, 1, 1, 50}};
  function.core_relocations = {{{3}, btf::TypeId{1}, "0", 0}};
  return function;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> Lines(const FunctionSpec& function) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> lines;
  for (const auto& info : function.line_infos) lines.emplace_back(info.index.value, info.line_column);
  return lines;
}
using LineList = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

TEST(FunctionSpec, InsertMovesJumpsReferencesAndLines) {
  FunctionSpec function = Sample();
  ASSERT_TRUE(function.Insert(InsnIndex{3}, Movs(2)));
  EXPECT_EQ(function.instructions.size(), 8U);
  EXPECT_EQ(function.instructions[0].offset, 5);   // to the jump, now at 6
  EXPECT_EQ(function.instructions[6].offset, -7);  // still to 0
  EXPECT_EQ(function.references[0].index.value, 1U);
  EXPECT_EQ(function.core_relocations[0].index.value, 5U);
  EXPECT_EQ(Lines(function), (LineList{{0, 10}, {3, 30}, {7, 50}}));
}

TEST(FunctionSpec, InsertAtAJumpTargetRunsForWhoJumpsThere) {
  FunctionSpec function = Sample();
  ASSERT_TRUE(function.Insert(InsnIndex{0}, Movs(1)));
  EXPECT_EQ(function.instructions[5].offset, -6);  // the loop runs the added instruction too
  EXPECT_EQ(function.instructions[1].offset, 3);
  EXPECT_EQ(function.references[0].index.value, 2U);
  EXPECT_EQ(Lines(function), (LineList{{0, 10}, {4, 30}, {6, 50}}));
}

TEST(FunctionSpec, InsertAtTheEndAppends) {
  FunctionSpec function = Sample();
  ASSERT_TRUE(function.Insert(InsnIndex{6}, Movs(1)));
  EXPECT_EQ(function.instructions.back().imm, 100);
  EXPECT_EQ(function.instructions[5].opcode, kExit);
}

TEST(FunctionSpec, EraseDropsWhatBelongedToTheErased) {
  FunctionSpec function = Sample();
  ASSERT_TRUE(function.Erase(InsnIndex{1}, 3));
  EXPECT_EQ(function.instructions.size(), 3U);
  EXPECT_EQ(function.instructions[0].offset, 0);
  EXPECT_EQ(function.instructions[1].offset, -2);
  EXPECT_TRUE(function.references.empty());
  EXPECT_TRUE(function.core_relocations.empty());
  EXPECT_EQ(Lines(function), (LineList{{0, 10}, {1, 30}, {2, 50}}));
}

TEST(FunctionSpec, EraseOfTheStartKeepsALineThere) {
  FunctionSpec function = Sample();
  auto code = function.instructions.ToVector();
  code[4] = code[3];  // no jump leads back to 0
  function.instructions = std::move(code);
  ASSERT_TRUE(function.Erase(InsnIndex{0}, 3));
  EXPECT_EQ(Lines(function), (LineList{{0, 30}, {2, 50}}));
}

TEST(FunctionSpec, ReplaceIsEntered) {
  FunctionSpec function = Sample();
  ASSERT_TRUE(function.Replace(InsnIndex{4}, 1, Movs(2)));
  EXPECT_EQ(function.instructions.size(), 7U);
  EXPECT_EQ(function.instructions[0].offset, 3);
  EXPECT_EQ(function.instructions[4].imm, 100);
  EXPECT_EQ(Lines(function), (LineList{{0, 10}, {3, 30}, {6, 50}}));
}

TEST(FunctionSpec, EditsRefuseToCutA64BitLoad) {
  for (const auto& [index, count] : {std::pair{2U, 0U}, std::pair{0U, 2U}, std::pair{2U, 1U}}) {
    FunctionSpec function = Sample();
    const auto result = function.Replace(InsnIndex{index}, count, {});
    ASSERT_FALSE(result) << index;
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(result.error().message(), HasSubstr("cuts a 64-bit load in two"));
    EXPECT_EQ(function, Sample());
  }
}

TEST(FunctionSpec, EditsRefusePlacesOutside) {
  FunctionSpec function = Sample();
  EXPECT_THAT(function.Erase(InsnIndex{5}, 2).error().message(), HasSubstr("outside of its 6 instructions"));
  EXPECT_FALSE(function.Insert(InsnIndex{7}, Movs(1)));
}

TEST(FunctionSpec, EditsRefuseToLeaveAJumpWithoutTarget) {
  FunctionSpec function = Sample();
  EXPECT_THAT(function.Erase(InsnIndex{3}, 2).error().message(), HasSubstr("leads to instruction 4"));
  EXPECT_EQ(function, Sample());
}

TEST(FunctionSpec, EditsRefuseJumpsThatBecomeTooFar) {
  FunctionSpec function = Sample();
  EXPECT_THAT(function.Insert(InsnIndex{3}, Movs(40000)).error().message(),
              HasSubstr("instruction 0 would be too far"));
  EXPECT_EQ(function, Sample());
}

TEST(FunctionSpec, EditsMoveLongJumpsAndRelativeCalls) {
  Builder code;
  const auto callee = code.NewLabel();
  code.CallFunction(callee).JumpLong(callee).Mov(kR0, 0).Bind(callee).Exit();
  FunctionSpec function;
  function.instructions = std::move(code).Build().value();
  ASSERT_TRUE(function.Insert(InsnIndex{2}, Movs(1)));
  EXPECT_EQ(function.instructions[0].imm, 3);
  EXPECT_EQ(function.instructions[1].imm, 2);
}

TEST(FunctionSpec, EditsLeaveWhatAReferenceDescribes) {
  Builder code;
  const auto end = code.NewLabel();
  code.CallFunction(end).Mov(kR0, 0).Bind(end).Exit();
  FunctionSpec function;
  auto instructions = std::move(code).Build().value();
  instructions[0].imm = -1;
  function.instructions = std::move(instructions);
  function.references = {Reference{.index = {0}, .kind = ReferenceKind::kFunctionCall, .symbol = "callee"}};
  ASSERT_TRUE(function.Insert(InsnIndex{0}, Movs(3)));
  EXPECT_EQ(function.instructions[3].imm, -1);
  ASSERT_NE(function.FindReference(InsnIndex{3}), nullptr);
  EXPECT_EQ(function.FindReference(InsnIndex{0}), nullptr);
}

}  // namespace
}  // namespace strata
