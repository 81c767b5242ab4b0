#include "strata/spec/flatten.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/isa/builder.h"

namespace strata {
namespace {

using isa::Builder;
using isa::kR0;
using testing::ElementsAre;
using testing::HasSubstr;

// A function that calls the named ones in turn, as the ELF reader leaves it: imm -1 and a reference for each call.
template <typename Spec = FunctionSpec>
Spec Calling(std::string name, const std::vector<std::string>& callees) {
  Spec function;
  function.name = std::move(name);
  Builder code;
  for (const std::string& callee : callees) {
    function.references.push_back(
        Reference{.index = code.next(), .kind = ReferenceKind::kFunctionCall, .symbol = callee});
    code.Append({.opcode = 0x85, .src = 1, .imm = -1});
  }
  code.Mov(kR0, 0).Exit();
  function.instructions = std::move(code).Build().value();
  function.line_infos = {{{0}, 1, 1, 1}};
  function.type = btf::TypeId{static_cast<std::uint32_t>(callees.size()) + 1};
  return function;
}

// The first half of a 64-bit load, and its second.
void PutFirst(FunctionSpec& function, isa::Instruction load) {
  auto code = function.instructions.ToVector();
  code.insert(code.begin(), {load, {}});
  function.instructions = std::move(code);
}

CollectionSpec Collect(const std::vector<FunctionSpec>& functions) {
  CollectionSpec collection;
  for (const FunctionSpec& function : functions) collection.functions.emplace(function.name, function);
  return collection;
}

std::vector<std::string> Names(const FlatProgram& flat) {
  std::vector<std::string> names;
  for (const FunctionStart& function : flat.functions) names.push_back(function.name);
  return names;
}

// What a call or callback address at `index` leads to.
std::uint32_t Target(const FlatProgram& flat, std::uint32_t index) {
  return static_cast<std::uint32_t>(static_cast<std::int64_t>(index) + 1 + flat.instructions[index].imm);
}

TEST(Flatten, AppendsSubprogramsDepthFirstInCallOrder) {
  const auto collection = Collect({Calling("a", {"c"}), Calling("b", {}), Calling("c", {"d"}), Calling("d", {})});
  const auto flat = Flatten(collection, Calling<ProgramSpec>("main", {"a", "b", "c"})).value();
  EXPECT_THAT(Names(flat), ElementsAre("main", "a", "c", "d", "b"));
  EXPECT_EQ(flat.functions[0].index.value, 0U);
  EXPECT_EQ(flat.functions[1].index.value, 5U);
  EXPECT_EQ(Target(flat, 0), flat.functions[1].index.value);
  EXPECT_EQ(Target(flat, 1), flat.functions[4].index.value);
  EXPECT_EQ(Target(flat, 2), flat.functions[2].index.value);
  EXPECT_EQ(Target(flat, 5), flat.functions[2].index.value);
}

TEST(Flatten, AppendsEachSubprogramOnce) {
  const auto collection = Collect({Calling("a", {"b", "b"}), Calling("b", {})});
  EXPECT_THAT(Names(Flatten(collection, Calling<ProgramSpec>("main", {"b", "a", "b"})).value()),
              ElementsAre("main", "b", "a"));
}

TEST(Flatten, EndsOnRecursion) {
  const auto collection = Collect({Calling("a", {"b"}), Calling("b", {"a"})});
  const auto flat = Flatten(collection, Calling<ProgramSpec>("main", {"a", "main"})).value();
  EXPECT_THAT(Names(flat), ElementsAre("main", "a", "b"));
  EXPECT_EQ(Target(flat, 1), 0U);
}

TEST(Flatten, FollowsChainsLongerThanAStack) {
  std::vector<FunctionSpec> functions;
  for (int i = 0; i < 50000; ++i) functions.push_back(Calling(std::to_string(i), {std::to_string(i + 1)}));
  functions.push_back(Calling("50000", {}));
  const auto flat = Flatten(Collect(functions), Calling<ProgramSpec>("main", {"0"})).value();
  EXPECT_EQ(flat.functions.size(), 50002U);
}

TEST(Flatten, MovesReferencesLinesAndRelocationsWithTheirFunction) {
  FunctionSpec callee = Calling("a", {});
  PutFirst(callee, {.opcode = 0x18, .src = 1});
  callee.references = {Reference{.index = {0}, .kind = ReferenceKind::kMap, .symbol = "map"}};
  callee.core_relocations = {{{2}, btf::TypeId{1}, "0", 0}};
  const auto flat = Flatten(Collect({callee}), Calling<ProgramSpec>("main", {"a"})).value();
  ASSERT_EQ(flat.references.size(), 1U);
  EXPECT_EQ(flat.references[0].index.value, 3U);
  EXPECT_EQ(flat.core_relocations[0].index.value, 5U);
  EXPECT_EQ(flat.line_infos[1].index.value, 3U);
  EXPECT_EQ(flat.functions[1].type, btf::TypeId{1});
}

TEST(Flatten, ResolvesCallbackAddresses) {
  auto program = Calling<ProgramSpec>("main", {});
  PutFirst(program, {.opcode = 0x18, .dst = 2, .src = 4});
  program.references = {Reference{.index = {0}, .kind = ReferenceKind::kFunctionAddress, .symbol = "callback"}};
  const auto flat = Flatten(Collect({Calling("callback", {})}), program).value();
  EXPECT_EQ(flat.instructions[0].src, 4);
  EXPECT_EQ(Target(flat, 0), flat.functions[1].index.value);
}

TEST(Flatten, NamesFunctionsThatAreNotDefined) {
  const auto result = Flatten(Collect({Calling("a", {"lost"})}), Calling<ProgramSpec>("main", {"a"}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(result.error().message(),
              HasSubstr("function a: instruction 0: refers to function lost, which is not defined"));
}

TEST(Flatten, RefusesReferencesThatDoNotFitTheCode) {
  auto program = Calling<ProgramSpec>("main", {"a"});
  program.references[0].index.value = 99;
  EXPECT_FALSE(Flatten(Collect({Calling("a", {})}), program));
  program.references[0].index.value = 1;
  EXPECT_THAT(Flatten(Collect({Calling("a", {})}), program).error().message(), HasSubstr("is no call"));
}

TEST(Flatten, RefusesWhatReachesAnUnusableFunction) {
  auto collection = Collect({Calling("a", {"b"}), Calling("b", {}), Calling("c", {})});
  collection.functions.at("b").unusable = "a.o: section .text: offset 8: is odd";
  const auto error = Flatten(collection, Calling<ProgramSpec>("main", {"a"})).error();
  EXPECT_EQ(error.message(), "function b: a.o: section .text: offset 8: is odd");
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_TRUE(Flatten(collection, Calling<ProgramSpec>("main", {"c"})));
}

}  // namespace
}  // namespace strata
