// strata run over programs that live in different ways, on both backends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "command.h"

namespace strata::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<json> JsonLines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("{\"type\"")) lines.push_back(json::parse(line));
  }
  return lines;
}

class RunTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (backend() == "kernel" && ::geteuid() != 0) GTEST_SKIP() << "the kernel backend needs root";
  }
  std::string backend() const { return GetParam(); }

  CommandResult Run(const std::string& object, const std::vector<std::string>& command,
                    std::vector<std::string> options = {"--format", "json"}) {
    std::vector<std::string> arguments = {STRATA_COMMAND, "run", "--backend", backend()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.insert(arguments.end(), {object, "--"});
    arguments.insert(arguments.end(), command.begin(), command.end());
    return RunCommand(arguments, {runtime_.Variable()});
  }

  // The counts of entries and returns that a run of the target gives.
  std::pair<long, long> Count(const std::string& mode, int calls, int* status = nullptr) {
    const CommandResult result = Run(STRATA_BPF_TARGET_CALLS, {STRATA_TARGET, mode, std::to_string(calls)});
    if (status != nullptr) *status = result.status;
    EXPECT_TRUE(status != nullptr || result.status == 0) << result.status << result.err;
    std::pair<long, long> counts{-1, -1};
    for (const json& line : JsonLines(result.out)) {
      if (line["type"] != "element" || line["map"] != "calls") continue;
      (line["key"] == 0 ? counts.first : counts.second) = line["value"].get<long>();
    }
    EXPECT_EQ(result.err, "");
    return counts;
  }

  RuntimeFolder runtime_;
};

TEST_P(RunTest, CountsEveryCallAndReturn) { EXPECT_EQ(Count("calls", 1000), std::pair(1000L, 1000L)); }

TEST_P(RunTest, CountsCallsOfAllThreads) { EXPECT_EQ(Count("threads", 1000), std::pair(4000L, 4000L)); }

TEST_P(RunTest, ForkedChildrenAreNotCounted) { EXPECT_EQ(Count("fork", 100), std::pair(100L, 100L)); }

TEST_P(RunTest, GoesOnAcrossExec) { EXPECT_EQ(Count("exec", 100), std::pair(200L, 200L)); }

TEST_P(RunTest, GoesOnAcrossSeveralExecs) { EXPECT_EQ(Count("exec-thrice", 100), std::pair(300L, 300L)); }

TEST_P(RunTest, SpawnedProgramsAreNotCounted) { EXPECT_EQ(Count("spawn", 100), std::pair(100L, 100L)); }

TEST_P(RunTest, AKilledCommandsCountsAreKept) {
  int status = 0;
  EXPECT_EQ(Count("kill", 100, &status), std::pair(100L, 100L));
  EXPECT_EQ(status, 128 + 9);
}

TEST_P(RunTest, AnAbortingCommandsCountsAreKept) {
  int status = 0;
  EXPECT_EQ(Count("abort", 100, &status), std::pair(100L, 100L));
  EXPECT_EQ(status, 128 + 6);
}

TEST_P(RunTest, PassesTheExitStatusOn) {
  int status = 0;
  Count("exit", 1, &status);
  EXPECT_EQ(status, 42);
}

TEST_P(RunTest, TheCommandSeesTheEnvironmentItWouldSee) {
  const CommandResult plain = RunCommand({STRATA_TARGET, "env", "1"}, {runtime_.Variable()});
  const CommandResult traced = Run(STRATA_BPF_TARGET_CALLS, {STRATA_TARGET, "env", "1"});
  EXPECT_EQ(traced.out.substr(0, plain.out.size()), plain.out);
  EXPECT_THAT(traced.out, Not(HasSubstr("LD_PRELOAD")));
  EXPECT_THAT(traced.out, Not(HasSubstr("STRATA_SESSION")));
}

