#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "system/command.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

TEST(StrataSpec, ListsAnObjectForPeople) {
  const CommandResult result = RunCommand({STRATA_COMMAND, "spec", STRATA_BPF_TOOLS_SAMPLE});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("object tools_sample, little-endian, license \"GPL\"\n"));
  EXPECT_THAT(result.out, HasSubstr("hash, key int (4 bytes), value __u64 (8 bytes), 16 entries"));
  EXPECT_THAT(result.out, HasSubstr("SEC(\"kprobe/do_nothing\"), kprobe"));
  EXPECT_THAT(result.out, HasSubstr("CO-RE at "));
  EXPECT_THAT(result.out, HasSubstr("wanted                   .rodata+0        int volatile const, 4 bytes = 7"));
}

TEST(StrataSpec, PrintsOneJsonObject) {
  const CommandResult result = RunCommand({STRATA_COMMAND, "spec", "--json", STRATA_BPF_TOOLS_SAMPLE});
  EXPECT_EQ(result.status, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["programs"][0]["name"], "count");
  EXPECT_EQ(json["functions"][0]["core_relocations"][0]["access"], "0:0");
  EXPECT_EQ(json["variables"][0]["value"], 7);
}

TEST(StrataSpec, NamesTheFileThatItCannotRead) {
  const CommandResult missing = RunCommand({STRATA_COMMAND, "spec", "/nonexistent.bpf.o"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent.bpf.o"));
  const CommandResult no_object = RunCommand({STRATA_COMMAND, "spec", STRATA_COMMAND});
  EXPECT_EQ(no_object.status, 1);
  EXPECT_THAT(no_object.err, HasSubstr("is no BPF object"));
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "spec"}).status, 2);
}

}  // namespace
}  // namespace strata::testing
