// strata load, list, map, prog, feature and link show over objects that are pinned in a BPF file system of the test's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "system/command.h"

namespace strata::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<json> JsonLines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

// The object is loaded and pinned once for each test; unmounting frees everything.
class StrataLive : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "the kernel backend needs root";
    std::string name = ::testing::TempDir() + "strata-live.XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    if (::mount("bpf", folder_.c_str(), "bpf", 0, nullptr) != 0)
      GTEST_SKIP() << "needs the right to mount a BPF file system";
    is_mounted_ = true;
    const CommandResult loaded = Strata({"load", STRATA_BPF_LIVE, "--pin", folder_, "--json"});
    ASSERT_EQ(loaded.status, 0) << loaded.err;
    loaded_ = JsonLines(loaded.out);
  }
  void TearDown() override {
    if (is_mounted_) {
      EXPECT_EQ(::umount2(folder_.c_str(), MNT_DETACH), 0);
    }
    if (!folder_.empty()) {
      EXPECT_EQ(::rmdir(folder_.c_str()), 0);
    }
  }

  static CommandResult Strata(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), STRATA_COMMAND);
    return RunCommand(arguments);
  }
  CommandResult OnMap(const std::string& action, const std::string& map, std::vector<std::string> rest = {}) {
    std::vector<std::string> arguments = {"map", action, MapPath(map)};
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    return Strata(arguments);
  }
  std::string MapPath(const std::string& map) const { return folder_ + "/maps/" + map; }
  std::string ProgramPath() const { return folder_ + "/programs/live_filter"; }
  std::uint32_t IdOf(const std::string& name) const {
    for (const json& line : loaded_) {
      if (line["name"] == name) return line["id"];
    }
    return 0;
  }

  std::string folder_;
  bool is_mounted_ = false;
  std::vector<json> loaded_;
};

TEST_F(StrataLive, LoadSaysWhatWasMade) {
  ASSERT_EQ(loaded_.size(), 5U);
  const json& program = loaded_.back();
  EXPECT_EQ(program["type"], "program");
  EXPECT_EQ(program["name"], "live_filter");
  EXPECT_EQ(program["program_type"], "socket_filter");
  EXPECT_EQ(program["tag"].get<std::string>().size(), 16U);
  EXPECT_GT(program["instructions"], 10);
  EXPECT_THAT(program["maps"],
              ::testing::UnorderedElementsAre("live_counts", "live_events", "live_plain", "live_jumps"));
}

TEST_F(StrataLive, LoadedObjectsAreListedById) {
  const auto lines = JsonLines(Strata({"list", "programs", "--backend", "kernel", "--json"}).out);
  const auto found =
      std::find_if(lines.begin(), lines.end(), [&](const json& line) { return line["id"] == IdOf("live_filter"); });
  ASSERT_NE(found, lines.end());
  EXPECT_EQ((*found)["name"], "live_filter");
}

TEST_F(StrataLive, ValuesAreWrittenAndReadByTheirTypes) {
  ASSERT_EQ(OnMap("set", "live_events", {"5", R"({"pid":-3,"comm":"sort","color":"BLUE"})"}).status, 0);
  const CommandResult text = OnMap("get", "live_events", {"5"});
  EXPECT_EQ(text.out, "{.pid = -3, .comm = \"sort\", .color = BLUE}\n");
  const CommandResult as_json = OnMap("get", "live_events", {"5", "--json"});
  EXPECT_EQ(as_json.out, R"({"pid":-3,"comm":"sort","color":"BLUE"})"
                         "\n");
  EXPECT_THAT(OnMap("dump", "live_events").out, HasSubstr("  5: {.pid = -3"));
}

TEST_F(StrataLive, DeletedElementsAreGone) {
  ASSERT_EQ(OnMap("set", "live_events", {"5", "{}"}).status, 0);
  EXPECT_EQ(OnMap("delete", "live_events", {"5"}).status, 0);
  const CommandResult again = OnMap("get", "live_events", {"5"});
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, HasSubstr("map live_events: there is no element 5"));
  EXPECT_EQ(OnMap("delete", "live_events", {"5"}).status, 1);
}

TEST_F(StrataLive, ModesAreTheKernels) {
  EXPECT_EQ(OnMap("set", "live_events", {"1", "{}", "--mode", "exist"}).status, 1);
  EXPECT_EQ(OnMap("set", "live_events", {"1", "{}", "--mode", "noexist"}).status, 0);
  EXPECT_EQ(OnMap("set", "live_events", {"1", "{}", "--mode", "noexist"}).status, 1);
}

TEST_F(StrataLive, PerCpuValuesAreSetForAllAndShownOneByOne) {
  ASSERT_EQ(OnMap("set", "live_counts", {"1", "9"}).status, 0);
  const CommandResult got = OnMap("get", "live_counts", {"1", "--json"});
  for (const json& value : json::parse(got.out)) EXPECT_EQ(value, 9);
}