TEST_P(RunTest, StopsAtTheDuration) {
  const CommandResult result = Run(STRATA_BPF_TARGET_CALLS, {STRATA_TARGET, "pause", "10"}, {"--duration", "0.3"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("calls (array)"));
  EXPECT_THAT(result.out, HasSubstr("events, 0 lost"));
}

TEST_P(RunTest, PrintsWhatItHasAtAnInterrupt) {
  RunningCommand run(
      {STRATA_COMMAND, "run", "--backend", backend(), STRATA_BPF_TARGET_CALLS, "--", STRATA_TARGET, "pause", "10"},
      {runtime_.Variable()});
  ASSERT_TRUE(run.WaitForLine("ready"));
  run.Signal(SIGINT);
  const CommandResult result = run.Wait();
  EXPECT_THAT(result.out, HasSubstr("calls (array)"));
  EXPECT_EQ(result.status, 128 + 15);  // the command's own end, by the SIGTERM it got
}

TEST_P(RunTest, DecodesRecordsMapsAndHistograms) {
  const CommandResult result = Run(STRATA_BPF_PRINTING, {STRATA_TARGET, "calls", "2"});
  ASSERT_EQ(result.status, 0) << result.err;
  std::vector<std::string> seen;
  for (const json& line : JsonLines(result.out)) {
    if (line["type"] == "record") seen.push_back(line["value"].dump());
    if (line["type"] == "element")
      seen.push_back(line["map"].get<std::string>() + line["key"].dump() + line["value"].dump());
    if (line["type"] == "histogram") seen.push_back(line["map"].get<std::string>() + line["slots"].dump());
  }
  const std::string record = R"({"color":"GREEN","number":7,"text":"hi"})";
  EXPECT_THAT(seen, ::testing::ElementsAre(record, record, R"(pairs5{"first":-3,"second":1152921504606846976})",
                                           "spread[0,0,0,2,0,0,0,0]"));
}

TEST_P(RunTest, PrintkGoesToStandardError) {
  if (backend() == "kernel" && ::access("/sys/kernel/tracing/trace_pipe", R_OK) != 0) {
    GTEST_SKIP() << "tracefs is not mounted at /sys/kernel/tracing";
  }
  const CommandResult result = Run(STRATA_BPF_PRINTING, {STRATA_TARGET, "calls", "1"}, {});
  EXPECT_THAT(result.err, ::testing::MatchesRegex("calls_target-[0-9]+: argument 1\n"));
}

TEST_P(RunTest, TextHistogramHasBars) {
  const CommandResult result = Run(STRATA_BPF_PRINTING, {STRATA_TARGET, "calls", "4"}, {});
  EXPECT_THAT(result.out, HasSubstr("[8, 16)          4 |@@@@"));
  EXPECT_THAT(result.out, HasSubstr("5: {.first = -3, .second = 1152921504606846976}"));
}

TEST_P(RunTest, ASignalToTheTracedCommandActsAsWithoutTracing) {
  const CommandResult result = Run(STRATA_BPF_TARGET_CALLS, {"/bin/sh", "-c", "kill -USR1 $$"});
  EXPECT_EQ(result.status, 128 + SIGUSR1) << result.err;
}

INSTANTIATE_TEST_SUITE_P(Backends, RunTest, ::testing::Values("kernel", "userspace"),
                         [](const auto& param_info) { return std::string(param_info.param); });

// The demonstration's claim: equal runs give equal totals, and both backends see the same calls.
long MallocTotal(const std::string& backend, const RuntimeFolder& runtime) {
  const CommandResult result = RunCommand(
      {STRATA_COMMAND, "run", "--backend", backend, "--format", "json", STRATA_BPF_MALLOC_HIST, "--", "/usr/bin/env",
       "-i", "PATH=/usr/bin:/bin", "/usr/bin/sort", "--parallel=1", "/etc/services", "/etc/passwd"},
      {runtime.Variable()});
  EXPECT_EQ(result.status, 0) << result.err;
  for (const json& line : JsonLines(result.out)) {
    if (line["type"] != "histogram" || line["map"] != "sizes") continue;
    const auto slots = line["slots"].get<std::vector<long>>();
    return std::accumulate(slots.begin(), slots.end(), 0L);
  }
  return -1;
}

TEST(MallocTotals, AreTheSameInEachRunAndOnBothBackends) {
  const RuntimeFolder runtime;
  const long userspace = MallocTotal("userspace", runtime);
  EXPECT_GT(userspace, 0);
  EXPECT_EQ(MallocTotal("userspace", runtime), userspace);
  if (::geteuid() != 0) GTEST_SKIP() << "the kernel backend needs root";
  EXPECT_EQ(MallocTotal("kernel", runtime), userspace);
  EXPECT_EQ(MallocTotal("kernel", runtime), userspace);
}

TEST(Unprivileged, AnyUserMayTraceInUserspace) {
  if (::geteuid() != 0) GTEST_SKIP() << "the whole suite runs as a plain user already";
  // Copies that everybody may read, wherever the build tree lies.
  const std::filesystem::path folder = ::testing::TempDir() + "strata_unprivileged_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder / "bin");
  std::filesystem::create_directories(folder / "lib");
  const auto copy = [&](const char* from, const std::filesystem::path& to) {
    std::filesystem::copy_file(from, folder / to);
  };
  copy(STRATA_COMMAND, "bin/strata");
  copy(STRATA_AGENT_FILE, "lib/libstrata-agent.so");
  std::filesystem::copy_file(std::filesystem::canonical(STRATA_LIBRARY_FILE), folder / "lib/libstrata.so.0");
  copy(STRATA_BPF_MALLOC_HIST, "malloc_hist.bpf.o");
  std::filesystem::create_directories(folder / "runtime");
  std::filesystem::permissions(folder / "runtime", std::filesystem::perms::all);
  const CommandResult result = RunCommand(
      {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", folder / "bin/strata", "run",
       folder / "malloc_hist.bpf.o", "--", "sort", "/etc/services"},
      {"STRATA_RUNTIME_DIR=" + (folder / "runtime/strata").string(), "LD_LIBRARY_PATH=" + (folder / "lib").string()});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("sizes (array)"));
  EXPECT_THAT(result.out, HasSubstr(" events, 0 lost"));
  EXPECT_THAT(result.out, Not(HasSubstr("\n0 events")));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace strata::testing
