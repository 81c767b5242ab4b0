// The verbs that look at userspace objects, as another process, while a loader holds them and after it is gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "backends/targets.h"
#include "strata/strata.h"
#include "system/command.h"

namespace strata::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<json> JsonLines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

class StrataRegistry : public ::testing::Test {
 protected:
  void SetUp() override {
    auto backend = OpenBackend("userspace", {.session = "tools", .runtime_folder = folder_.path(), .agent_path = {}});
    ASSERT_TRUE(backend) << backend.error().message();
    objects_.emplace(LoadCollection(*backend, std::string(STRATA_BPF_REGISTRY)).value());
  }
  CommandResult Strata(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), STRATA_COMMAND);
    arguments.insert(arguments.end(), {"--session", "tools"});
    return RunCommand(arguments, {folder_.Variable()});
  }
  CommandResult OnUserspace(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--backend", "userspace"});
    return Strata(std::move(arguments));
  }
  std::uint32_t MapId(const char* name) { return objects_->FindMap(name).value()->info().id; }
  Program& OnCall() { return *objects_->FindProgram("on_call").value(); }

  RuntimeFolder folder_;
  std::optional<Collection> objects_;
};

TEST_F(StrataRegistry, ListsAllThatALoaderHolds) {
  const auto lines = JsonLines(OnUserspace({"list", "--json"}).out);
  std::vector<std::string> names;
  for (const json& line : lines)
    names.push_back(line["type"].get<std::string>() + " " + line["name"].get<std::string>());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("map kept_events", "map kept_counts", "map registry.rodata",
                                                     "program on_call", "btf "));
}

TEST_F(StrataRegistry, ElementsAreWrittenAndReadByTheirTypes) {
  const std::string id = std::to_string(MapId("kept_events"));
  const CommandResult set = OnUserspace({"map", "set", id, "5", R"({"pid":-3,"comm":"sort","color":"BLUE"})"});
  ASSERT_EQ(set.status, 0) << set.err;
  EXPECT_EQ(OnUserspace({"map", "get", "kept_events", "5"}).out, "{.pid = -3, .comm = \"sort\", .color = BLUE}\n");
  EXPECT_THAT(OnUserspace({"map", "dump", "kept_events", "--json"}).out, HasSubstr(R"("comm":"sort")"));
  EXPECT_EQ(OnUserspace({"map", "delete", id, "5"}).status, 0);
  EXPECT_THAT(OnUserspace({"map", "get", id, "5"}).err, HasSubstr("there is no element 5"));
}

TEST_F(StrataRegistry, WatchPrintsWhatTheLoaderChanges) {
  RunningCommand watch({STRATA_COMMAND, "map", "watch", "kept_events", "--interval", "0.02", "--json", "--backend",
                        "userspace", "--session", "tools"},
                       {folder_.Variable()});
  const std::uint32_t key = 3;
  const std::vector<std::byte> value(16);
  ASSERT_TRUE(objects_->FindMap("kept_events").value()->Update(std::as_bytes(std::span(&key, 1)), value));
  EXPECT_TRUE(watch.WaitForLine(R"("key":3,"value":{"pid":0)"));
  watch.Signal(SIGINT);
  EXPECT_EQ(watch.Wait().status, 0);
}

TEST_F(StrataRegistry, ProgramsAreShownAndDumpedWithSourceLines) {
  const json info = json::parse(OnUserspace({"prog", "show", "on_call", "--json"}).out);
  EXPECT_EQ(info["map_ids"].size(), 3U);
  EXPECT_NE(info["btf_id"], 0);
  EXPECT_TRUE(info["gpl_compatible"]);
  EXPECT_GT(info["jited_bytes"], 0);
  const CommandResult dumped = OnUserspace({"prog", "dump", std::to_string(OnCall().info().id)});
  EXPECT_THAT(dumped.out,
              AllOf(HasSubstr("; registry.bpf.c:"), HasSubstr("call bpf_map_lookup_elem#1"), HasSubstr("exit")))
      << dumped.err;
}

TEST_F(StrataRegistry, StatsCountRunsOfAnotherProcess) {
  const auto self = OpenExecutable("/proc/self/exe").value();
  const auto probe = self.AttachUprobe("strata_test_call", OnCall(), {.pid = ::getpid()}).value();
  RunningCommand stats({STRATA_COMMAND, "prog", "stats", "on_call", "--seconds", "0.5", "--json", "--backend",
                        "userspace", "--session", "tools"},
                       {folder_.Variable()});
  while (OnCall().Stats()->run_count == 0) strata_test_call(1);  // counted as soon as the command asks for it
  strata_test_call(1);
  const json counted = json::parse(stats.Wait().out);
  EXPECT_GT(counted["runs"], 0);
}

