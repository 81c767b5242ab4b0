// Objects that a static linker made of several files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"
#include "strata/spec/flatten.h"

namespace strata {
namespace {

using test::Read;
using test::References;
using testing::Contains;
using testing::HasSubstr;

TEST(UnlinkedObject, SaysWhatOnlyAnotherFileDefines) {
  const auto a = Read(STRATA_BPF_LINKED_A);
  EXPECT_THAT(Flatten(a, a.programs.at("program_a")).error().message(),
              HasSubstr("refers to from_b, which no section defines"));
  const auto b = Read(STRATA_BPF_LINKED_B);
  EXPECT_THAT(Flatten(b, b.programs.at("program_b")).error().message(),
              HasSubstr("refers to shared, which no section defines"));
}

#ifdef STRATA_BPF_LINKED
// Edge cases 7 and 22.
TEST(LinkedObject, KeepsBothOfTwoStaticFunctions) {
  const auto spec = Read(STRATA_BPF_LINKED);
  std::vector<std::string> helpers;
  for (const auto& [key, function] : spec.functions) {
    if (function.name == "helper") helpers.push_back(key);
  }
  ASSERT_EQ(helpers.size(), 2U);
  EXPECT_EQ(helpers[0], "helper");
  EXPECT_THAT(helpers[1], testing::StartsWith("helper@.text+"));
  EXPECT_NE(spec.functions.at(helpers[0]).instructions, spec.functions.at(helpers[1]).instructions);
  EXPECT_THAT(References(spec.programs.at("program_a")), Contains("call " + helpers[0]));
  EXPECT_THAT(References(spec.programs.at("program_b")), Contains("call " + helpers[1]));
}

TEST(LinkedObject, CallsTheFunctionThatOverridesAWeakOne) {
  const auto spec = Read(STRATA_BPF_LINKED);
  for (const char* program : {"program_a", "program_b"}) {
    const auto flat = Flatten(spec, spec.programs.at(program));
    ASSERT_TRUE(flat) << flat.error().message();
    EXPECT_THAT(References(spec.programs.at(program)), Contains("call overridden"));
  }
  EXPECT_FALSE(spec.functions.at("overridden").is_static);
  EXPECT_TRUE(spec.functions.at("overridden").references.empty()) << "the weak one uses a variable";
}

TEST(LinkedObject, KeepsBothOfTwoStaticVariables) {
  const auto spec = Read(STRATA_BPF_LINKED);
  const VariableSpec& first = spec.variables.at("private_value");
  const auto second = std::ranges::find_if(
      spec.variables, [](const auto& entry) { return entry.first.starts_with("private_value@.data+"); });
  ASSERT_NE(second, spec.variables.end());
  EXPECT_EQ(first.Get<int>().value(), 11);
  EXPECT_EQ(second->second.Get<int>().value(), 22);
  EXPECT_EQ(spec.types->Describe(second->second.type), "int");
  EXPECT_EQ(spec.variables.at("from_b").Get<int>().value(), 2);
}

TEST(LinkedObject, HasOneOfASharedMap) {
  const auto spec = Read(STRATA_BPF_LINKED);
  EXPECT_EQ(spec.maps.at("shared").type, MapType::kArray);
  EXPECT_THAT(References(spec.programs.at("program_b")), Contains("map shared"));
}

TEST(LinkedObject, HasTypesAndLinesForEachFunction) {
  const auto spec = Read(STRATA_BPF_LINKED);
  for (const auto& [key, function] : spec.functions) {
    EXPECT_EQ(spec.types->NameOf(function.type), function.name) << key;
    ASSERT_FALSE(function.line_infos.empty()) << key;
    EXPECT_EQ(function.line_infos[0].index.value, 0U) << key;
  }
}
#endif

}  // namespace
}  // namespace strata
