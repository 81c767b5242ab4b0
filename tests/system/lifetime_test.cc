// Who dies when: the others go on, and nothing stays under the registry's root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
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

TEST(Lifetime, AKilledLoaderHarmsNeitherItsCommandNorTheNextRun) {
  const RuntimeFolder runtime;
  RunningCommand run({STRATA_COMMAND, "run", STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "pause", "10"},
                     {runtime.Variable()});
  ASSERT_TRUE(run.WaitForLine("ready"));
  const std::vector<pid_t> children = ChildrenOf(run.pid());
  ASSERT_EQ(children.size(), 1U);
  // Its objects are visible from outside while it lives.
  const CommandResult listed = RunCommand({STRATA_COMMAND, "list"}, {runtime.Variable()});
  EXPECT_THAT(listed.out, HasSubstr("calls"));
  EXPECT_THAT(listed.out, HasSubstr("unverified"));
  run.Signal(SIGKILL);
  // The command goes on calling the hooked function after its loader died.
  ::usleep(100'000);
  EXPECT_EQ(::kill(children[0], 0), 0);

  const CommandResult next = RunCommand(
      {STRATA_COMMAND, "run", STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "calls", "5"}, {runtime.Variable()});
  EXPECT_EQ(next.status, 0) << next.err;
  EXPECT_THAT(next.out, HasSubstr("0: 5"));
  EXPECT_EQ(::kill(children[0], 0), 0);
  ::kill(children[0], SIGKILL);
  run.Wait();
  EXPECT_THAT(runtime.Content(), ::testing::IsEmpty());
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
  RunningCommand run({STRATA_COMMAND, "run", STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "pause", "10"},
                     {runtime.Variable()});
  ASSERT_TRUE(run.WaitForLine("ready"));
  const std::vector<pid_t> children = ChildrenOf(run.pid());
  ASSERT_EQ(children.size(), 1U);
  ::kill(children[0], SIGKILL);
  const CommandResult result = run.Wait();
  EXPECT_EQ(result.status, 128 + SIGKILL);
  EXPECT_THAT(result.out, HasSubstr("calls (array)"));
}

}  // namespace
}  // namespace strata::testing
