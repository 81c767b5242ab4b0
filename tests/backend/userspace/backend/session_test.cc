#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "backend_fixture.h"

namespace strata {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class SessionTest : public UserspaceBackendTest {
 protected:
  Error OpenError(const std::string& session, const std::string& runtime_folder) {
    UserspaceOptions options;
    options.session = session;
    options.runtime_folder = runtime_folder;
    auto opened = OpenUserspaceBackend(std::move(options));
    return opened ? Error(ErrorCode::kSystem, "opened") : opened.error();
  }
  // A loader in a child process that makes objects and is killed.
  void RunLoaderAndKill() {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto loader = OpenAgain();
      auto map = loader->CreateMap(Spec(MapType::kArray, 4, 8, 1), nullptr).value();
      auto program = loader->LoadProgram(TrivialProgram()).value();
      auto link = loader->Attach(program, Target(), {}).value();
      ::kill(::getpid(), SIGKILL);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
};

TEST_F(SessionTest, IsAFolderOfTheOwnerAlone) {
  struct stat status {};
  ASSERT_EQ(::stat(session_folder().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  EXPECT_THAT(Files(), ElementsAre("log", "root"));
}

TEST_F(SessionTest, GoesWithTheLastLoader) {
  auto second = OpenAgain();
  CloseBackend();
  EXPECT_THAT(Files(), Contains("root"));
  second.reset();
  EXPECT_FALSE(std::filesystem::exists(session_folder()));
  EXPECT_TRUE(std::filesystem::exists(runtime_folder()));
}

TEST_F(SessionTest, ObjectsKeepItAlive) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  CloseBackend();
  EXPECT_THAT(Files(), Contains("map-1"));
  map.reset();
  EXPECT_FALSE(std::filesystem::exists(session_folder()));
}

TEST_F(SessionTest, RefusesNamesThatAreNoNames) {
  for (const char* name : {"", ".", "..", "a/b", ".hidden", "with space", "ü"}) {
    EXPECT_EQ(OpenError(name, runtime_folder()).code(), ErrorCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(OpenError(std::string(64, 'x'), runtime_folder()).code(), ErrorCode::kInvalidArgument);
}

TEST_F(SessionTest, RefusesFoldersThatOthersMayWrite) {
  ASSERT_EQ(::mkdir((runtime_folder() + "/open").c_str(), 0700), 0);
  ASSERT_EQ(::chmod((runtime_folder() + "/open").c_str(), 0777), 0);
  const Error error = OpenError("open", runtime_folder());
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("chmod 700"));
  ASSERT_EQ(::chmod(runtime_folder().c_str(), 0777), 0);
  EXPECT_EQ(OpenError("other", runtime_folder()).code(), ErrorCode::kPermissionDenied);
  ASSERT_EQ(::chmod(runtime_folder().c_str(), 0700), 0);
}

TEST_F(SessionTest, RefusesFoldersOfOtherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give a folder away";
  const std::string theirs = runtime_folder() + "/theirs";
  ASSERT_EQ(::mkdir(theirs.c_str(), 0700), 0);
  ASSERT_EQ(::chown(theirs.c_str(), 12345, 12345), 0);
  const Error error = OpenError("theirs", runtime_folder());
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("belongs to user 12345"));
}

TEST_F(SessionTest, DoesNotFollowSymbolicLinks) {
  const std::string elsewhere = runtime_folder() + "/elsewhere";
  ASSERT_EQ(::mkdir(elsewhere.c_str(), 0700), 0);
  std::ofstream(elsewhere + "/file") << "keeps it from being taken for an empty session";
  ASSERT_EQ(::symlink("elsewhere", (runtime_folder() + "/alias").c_str()), 0);
  EXPECT_THAT(OpenError("alias", runtime_folder()).message(), HasSubstr("is no folder"));
  EXPECT_FALSE(std::filesystem::exists(elsewhere + "/root"));
}

TEST_F(SessionTest, LeftoversOfAKilledLoaderAreCollected) {
  RunLoaderAndKill();
  EXPECT_THAT(Files(), Contains("link-3"));
  auto second = OpenAgain();
  EXPECT_THAT(Files(), ElementsAre("log", "root"));
}

TEST_F(SessionTest, ASessionWhoseOnlyLoaderWasKilledIsCollectedFromAnotherSession) {
  CloseBackend();
  RunLoaderAndKill();
  ASSERT_TRUE(std::filesystem::exists(session_folder()));
  ASSERT_TRUE(CollectSessions(runtime_folder()));
  EXPECT_FALSE(std::filesystem::exists(session_folder()));
}

TEST_F(SessionTest, FoldersThatAreNoSessionsAreLeftAlone) {
  const std::string photos = runtime_folder() + "/photos";
  ASSERT_EQ(::mkdir(photos.c_str(), 0700), 0);
  for (const char* name : {"/root", "/map-1", "/log"}) std::ofstream(photos + name) << "precious";
  ASSERT_TRUE(CollectSessions(runtime_folder()));
  for (const char* name : {"/root", "/map-1", "/log"}) EXPECT_TRUE(std::filesystem::exists(photos + name)) << name;
}

TEST_F(SessionTest, LivingObjectsOfOthersAreNotCollected) {
  auto second = OpenAgain();
  auto map = second->CreateMap(Spec(MapType::kArray, 4, 8, 1), nullptr).value();
  ASSERT_TRUE(CollectSessions(runtime_folder()));
  EXPECT_THAT(Files(), Contains("map-1"));
}

TEST_F(SessionTest, AnObjectLivesAsLongAsAForkedChildHoldsItsDescriptor) {
  int go[2];
  ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte = 0;
    ::close(go[1]);
    static_cast<void>(!::read(go[0], &byte, 1));
    ::_exit(0);
  }
  map.reset();
  EXPECT_THAT(Files(), Contains("map-1"));
  ::close(go[0]);
  ::close(go[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ASSERT_TRUE(CollectSessions(runtime_folder()));
  EXPECT_THAT(Files(), ElementsAre("log", "root"));
}

TEST_F(SessionTest, ManyLoadersOpenAndCloseAtOnce) {
  CloseBackend();
  std::vector<pid_t> loaders;
  for (int i = 0; i < 4; ++i) {
    loaders.push_back(::fork());
    ASSERT_GE(loaders.back(), 0);
    if (loaders.back() != 0) continue;
    for (int round = 0; round < 50; ++round) {
      auto loader = OpenUserspaceBackend(Options());
      if (!loader || !(*loader)->CreateMap(Spec(MapType::kHash, 4, 8, 10), nullptr)) ::_exit(1);
    }
    ::_exit(0);
  }
  for (const pid_t loader : loaders) {
    int status = 0;
    ASSERT_EQ(::waitpid(loader, &status, 0), loader);
    EXPECT_EQ(status, 0);
  }
  EXPECT_FALSE(std::filesystem::exists(session_folder()));
}

TEST_F(SessionTest, AFullFileSystemIsAnErrorAndNoSignal) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string small = runtime_folder() + "/small";
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(77);
    ::mkdir(small.c_str(), 0700);
    if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m,mode=700") != 0) ::_exit(77);
    UserspaceOptions options = Options();
    options.runtime_folder = small;
    auto loader = OpenUserspaceBackend(std::move(options));
    if (!loader) ::_exit(1);
    auto too_large = (*loader)->CreateMap(Spec(MapType::kArray, 4, 8, 1 << 20), nullptr);
    if (too_large || too_large.error().code() != ErrorCode::kNoSpace || too_large.error().sys_errno() != ENOSPC)
      ::_exit(2);
    if (too_large.error().message().find("map counts: ") != 0) ::_exit(3);
    std::vector<std::shared_ptr<BackendMap>> maps;
    for (;;) {
      auto map = (*loader)->CreateMap(Spec(MapType::kHash, 4, 8, 1000), nullptr);
      if (!map) break;
      maps.push_back(*map);
    }
    if (maps.empty()) ::_exit(4);
    for (std::uint32_t key = 0; key < 1000; ++key) {
      if (!maps.back()->Update(BytesOf(key), BytesOf(std::uint64_t{key}), UpdateMode::kAny)) ::_exit(5);
    }
    maps.clear();
    ::_exit((*loader)->CreateMap(Spec(MapType::kHash, 4, 8, 1000), nullptr) ? 0 : 6);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::error_code ignored;
  std::filesystem::remove(runtime_folder() + "/small", ignored);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "needs the right to mount a tmpfs";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SessionTest, ListsWhatEveryLoaderMade) {
  auto second = OpenAgain();
  auto map = MakeMap(Spec(MapType::kPerCpuHash, 4, 8, 10));
  auto program = second->LoadProgram(TrivialProgram()).value();
  auto link = second->Attach(program, Target(), {}).value();
  const ObjectListing listing = backend().List().value();
  ASSERT_EQ(listing.maps.size(), 1U);
  EXPECT_EQ(listing.maps[0], map->info());
  ASSERT_EQ(listing.programs.size(), 1U);
  EXPECT_EQ(listing.programs[0].name, "seven");
  EXPECT_FALSE(listing.programs[0].is_verified);
  ASSERT_EQ(listing.links.size(), 1U);
  EXPECT_EQ(listing.links[0].id, link->id());
  EXPECT_EQ(listing.links[0].program_id, program->info().id);
  EXPECT_EQ(listing.links[0].path, "/proc/self/exe");
  EXPECT_EQ(listing.links[0].kind, "uprobe");
}

TEST_F(SessionTest, ListsNothingOfFilesThatAreNotWhatTheyAreCalled) {
  std::ofstream(session_folder() + "/map-77") << "nonsense";
  std::ofstream(session_folder() + "/prog-78") << "nonsense";
  std::ofstream(session_folder() + "/link-79") << "nonsense";
  const ObjectListing listing = backend().List().value();
  EXPECT_TRUE(listing.maps.empty() && listing.programs.empty() && listing.links.empty());
}

}  // namespace
}  // namespace strata
