#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "system/command.h"

namespace strata::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr char kLibrary[] = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";

TEST(StrataUsdt, ListsEachPlaceWithItsArguments) {
  const CommandResult result = RunCommand({STRATA_COMMAND, "usdt", kLibrary});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, ContainsRegex("libstdcxx:throw +0x[0-9a-f]+ +- +8@%[a-z]+ 8@%[a-z]+\n"));
}

TEST(StrataUsdt, TakesNamesAsSectionsDo) {
  const CommandResult by_name = RunCommand({STRATA_COMMAND, "usdt", "libstdc++.so.6"});
  EXPECT_EQ(by_name.status, 0) << by_name.err;
  EXPECT_EQ(by_name.out, RunCommand({STRATA_COMMAND, "usdt", kLibrary}).out);
}

TEST(StrataUsdt, PrintsJson) {
  const CommandResult result = RunCommand({STRATA_COMMAND, "usdt", "--json", kLibrary});
  EXPECT_EQ(result.status, 0) << result.err;
  const auto line = nlohmann::json::parse(result.out.substr(0, result.out.find('\n')));
  EXPECT_EQ(line["provider"], "libstdcxx");
  EXPECT_GT(line["file_offset"], 0);
  EXPECT_FALSE(line.contains("semaphore"));
}

TEST(StrataUsdt, PrintsNothingForAFileWithoutProbes) {
  const CommandResult result = RunCommand({STRATA_COMMAND, "usdt", "/bin/true"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST(StrataUsdt, NamesWhatCannotBeRead) {
  const CommandResult missing = RunCommand({STRATA_COMMAND, "usdt", "/no/such/file"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("/no/such/file"));
  const CommandResult text = RunCommand({STRATA_COMMAND, "usdt", "/etc/passwd"});
  EXPECT_EQ(text.status, 1);
  EXPECT_THAT(text.err, HasSubstr("/etc/passwd: is no ELF file"));
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "usdt"}).status, 2);
}

}  // namespace
}  // namespace strata::testing
