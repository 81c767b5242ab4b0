#include "strata/spec/variable_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/spec/collection_spec.h"

namespace strata {
namespace {

VariableSpec TargetPid() {
  VariableSpec variable;
  variable.name = "target_pid";
  variable.value.resize(4);
  return variable;
}

TEST(VariableSpec, SetsAndReadsValuesOfItsSize) {
  VariableSpec variable = TargetPid();
  ASSERT_TRUE(variable.Set(std::int32_t{-7}));
  EXPECT_EQ(variable.Get<std::int32_t>().value(), -7);
}

TEST(VariableSpec, RefusesAnotherSize) {
  VariableSpec variable = TargetPid();
  const auto result = variable.Set(std::int64_t{1});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "variable target_pid: has 4 bytes, the type given has 8");
  EXPECT_FALSE(variable.Get<char>());
}

TEST(CollectionSpec, CopiesAreEqualUntilOneIsEdited) {
  CollectionSpec original;
  original.maps["a"].max_entries = 3;
  CollectionSpec copy = original;
  EXPECT_EQ(copy, original);
  copy.maps["a"].max_entries = 4;
  EXPECT_FALSE(copy == original);
}

}  // namespace
}  // namespace strata
