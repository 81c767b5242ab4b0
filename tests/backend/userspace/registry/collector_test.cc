// What stays and what goes.
#include <sys/file.h>

#include <atomic>
#include <map>
#include <thread>

#include "registry_fixture.h"

namespace strata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class CollectorTest : public RegistryTest {};

std::map<std::string, std::string> ReasonsOf(const SessionReport& report) {
  std::map<std::string, std::string> reasons;
  for (const SessionObject& object : report.objects) reasons[object.kind + std::to_string(object.id)] = object.reason;
  return reasons;
}

TEST_F(CollectorTest, APinnedLinkKeepsItsProgramAndMapsWithoutALoader) {
  LeavePinnedLink("probe");
  Collect();
  EXPECT_THAT(Objects(), UnorderedElementsAre("map-1", "prog-2", "link-3"));
  AsAgent([](runtime::Process& process, int folder) {
    runtime::LinkView view;
    runtime::Reason reason;
    ASSERT_EQ(runtime::MapLink(folder, 3, &view, &reason), 0) << reason.text;
    runtime::ProgramInstance* program = nullptr;
    ASSERT_EQ(runtime::InstantiateProgram(process, folder, 2, &program, &reason), 0) << reason.text;
    runtime::ReleaseProgram(program);
    runtime::UnmapLink(&view);
  });
  RemovePin("probe");
  EXPECT_EQ(Collect().objects.size(), 3U);
  EXPECT_THAT(Objects(), IsEmpty());
}

TEST_F(CollectorTest, ASessionWithAPinOutlivesItsLoaders) {
  LeavePinnedLink("deep/er/probe");
  CloseBackend();
  EXPECT_TRUE(std::filesystem::exists(session_folder()));
  RemovePin("deep/er/probe");
  EXPECT_TRUE(Collect().is_removed);
  EXPECT_FALSE(std::filesystem::exists(session_folder()));
}

TEST_F(CollectorTest, ALinkWithoutItsPinIsDisabledAndAnnounced) {
  LeavePinnedLink("probe");
  AsAgent([&](runtime::Process& process, int folder) {
    runtime::LinkView view;
    ASSERT_EQ(runtime::MapLink(folder, 3, &view, nullptr), 0);
    const std::uint32_t generation = runtime::Generation(process);
    RemovePin("probe");
    Collect();
    EXPECT_FALSE(runtime::IsEnabled(view));
    EXPECT_GT(runtime::Generation(process), generation);
    EXPECT_EQ(runtime::Generation(process) % 2, 0U);
    runtime::UnmapLink(&view);
  });
}

TEST_F(CollectorTest, SaysWhyEachObjectStays) {
  Chain chain = MakeChain(backend());
  ASSERT_TRUE(chain.program->Pin("demo/uses_map"));
  chain.map.reset();
  auto reasons = ReasonsOf(Collect());
  EXPECT_EQ(reasons["map1"], "a process holds it");  // the program's loader does
  EXPECT_EQ(reasons["program2"], "pinned at demo/uses_map");
  EXPECT_EQ(reasons["link3"], "a process holds it");
  chain = {};
  reasons = ReasonsOf(Collect());
  EXPECT_EQ(reasons["map1"], "program 2 uses it");
  EXPECT_FALSE(reasons.contains("link3"));
  RemovePin("demo/uses_map");
}

TEST_F(CollectorTest, ADryRunRemovesNothing) {
  LeavePinnedLink("probe");
  RemovePin("probe");
  const SessionReport report = Collect(true);
  EXPECT_EQ(report.objects.size(), 3U);
  for (const SessionObject& object : report.objects) EXPECT_TRUE(object.is_garbage) << object.kind;
  EXPECT_THAT(Objects(), UnorderedElementsAre("map-1", "prog-2", "link-3"));
  EXPECT_THAT(backend().List()->maps, IsEmpty());  // what goes next is not listed
}

TEST_F(CollectorTest, AProgramThatAnotherLoaderOpenedKeepsItsMaps) {
  Chain chain = MakeChain(backend());
  auto other = OpenAgain();
  auto opened = other->OpenProgram(chain.program->info().id).value();
  chain = {};
  Collect();
  EXPECT_THAT(Objects(), UnorderedElementsAre("map-1", "prog-2"));
  EXPECT_TRUE(opened->TestRun({}));
  opened.reset();  // the last handle takes all with it that nothing else uses
  EXPECT_THAT(Objects(), IsEmpty());
}

TEST_F(CollectorTest, ThreeThousandObjectsOfAKilledLoaderGoAtOnce) {
  InKilledLoader([](Backend& loader) {
    std::vector<std::shared_ptr<BackendProgram>> programs;
    for (int i = 0; i < 900; ++i) {
      auto program = loader.LoadProgram(TrivialProgram());
      if (!program) break;
      programs.push_back(*program);
    }
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_GE(Objects().size(), 900U);
  Collect();
  EXPECT_THAT(Objects(), IsEmpty());
}

// Collectors that run all the time never take what is pinned or held, nor make it look gone to who opens it.
TEST_F(CollectorTest, OpenersAndCollectorsMeet) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  ASSERT_TRUE(map->Pin("counts"));
  map.reset();
  std::atomic<bool> is_done{false};
  std::vector<std::thread> collectors;
  for (int i = 0; i < 2; ++i) {
    collectors.emplace_back([&] {
      while (!is_done) static_cast<void>(CollectSessions(runtime_folder()));
    });
  }
  for (int round = 0; round < 300; ++round) {
    const auto pinned = backend().OpenPinnedMap("counts", MapAccess::kReadWrite);
    ASSERT_TRUE(pinned) << pinned.error().message();
    const auto by_id = backend().OpenMap((*pinned)->info().id);
    ASSERT_TRUE(by_id) << by_id.error().message();
    const auto made = backend().CreateMap(Spec(MapType::kArray, 4, 8, 1), nullptr);
    ASSERT_TRUE(made);
    ASSERT_TRUE(backend().LoadProgram(ProgramOf(*made)));
    const std::uint32_t key = 0;
    ASSERT_TRUE((*made)->Update(BytesOf(key), BytesOf(std::uint64_t{1}), UpdateMode::kAny));
    ASSERT_TRUE(backend().OpenMap((*made)->info().id));
  }
  is_done = true;
  for (std::thread& collector : collectors) collector.join();
  RemovePin("counts");
  Collect();
  EXPECT_THAT(Objects(), IsEmpty());
}

TEST_F(CollectorTest, AStoppedCollectorBlocksNobody) {
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // has the collector's lock, and stops
    const int folder = ::open(session_folder().c_str(), O_RDONLY | O_DIRECTORY);
    if (::flock(folder, LOCK_EX) != 0) ::_exit(1);
    static_cast<void>(!::write(ready[1], "x", 1));
    ::kill(::getpid(), SIGSTOP);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  map.reset();
  EXPECT_THAT(Objects(), IsEmpty());
  EXPECT_TRUE(CollectSessions(runtime_folder()));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(CollectorTest, NoSuchSessionIsAnError) {
  const auto reports = CollectGarbage({.runtime_folder = runtime_folder(), .session = "none", .is_dry_run = false});
  ASSERT_FALSE(reports);
  EXPECT_EQ(reports.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(CollectGarbage({.runtime_folder = runtime_folder() + "/none", .session = {}}).value(), IsEmpty());
}

}  // namespace
}  // namespace strata
