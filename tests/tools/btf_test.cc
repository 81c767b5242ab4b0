#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/vmlinux.h"
#include "system/command.h"

namespace strata::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

CommandResult Dump(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {STRATA_COMMAND, "btf", "dump"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunCommand(command);
}

TEST(StrataBtf, PrintsAnObjectsTypesAsC) {
  const CommandResult result = Dump({STRATA_BPF_TOOLS_SAMPLE});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(StartsWith("#pragma once\n"), HasSubstr("struct task_struct {\n")));
}

TEST(StrataBtf, PrintsThemRawAndAsJson) {
  EXPECT_THAT(Dump({STRATA_BPF_TOOLS_SAMPLE, "--format", "raw"}).out, AllOf(StartsWith("[1] "), HasSubstr("] FUNC '")));
  const auto json = nlohmann::json::parse(Dump({STRATA_BPF_TOOLS_SAMPLE, "--format", "json"}).out);
  EXPECT_EQ(json["types"][0]["id"], 1);
}

TEST(StrataBtf, PrintsTheTypesThatAreNamed) {
  STRATA_NEEDS_VMLINUX();
  const CommandResult result = Dump({"vmlinux", "--type", "list_head", "--type", "hlist_node", "--format", "raw"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("STRUCT 'list_head' size=16 vlen=2\n"), HasSubstr("STRUCT 'hlist_node'"),
                                Not(HasSubstr("task_struct"))));
  EXPECT_THAT(Dump({"vmlinux", "--type", "list_head"}).out, HasSubstr("struct list_head *next;"));
}

TEST(StrataBtf, NamesWhatIsNotThere) {
  const CommandResult type = Dump({STRATA_BPF_TOOLS_SAMPLE, "--type", "nobody"});
  EXPECT_EQ(type.status, 1);
  EXPECT_THAT(type.err, AllOf(StartsWith("strata: "), HasSubstr("there is no type nobody")));
  const CommandResult section = Dump({"/proc/self/exe"});
  EXPECT_EQ(section.status, 1);
  EXPECT_THAT(section.err, HasSubstr("has no section .BTF"));
  EXPECT_THAT(Dump({"/no/such.btf"}).err, HasSubstr("/no/such.btf: No such file"));
  EXPECT_EQ(Dump({STRATA_BPF_TOOLS_SAMPLE, "--format", "yaml"}).status, 2);
}

}  // namespace
}  // namespace strata::testing
