// The table of kinds of maps.
#include "strata/spec/map_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "strata/spec/type_names.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

TEST(MapRules, HasARowPerKindInOrderAndNoHole) {
  std::uint32_t number = 1;
  std::set<std::string> names;
  for (const MapRules& rules : AllMapRules()) {
    EXPECT_EQ(static_cast<std::uint32_t>(rules.type), number++);
    EXPECT_EQ(FindMapRules(rules.type), &rules);
    EXPECT_TRUE(names.insert(MapTypeName(rules.type)).second) << MapTypeName(rules.type);
  }
  EXPECT_EQ(FindMapRules(MapType::kUnspec), nullptr);
  EXPECT_EQ(FindMapRules(static_cast<MapType>(number)), nullptr);
}

TEST(MapRules, AKindThatIsNotKnownPasses) {
  MapSpec spec;
  spec.type = static_cast<MapType>(99);
  EXPECT_TRUE(CheckMapSpec(spec));
}

TEST(MapRules, ARefusalNamesMapFieldAndBothValues) {
  MapSpec spec;
  spec.name = "m";
  spec.type = MapType::kCgroupStorage;
  spec.key_size = 12;
  spec.value_size = 4;
  const auto checked = CheckMapSpec(spec);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(checked.error().message(),
              HasSubstr("map m: key_size: expected 8 or 16 bytes for a map of type cgroup_storage, got 12"));
}

}  // namespace
}  // namespace strata
