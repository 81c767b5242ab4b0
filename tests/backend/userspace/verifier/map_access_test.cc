#include "strata/backend/userspace/verifier/map_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "strata/isa/builder.h"
#include "strata/spec/map_type.h"

namespace strata::verifier {
namespace {

using isa::Builder;
using isa::kR0, isa::kR1, isa::kR10, isa::kR2, isa::kR3, isa::kR6, isa::kR7;
using isa::Label;
using isa::Size;

constexpr std::uint32_t kLookup = 1;
constexpr std::uint32_t kUpdate = 2;
constexpr std::uint32_t kPlain = 0;  // positions of maps
constexpr std::uint32_t kReadOnly = 1;
constexpr std::uint32_t kWriteOnly = 2;
constexpr std::uint32_t kFlags[] = {0, map_flags::kReadOnlyProgram, map_flags::kWriteOnlyProgram};

constexpr char kWrite[] = "write into map forbidden: it has BPF_F_RDONLY_PROG";
constexpr char kRead[] = "read from map forbidden: it has BPF_F_WRONLY_PROG";

// Empty where nothing is forbidden.
std::string ComplaintOf(Builder builder) {
  const auto code = std::move(builder).Build().value();
  const auto functions = FindFunctions(code);
  EXPECT_TRUE(functions) << functions.error().message();
  const auto result = CheckMapAccess(code, *functions, kFlags);
  if (result) return {};
  EXPECT_EQ(result.error().sys_errno(), EACCES);
  EXPECT_EQ(result.error().code(), ErrorCode::kVerifierRejected);
  return result.error().message();
}

// r0 = a value of the map, in R6 too
Builder Find(std::uint32_t map) {
  Builder builder;
  builder.Store(Size::k32, kR10, -4, 1).Mov(kR2, kR10).Add(kR2, -4).LoadMapIndex(kR1, map).Call(kLookup).Mov(kR6, kR0);
  return builder;
}

TEST(MapAccess, OfValuesIsWhatTheMapAllows) {
  for (const std::uint32_t map : {kPlain, kReadOnly, kWriteOnly}) {
    Builder store = Find(map);
    store.Store(Size::k64, kR6, 8, 1).Mov(kR0, 0).Exit();
    EXPECT_EQ(ComplaintOf(std::move(store)), map == kReadOnly ? "instruction 7: " + std::string(kWrite) : "") << map;
    Builder load = Find(map);
    load.Load(Size::k32, kR0, kR6, 8).Exit();
    EXPECT_EQ(ComplaintOf(std::move(load)), map == kWriteOnly ? "instruction 7: " + std::string(kRead) : "") << map;
    Builder both = Find(map);
    both.Mov(kR1, 1).Atomic(isa::AtomicOp::kAdd, Size::k64, kR6, 0, kR1).Mov(kR0, 0).Exit();
    EXPECT_EQ(ComplaintOf(std::move(both)).empty(), map == kPlain) << map;
  }
}

TEST(MapAccess, LoadsAndStoresThatAreAtomicAreNoMoreThanThat) {
  for (const std::uint32_t map : {kPlain, kReadOnly, kWriteOnly}) {
    Builder store = Find(map);
    store.Mov(kR1, 1).Atomic(isa::AtomicOp::kStoreRelease, Size::k64, kR6, 0, kR1).Mov(kR0, 0).Exit();
    EXPECT_EQ(ComplaintOf(std::move(store)).empty(), map != kReadOnly) << map;
    Builder load = Find(map);
    load.Atomic(isa::AtomicOp::kLoadAcquire, Size::k64, kR0, 0, kR6).Exit();
    EXPECT_EQ(ComplaintOf(std::move(load)).empty(), map != kWriteOnly) << map;
  }
}

TEST(MapAccess, OfVariablesIsWhatTheMapAllows) {
  Builder builder;
  builder.LoadMapIndexValue(kR1, kReadOnly, 8).Load(Size::k64, kR0, kR1, 0).Store(Size::k64, kR1, 0, kR0).Exit();
  EXPECT_EQ(ComplaintOf(std::move(builder)), "instruction 3: " + std::string(kWrite));
}

TEST(MapAccess, ByHelpersIsRefusedToo) {
  Builder builder;
  builder.LoadMapIndex(kR1, kReadOnly).Mov(kR2, kR10).Mov(kR3, kR10).Call(kUpdate).Exit();
  EXPECT_EQ(ComplaintOf(std::move(builder)), "instruction 4: " + std::string(kWrite));
  Builder other;
  other.LoadMapIndex(kR1, kWriteOnly).Mov(kR2, kR10).Mov(kR3, kR10).Call(kUpdate).Exit();
  EXPECT_EQ(ComplaintOf(std::move(other)), "");
}

TEST(MapAccess, FollowsComputedAndSpilledPointers) {
  Builder builder = Find(kReadOnly);
  builder.Add(kR6, 16).Store(Size::k64, kR10, -16, kR6).Mov(kR6, 0).Load(Size::k64, kR7, kR10, -16);
  builder.Store(Size::k8, kR7, 0, 1).Mov(kR0, 0).Exit();
  EXPECT_EQ(ComplaintOf(std::move(builder)), "instruction 11: " + std::string(kWrite));
}

TEST(MapAccess, FollowsCallsAndReturns) {
  Builder builder = Find(kReadOnly);
  const Label same = builder.NewLabel();
  const Label store = builder.NewLabel();
  builder.Mov(kR1, kR6).CallFunction(same).Mov(kR1, kR0).CallFunction(store).Exit();
  builder.Bind(same).Mov(kR0, kR1).Exit();
  builder.Bind(store).Store(Size::k64, kR1, 0, 1).Mov(kR0, 0).Exit();
  EXPECT_EQ(ComplaintOf(std::move(builder)), "instruction 14: " + std::string(kWrite));
}

// What is computed of two pointers, loaded from a value, or cut to 32 bits is a number; other maps' values are others.
TEST(MapAccess, LetsNumbersAndOtherMapsBe) {
  Builder builder = Find(kReadOnly);
  builder.Mov(kR7, kR6).Sub(kR7, kR6).Load(Size::k64, kR1, kR6, 0).Store(Size::k64, kR10, -16, kR1);
  builder.Store(Size::k32, kR10, -4, 1).Mov(kR2, kR10).Add(kR2, -4).LoadMapIndex(kR1, kPlain).Call(kLookup);
  builder.Store(Size::k64, kR0, 0, kR7).Load(Size::k64, kR1, kR0, 0).Mov(kR0, 0).Exit();
  EXPECT_EQ(ComplaintOf(std::move(builder)), "");
}

}  // namespace
}  // namespace strata::verifier
