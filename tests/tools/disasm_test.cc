#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "system/command.h"

namespace strata::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Disasm(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {STRATA_COMMAND, "disasm", STRATA_BPF_TOOLS_SAMPLE};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const CommandResult result = RunCommand(command);
  EXPECT_EQ(result.status, 0) << result.err;
  return result.out;
}

TEST(StrataDisasm, ShowsProgramsAndFunctionsWithNamesAndLines) {
  const std::string text = Disasm({});
  EXPECT_THAT(text, HasSubstr("count: SEC(\"kprobe/do_nothing\")\n"));
  EXPECT_THAT(text, HasSubstr("\npid_of: SEC(\".text\")\n"));
  EXPECT_THAT(text, HasSubstr("; sample.bpf.c:"));
  EXPECT_THAT(text, HasSubstr("call bpf_get_current_task#35\n"));
  EXPECT_THAT(text, HasSubstr("= map[hits]\n"));
  EXPECT_THAT(text, HasSubstr("; wanted\n"));
  EXPECT_THAT(text, HasSubstr("; CO-RE: field_byte_offset of struct task_struct.pid (0:0)\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("goto L1\n"), HasSubstr("\nL1:\n")));
}

TEST(StrataDisasm, OfOneFunctionShowsNoOther) {
  EXPECT_THAT(Disasm({"pid_of"}), AllOf(HasSubstr("pid_of:"), Not(HasSubstr("count:"))));
}

TEST(StrataDisasm, FlatShowsAProgramAsTheKernelGetsIt) {
  const std::string text = Disasm({"--flat", "count"});
  EXPECT_THAT(text, HasSubstr("#pid_of\n"));
  EXPECT_THAT(text, HasSubstr("\npid_of:\n"));
}

TEST(StrataDisasm, JsonIsOneObjectALine) {
  std::stringstream lines(Disasm({"--json", "count"}));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json["function"], "count");
    EXPECT_EQ(json["bytes"].get<std::string>().size(), 16U);
  }
  EXPECT_GT(count, 10U);
}

TEST(StrataDisasm, NamesAProgramThatDoesNotExist) {
  const CommandResult result = RunCommand({STRATA_COMMAND, "disasm", STRATA_BPF_TOOLS_SAMPLE, "nobody"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("there is no program or function nobody"));
}

}  // namespace
}  // namespace strata::testing
