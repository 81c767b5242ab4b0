#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "system/command.h"

namespace strata::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A folder of the test's own, removed at its end.
class StrataLink : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "strata-link.XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string PathOf(const std::string& name) const { return folder_ / name; }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) names.push_back(entry.path().filename());
    return names;
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(StrataLink, WritesAnObjectThatSpecReads) {
  const std::string out = PathOf("out.bpf.o");
  const CommandResult linked = RunCommand(
      {STRATA_COMMAND, "link", "-o", out, STRATA_BPF_TOOLS_MAIN, STRATA_BPF_TOOLS_HELPER, STRATA_BPF_TOOLS_THIRD});
  EXPECT_EQ(linked.status, 0) << linked.err;
  EXPECT_THAT(linked.out + linked.err, IsEmpty());
  const CommandResult spec = RunCommand({STRATA_COMMAND, "spec", out});
  EXPECT_EQ(spec.status, 0) << spec.err;
  EXPECT_THAT(spec.out, AllOf(HasSubstr("programs (5)"), HasSubstr("[1] = last"), HasSubstr("LINUX_KERNEL_VERSION")));
  EXPECT_THAT(Files(), ::testing::ElementsAre("out.bpf.o"));
}

TEST_F(StrataLink, GivesTheFileTheUsualPermissions) {
  const std::string out = PathOf("out.bpf.o");
  ASSERT_EQ(RunCommand({STRATA_COMMAND, "link", "-o", out, STRATA_BPF_TOOLS_HELPER}).status, 0);
  const ::mode_t mask = ::umask(0);
  ::umask(mask);
  struct stat status {};
  ASSERT_EQ(::stat(out.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666 & ~mask);
}

TEST_F(StrataLink, LeavesNothingBehindAfterAnError) {
  const CommandResult twice =
      RunCommand({STRATA_COMMAND, "link", "-o", PathOf("out.bpf.o"), STRATA_BPF_TOOLS_HELPER, STRATA_BPF_TOOLS_HELPER});
  EXPECT_EQ(twice.status, 1);
  EXPECT_THAT(twice.err, HasSubstr("is defined in"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(StrataLink, KeepsAnExistingFileAfterAnError) {
  const std::string out = PathOf("out.bpf.o");
  std::ofstream(out) << "old";
  const CommandResult failed = RunCommand({STRATA_COMMAND, "link", "-o", out, STRATA_COMMAND});
  EXPECT_EQ(failed.status, 1);
  std::ifstream file(out);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "old");
}

TEST_F(StrataLink, NamesAFolderThatDoesNotExist) {
  const CommandResult failed =
      RunCommand({STRATA_COMMAND, "link", "-o", PathOf("no/out.bpf.o"), STRATA_BPF_TOOLS_HELPER});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("no/out.bpf.o"));
}

TEST_F(StrataLink, NeedsAnOutput) {
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "link", STRATA_BPF_TOOLS_HELPER}).status, 2);
}

}  // namespace
}  // namespace strata::testing
