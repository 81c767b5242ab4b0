// Who dies when: the others go on, and nothing stays under the registry's root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "command.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  std::ifstream file("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  for (pid_t child; file >> child;) children.push_back(child);
  return children;
}

// A run whose command goes on calling the hooked function.
class PausedRun : public RunningCommand {
 public:
  explicit PausedRun(const RuntimeFolder& runtime)
      : RunningCommand({STRATA_COMMAND, "run", STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "pause", "10"},
                       {runtime.Variable()}) {
    if (!WaitForLine("ready")) return;
    const std::vector<pid_t> children = ChildrenOf(pid());
    if (children.size() == 1) child_ = children[0];
  }
  // The command; 0 when it did not start.
  pid_t child() const { return child_; }

 private:
  pid_t child_ = 0;
};

TEST(Lifetime, AKilledLoaderHarmsNeitherItsCommandNorTheNextRun) {
  const RuntimeFolder runtime;
  PausedRun run(runtime);
  ASSERT_GT(run.child(), 0);
  // Its objects are visible from outside while it lives.
  const CommandResult listed = RunCommand({STRATA_COMMAND, "list"}, {runtime.Variable()});
  EXPECT_THAT(listed.out, HasSubstr("calls"));
  EXPECT_THAT(listed.out, HasSubstr("unverified"));
  run.Signal(SIGKILL);
  // The command goes on calling the hooked function after its loader died.
  ::usleep(100'000);
  EXPECT_EQ(::kill(run.child(), 0), 0);

  const CommandResult next = RunCommand(
      {STRATA_COMMAND, "run", STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "calls", "5"}, {runtime.Variable()});
  EXPECT_EQ(next.status, 0) << next.err;
  EXPECT_THAT(next.out, HasSubstr("0: 5"));
  EXPECT_EQ(::kill(run.child(), 0), 0);
  ::kill(run.child(), SIGKILL);
  run.Wait();
  EXPECT_THAT(runtime.Content(), ::testing::IsEmpty());
}

// How often a process went to sleep; -1 when it is gone.
long SleepsOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("voluntary_ctxt_switches:")) return std::stol(line.substr(line.find(':') + 1));
  }
  return -1;
}

TEST(Lifetime, FilesThatSomebodyCutsOffEndNobody) {
  const RuntimeFolder runtime;
  PausedRun run(runtime);
  ASSERT_GT(run.child(), 0);
  for (const std::string& path : runtime.Content()) {
    if (std::filesystem::is_regular_file(path)) std::filesystem::resize_file(path, 0);
  }
  // It sleeps after each ten calls of the hooked function.
  const long before = SleepsOf(run.child());
  while (SleepsOf(run.child()) >= 0 && SleepsOf(run.child()) < before + 10) ::usleep(1000);
  EXPECT_GE(SleepsOf(run.child()), before + 10) << "it is gone";
  run.Signal(SIGTERM);
  const CommandResult result = run.Wait();
  EXPECT_LT(result.status, 128) << "ended by a signal";
  EXPECT_THAT(result.err, HasSubstr("its file is damaged"));
  ::kill(run.child(), SIGKILL);
  std::filesystem::remove_all(runtime.path() + "/default");
}

TEST(Lifetime, TwoRunsAtOnceDoNotDisturbEachOther) {
  const RuntimeFolder runtime;
  RunningCommand first({STRATA_COMMAND, "run", STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "pause", "10"},
                       {runtime.Variable()});
  ASSERT_TRUE(first.WaitForLine("ready"));
  const CommandResult second = RunCommand(
      {STRATA_COMMAND, "run", STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "calls", "7"}, {runtime.Variable()});
  EXPECT_THAT(second.out, HasSubstr("0: 7"));
  first.Signal(SIGTERM);
  EXPECT_THAT(first.Wait().out, HasSubstr("events, 0 lost"));
}

TEST(Lifetime, AKilledCommandLeavesNothing) {
  const RuntimeFolder runtime;
  PausedRun run(runtime);
  ASSERT_GT(run.child(), 0);
  ::kill(run.child(), SIGKILL);
  const CommandResult result = run.Wait();
  EXPECT_EQ(result.status, 128 + SIGKILL);
  EXPECT_THAT(result.out, HasSubstr("calls (array)"));
}

}  // namespace
}  // namespace strata::testing
