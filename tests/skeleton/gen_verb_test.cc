#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "system/command.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A folder that is gone at the end.
class StrataGen : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string TextOf(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder_ = "/tmp/strata-gen-XXXXXX";
};

TEST_F(StrataGen, WritesAFileOrStandardOutput) {
  const std::string header = folder_ + "/rich.skel.h";
  const CommandResult written = RunCommand({STRATA_COMMAND, "gen", STRATA_BPF_RICH, "-o", header});
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_EQ(written.out, "");
  const CommandResult printed = RunCommand({STRATA_COMMAND, "gen", STRATA_BPF_RICH});
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(printed.out, TextOf(header));
  EXPECT_THAT(printed.out, HasSubstr("class rich {"));
}

TEST_F(StrataGen, DependsOnTheObjectsContentOnly) {
  const std::string copy = folder_ + "/rich.bpf.o";
  std::filesystem::copy_file(STRATA_BPF_RICH, copy);
  const std::string first = RunCommand({STRATA_COMMAND, "gen", STRATA_BPF_RICH}).out;
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "gen", copy}).out, first);
  EXPECT_THAT(first, Not(HasSubstr(folder_)));
  EXPECT_THAT(first, Not(HasSubstr(STRATA_GOLDEN_FOLDER)));
}

TEST_F(StrataGen, LeavesDebugInformationOutUnlessAsked) {
  const std::string small = RunCommand({STRATA_COMMAND, "gen", STRATA_BPF_RICH}).out;
  const std::string whole = RunCommand({STRATA_COMMAND, "gen", "--keep-debug", STRATA_BPF_RICH}).out;
  EXPECT_THAT(small, Not(HasSubstr(".debug_info")));
  EXPECT_THAT(whole, HasSubstr("debug"));
  EXPECT_LT(small.size(), whole.size());
}

TEST_F(StrataGen, TakesNamesAndTypes) {
  const CommandResult result = RunCommand(
      {STRATA_COMMAND, "gen", STRATA_BPF_RICH, "--name", "Tracer", "--namespace", "my::bpf", "--type", "pt_regs"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("namespace my::bpf {"));
  EXPECT_THAT(result.out, HasSubstr("class Tracer {"));
  EXPECT_THAT(result.out, HasSubstr("namespace Tracer_types {"));
  EXPECT_THAT(result.out, HasSubstr("struct pt_regs {"));
}

TEST_F(StrataGen, LeavesNoFileAfterAnError) {
  const std::string header = folder_ + "/x.h";
  const CommandResult no_object = RunCommand({STRATA_COMMAND, "gen", STRATA_COMMAND, "-o", header});
  EXPECT_EQ(no_object.status, 1);
  EXPECT_THAT(no_object.err, HasSubstr(STRATA_COMMAND));
  const CommandResult bad_name = RunCommand({STRATA_COMMAND, "gen", STRATA_BPF_RICH, "-o", header, "--name", "int"});
  EXPECT_EQ(bad_name.status, 1);
  EXPECT_THAT(bad_name.err, HasSubstr("\"int\" is no name of a class"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "gen"}).status, 2);
}

}  // namespace
}  // namespace strata::testing
