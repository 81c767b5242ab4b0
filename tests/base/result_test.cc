#include "strata/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace strata {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Error(ErrorCode::kInvalidArgument, "odd");
  return number / 2;
}

Result<int> Quarter(int number) { return STRATA_TRY(Half(STRATA_TRY(Half(number)))); }

Result<void> CheckEven(int number) {
  STRATA_TRY(Half(number));
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*Half(4), 2);
  EXPECT_EQ(Half(3).error().message(), "odd");
}

TEST(Result, TryReturnsTheFirstError) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().message(), "odd");
  EXPECT_FALSE(CheckEven(1).has_value());
  EXPECT_TRUE(CheckEven(2).has_value());
}

TEST(Result, ValueThrowsTheError) {
  try {
    [[maybe_unused]] const int value = Half(1).value();
    FAIL() << "no exception";
  } catch (const BadResult& bad) {
    EXPECT_STREQ(bad.what(), "odd");
    EXPECT_EQ(bad.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Result, ValueOrTakesTheOtherOnlyOnError) {
  EXPECT_EQ(Half(4).value_or(7), 2);
  EXPECT_EQ(Half(5).value_or(7), 7);
}

TEST(Result, CarriesMoveOnlyValues) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(5); };
  const auto pass = [&]() -> Result<std::unique_ptr<int>> { return STRATA_TRY(make()); };
  EXPECT_EQ(**pass(), 5);
}

TEST(Result, ContextChangesOnlyErrors) {
  EXPECT_EQ(*Half(4).Context("halving"), 2);
  EXPECT_EQ(Half(3).Context("halving").error().message(), "halving: odd");
}

}  // namespace
}  // namespace strata