TEST_F(StrataRegistry, LinksAreShownAndDetached) {
  const auto self = OpenExecutable("/proc/self/exe").value();
  auto probe = self.AttachUprobe("strata_test_call", OnCall(), {.pid = ::getpid()}).value();
  const std::string id = std::to_string(probe.id());
  const json shown = json::parse(OnUserspace({"link", "show", id, "--json"}).out);
  EXPECT_EQ(shown["kind"], "uprobe");
  EXPECT_EQ(shown["program_id"], OnCall().info().id);
  EXPECT_EQ(shown["pid"], ::getpid());
  ASSERT_EQ(OnUserspace({"link", "detach", id}).status, 0);
  EXPECT_EQ(OnUserspace({"link", "show", id}).status, 1);
  EXPECT_FALSE(probe.Info());
}

TEST_F(StrataRegistry, LogPrintsWhatProgramsPrint) {
  ASSERT_TRUE(OnCall().TestRun());
  ASSERT_TRUE(OnCall().TestRun());
  const CommandResult once = Strata({"log", "--once"});
  EXPECT_EQ(once.status, 0) << once.err;
  EXPECT_EQ(std::count(once.out.begin(), once.out.end(), '\n'), 2);
  EXPECT_THAT(once.out, HasSubstr(": called 1 times\n"));
  EXPECT_EQ(Strata({"log", "--once"}).out, "");
}

TEST_F(StrataRegistry, LogFollowsUntilInterrupted) {
  RunningCommand log({STRATA_COMMAND, "log", "--session", "tools"}, {folder_.Variable()});
  ASSERT_TRUE(OnCall().TestRun());
  EXPECT_TRUE(log.WaitForLine("called 1 times"));
  ASSERT_TRUE(OnCall().TestRun());
  EXPECT_TRUE(log.WaitForLine("called 1 times"));
  log.Signal(SIGINT);
  EXPECT_EQ(log.Wait().status, 0);
}

TEST_F(StrataRegistry, GcSaysWhyThingsStay) {
  const auto lines = JsonLines(Strata({"gc", "--json"}).out);
  ASSERT_EQ(lines.size(), 6U);
  for (const json& line : lines) EXPECT_FALSE(line["removed"]) << line.dump();
  EXPECT_EQ(lines[0]["reason"], "a process holds it");
  EXPECT_EQ(lines.back()["type"], "session");
  EXPECT_EQ(lines.back()["reason"], "a loader has it open");
  EXPECT_THAT(Strata({"gc"}).out, HasSubstr("session tools: kept"));
}

TEST_F(StrataRegistry, LoadedAndPinnedObjectsOutliveTheCommand) {
  objects_.reset();
  const CommandResult loaded = OnUserspace({"load", STRATA_BPF_REGISTRY, "--pin", "demo"});
  ASSERT_EQ(loaded.status, 0) << loaded.err;
  ASSERT_EQ(OnUserspace({"map", "set", "demo/maps/kept_events", "1", "{}"}).status, 0);
  EXPECT_THAT(OnUserspace({"prog", "show", "demo/programs/on_call"}).out, HasSubstr("on_call"));
  EXPECT_THAT(OnUserspace({"map", "dump", "demo/programs/on_call"}).err, HasSubstr("is a program, not a map"));
  EXPECT_THAT(Strata({"gc", "--dry-run"}).out, HasSubstr("pinned at demo/programs/on_call"));
  std::filesystem::remove_all(folder_.path() + "/tools/pinned/demo");
  EXPECT_THAT(Strata({"gc", "--dry-run"}).out, HasSubstr("would go program"));
  EXPECT_THAT(Strata({"gc"}).out, HasSubstr("session tools: removed"));
  EXPECT_EQ(Strata({"gc"}).status, 1);
}

TEST(StrataGc, ItsHelpNamesItsOptions) {
  EXPECT_THAT(RunCommand({STRATA_COMMAND, "gc", "--help"}).out, AllOf(HasSubstr("--dry-run"), HasSubstr("--session")));
  EXPECT_THAT(RunCommand({STRATA_COMMAND, "log", "--help"}).out, HasSubstr("--once"));
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "gc", "--nothing"}).status, 2);
}

}  // namespace
}  // namespace strata::testing
