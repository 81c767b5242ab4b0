#include "strata/backend/userspace/verifier/guarded_loads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/isa/builder.h"

namespace strata::verifier {
namespace {

using isa::Builder;
using isa::kR0, isa::kR1, isa::kR2, isa::kR3, isa::kR6, isa::kR7, isa::kR10;
using isa::Label;
using isa::Size;

constexpr std::uint32_t kTask = 158;
constexpr std::uint32_t kOther = 14;

bool ReturnsPointer(std::uint32_t helper) { return helper == kTask; }

// The slots of the loads that are guarded.
std::vector<std::size_t> GuardedOf(Builder builder) {
  const auto code = std::move(builder).Build().value();
  const auto functions = FindFunctions(code);
  EXPECT_TRUE(functions) << functions.error().message();
  const auto marks = FindGuardedLoads(code, *functions, ReturnsPointer);
  std::vector<std::size_t> guarded;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i] != 0) guarded.push_back(i);
  }
  return guarded;
}

TEST(GuardedLoads, ThroughWhatAHelperReturned) {
  Builder builder;
  builder.Call(kTask).Mov(kR6, kR0).Load(Size::k32, kR1, kR6, 8).Mov(kR0, 0).Exit();
  EXPECT_THAT(GuardedOf(std::move(builder)), testing::ElementsAre(2));
}

TEST(GuardedLoads, ThroughWhatWasLoadedAndComputed) {
  Builder builder;
  builder.Call(kTask)
      .Load(Size::k64, kR1, kR0, 8)
      .Add(kR1, 16)
      .Load(Size::k64, kR2, kR1, 0)
      .Mov(kR3, kR2)
      .Load(Size::k8, kR0, kR3, 4)
      .Exit();
  EXPECT_THAT(GuardedOf(std::move(builder)), testing::ElementsAre(1, 3, 5));
}

TEST(GuardedLoads, NotThroughTheContextNorTheFrame) {
  Builder builder;
  builder.Mov(kR6, kR1)
      .Call(kTask)
      .Load(Size::k64, kR1, kR6, 8)
      .Store(Size::k64, kR10, -8, kR1)
      .Load(Size::k64, kR2, kR10, -8)
      .Mov(kR0, 0)
      .Exit();
  EXPECT_THAT(GuardedOf(std::move(builder)), testing::IsEmpty());
}

TEST(GuardedLoads, ThroughPointersThatWereInTheFrame) {
  Builder builder;
  builder.Call(kTask)
      .Store(Size::k64, kR10, -16, kR0)
      .Store(Size::k64, kR10, -8, kR6)
      .Load(Size::k64, kR7, kR10, -16)
      .Load(Size::k64, kR6, kR10, -8);
  builder.Load(Size::k32, kR1, kR7, 0).Load(Size::k32, kR1, kR6, 0).Mov(kR0, 0).Exit();
  EXPECT_THAT(GuardedOf(std::move(builder)), testing::ElementsAre(5));
}

TEST(GuardedLoads, OnAnyOfTheWaysThatLeadThere) {
  Builder builder;
  const Label join = builder.NewLabel();
  builder.Mov(kR6, kR1).JumpIf(isa::Condition::kEqual, kR1, 0, join).Call(kTask).Mov(kR6, kR0).Bind(join);
  builder.Load(Size::k32, kR0, kR6, 0).Exit();
  EXPECT_THAT(GuardedOf(std::move(builder)), testing::ElementsAre(4));
}

TEST(GuardedLoads, InFunctionsThatArePassedOne) {
  Builder builder;
  const Label inner = builder.NewLabel();
  builder.Call(kTask).Mov(kR1, kR0).CallFunction(inner).Load(Size::k32, kR0, kR0, 0).Exit();
  builder.Bind(inner).Load(Size::k64, kR0, kR1, 8).Exit();
  EXPECT_THAT(GuardedOf(std::move(builder)), testing::ElementsAre(3, 5));
}

TEST(GuardedLoads, AreNotLookedForWithoutSuchAHelper) {
  Builder builder;
  builder.Call(kOther).Load(Size::k64, kR1, kR0, 8).Load(Size::k64, kR1, kR1, 8).Mov(kR0, 0).Exit();
  EXPECT_THAT(GuardedOf(std::move(builder)), testing::IsEmpty());
}

}  // namespace
}  // namespace strata::verifier