TEST_F(StrataLive, MapsWithoutTypesTakeNumbersAndBytes) {
  ASSERT_EQ(OnMap("set", "live_plain", {"258", "0x0a0b0c"}).status, 0);
  EXPECT_EQ(OnMap("get", "live_plain", {"0x0201"}).out, "0x0a0b0c\n");
}

TEST_F(StrataLive, BadKeysNameWhatIsExpected) {
  const CommandResult key = OnMap("get", "live_events", {"x"});
  EXPECT_EQ(key.status, 1);
  EXPECT_THAT(key.err, HasSubstr("key: expected a whole number, got \"x\""));
  EXPECT_THAT(OnMap("set", "live_events", {"1", R"({"nothing":1})"}).err,
              HasSubstr("value: .nothing: there is no such member"));
  EXPECT_THAT(OnMap("dump", "live_jumps").err, HasSubstr("prog_array have no elements to print"));
}

TEST_F(StrataLive, MapsAreFoundByIdToo) {
  ASSERT_EQ(OnMap("set", "live_events", {"8", R"({"pid":8})"}).status, 0);
  const CommandResult got = Strata({"map", "get", std::to_string(IdOf("live_events")), "8"});
  EXPECT_THAT(got.out, HasSubstr(".pid = 8"));
  EXPECT_THAT(Strata({"map", "dump", "no_such_map_at_all"}).err, HasSubstr("there is none of that name"));
  EXPECT_THAT(Strata({"map", "dump", ProgramPath()}).err, HasSubstr("is a prog, not a map"));
}

TEST_F(StrataLive, WatchPrintsWhatChanges) {
  RunningCommand watch({STRATA_COMMAND, "map", "watch", MapPath("live_events"), "--interval", "0.02", "--json"}, {});
  ASSERT_EQ(OnMap("set", "live_events", {"3", R"({"pid":1})"}).status, 0);
  EXPECT_TRUE(watch.WaitForLine(R"("key":3,"value":{"pid":1)"));
  ASSERT_EQ(OnMap("delete", "live_events", {"3"}).status, 0);
  EXPECT_TRUE(watch.WaitForLine(R"("key":3,"value":null)"));
  watch.Signal(SIGINT);
  EXPECT_EQ(watch.Wait().status, 0);
}

TEST_F(StrataLive, ProgramsAreShownAndDumpedWithSourceLines) {
  const CommandResult shown = Strata({"prog", "show", ProgramPath(), "--json"});
  ASSERT_EQ(shown.status, 0) << shown.err;
  const json info = json::parse(shown.out);
  EXPECT_EQ(info["name"], "live_filter");
  EXPECT_EQ(info["map_ids"].size(), 4U);
  EXPECT_NE(info["btf_id"], 0);
  EXPECT_TRUE(info["gpl_compatible"]);
  const CommandResult dumped = Strata({"prog", "dump", ProgramPath()});
  EXPECT_THAT(dumped.out, AllOf(HasSubstr("; live.bpf.c:"), HasSubstr("call bpf_tail_call#12"), HasSubstr("exit"),
                                ::testing::Not(HasSubstr("unknown#"))));
}

TEST_F(StrataLive, StatsCountWhatRanMeanwhile) {
  const CommandResult stats = Strata({"prog", "stats", ProgramPath(), "--seconds", "0.05", "--json"});
  ASSERT_EQ(stats.status, 0) << stats.err;
  const json counted = json::parse(stats.out);
  EXPECT_EQ(counted["runs"], 0);
  EXPECT_GT(counted["seconds"], 0);
}

TEST_F(StrataLive, PinningTwiceLeavesTheFirstPins) {
  const CommandResult again = Strata({"load", STRATA_BPF_LIVE, "--pin", folder_});
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, HasSubstr("live_filter"));
  EXPECT_EQ(Strata({"prog", "show", ProgramPath()}).status, 0);
}

TEST_F(StrataLive, RejectedProgramsShowTheEndOfTheLog) {
  const CommandResult rejected = Strata({"load", STRATA_BPF_LIVE_REJECTED});
  EXPECT_EQ(rejected.status, 1);
  EXPECT_THAT(rejected.err, AllOf(HasSubstr("map_value_or_null"), HasSubstr("live_rejected")));
}

TEST(StrataFeature, SaysYesNoOrUnknown) {
  if (::geteuid() != 0) GTEST_SKIP() << "the kernel backend needs root";
  const auto lines = JsonLines(RunCommand({STRATA_COMMAND, "feature", "map type", "--json"}).out);
  ASSERT_GT(lines.size(), 20U);
  for (const json& line : lines) {
    EXPECT_THAT(line["support"].get<std::string>(), ::testing::AnyOf("yes", "no", "unknown"));
    if (line["name"] == "map type hash") {
      EXPECT_EQ(line["support"], "yes");
    }
  }
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "feature", "nothing is called this"}).status, 1);
}

TEST(StrataLinkVerb, NeedsAnOutputOrASubcommand) {
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "link"}).status, 2);
  EXPECT_EQ(RunCommand({STRATA_COMMAND, "link", "show"}).status, 2);
}

}  // namespace
}  // namespace strata::testing
