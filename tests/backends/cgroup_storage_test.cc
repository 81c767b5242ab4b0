// Values per cgroup: programs name their own, user space any by its folder.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "objects_fixture.h"
#include "storage_rules.h"
#include "support/cgroup_folders.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using strata::testing::CgroupFolder;
using strata::testing::CgroupRoot;
using strata::testing::EngineKinds;
using strata::testing::EngineNames;
using strata::testing::EngineTest;
using strata::testing::EnterCgroup;
using strata::testing::OpenFolder;
using strata::testing::OwnCgroup;

// The value, or minus the error; -ENOENT for none.
std::int64_t LookupIn(BackendMap& map, int folder) {
  std::uint64_t value = 0;
  const auto found = map.Lookup(std::as_bytes(std::span(&folder, 1)), std::as_writable_bytes(std::span(&value, 1)));
  if (!found) return -found.error().sys_errno();
  return *found ? static_cast<std::int64_t>(value) : -ENOENT;
}

int UpdateIn(BackendMap& map, int folder, std::uint64_t value, UpdateMode mode = UpdateMode::kAny) {
  const auto result = map.Update(std::as_bytes(std::span(&folder, 1)), std::as_bytes(std::span(&value, 1)), mode);
  return result ? 0 : result.error().sys_errno();
}

int DeleteIn(BackendMap& map, int folder) {
  const auto found = map.Delete(std::as_bytes(std::span(&folder, 1)));
  if (!found) return found.error().sys_errno();
  return *found ? 0 : ENOENT;
}

// --- user space
template <typename T>
class CgroupStorageMapTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    if (!first_.is_made() || !second_.is_made())
      GTEST_SKIP() << "lacks cgroups of version 2, or the right to make them";
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_CGROUP_STORAGE_MAP));
    ASSERT_TRUE(objects) << objects.error().message();
    objects_.emplace(*std::move(objects));
  }
  BackendMap& map() { return *(*objects_->FindMap("per_cgroup"))->backend_map(); }

  CgroupFolder first_;
  CgroupFolder second_;
  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(CgroupStorageMapTest, BackendKinds, BackendNames);

TYPED_TEST(CgroupStorageMapTest, EachCgroupHasItsValue) {
  const UniqueFd first = this->first_.Open();
  const UniqueFd second = this->second_.Open();
  EXPECT_EQ(LookupIn(this->map(), first.get()), -ENOENT);
  EXPECT_EQ(UpdateIn(this->map(), first.get(), 5), 0);
  EXPECT_EQ(UpdateIn(this->map(), second.get(), 6), 0);
  EXPECT_EQ(LookupIn(this->map(), first.get()), 5);
  EXPECT_EQ(LookupIn(this->map(), this->first_.Open().get()), 5);
  EXPECT_EQ(LookupIn(this->map(), second.get()), 6);
  EXPECT_EQ(DeleteIn(this->map(), first.get()), 0);
  EXPECT_EQ(DeleteIn(this->map(), first.get()), ENOENT);
  EXPECT_EQ(LookupIn(this->map(), first.get()), -ENOENT);
  EXPECT_EQ(LookupIn(this->map(), second.get()), 6);
}

TYPED_TEST(CgroupStorageMapTest, TheTopmostCgroupHasAValueToo) {
  const UniqueFd root = OpenFolder(CgroupRoot());
  EXPECT_EQ(UpdateIn(this->map(), root.get(), 7), 0);
  EXPECT_EQ(LookupIn(this->map(), root.get()), 7);
  EXPECT_EQ(DeleteIn(this->map(), root.get()), 0);
  EXPECT_EQ(LookupIn(this->map(), root.get()), -ENOENT);
}

TYPED_TEST(CgroupStorageMapTest, ModesOfUpdates) {
  const UniqueFd first = this->first_.Open();
  EXPECT_EQ(UpdateIn(this->map(), first.get(), 1, UpdateMode::kExist), ENOENT);
  EXPECT_EQ(UpdateIn(this->map(), first.get(), 2, UpdateMode::kNoExist), 0);
  EXPECT_EQ(UpdateIn(this->map(), first.get(), 3, UpdateMode::kNoExist), EEXIST);
  EXPECT_EQ(LookupIn(this->map(), first.get()), 2);
  EXPECT_EQ(UpdateIn(this->map(), first.get(), 4, UpdateMode::kExist), 0);
  EXPECT_EQ(LookupIn(this->map(), first.get()), 4);
  EXPECT_EQ(UpdateIn(this->map(), first.get(), 4, static_cast<UpdateMode>(3)), EINVAL);
  EXPECT_EQ(UpdateIn(this->map(), first.get(), 4, UpdateMode::kLock), EINVAL);
}

TYPED_TEST(CgroupStorageMapTest, KeysAreFoldersOfCgroupsThatAreThere) {
  const UniqueFd proc = OpenFolder("/proc");
  const UniqueFd file(::open((this->first_.path() + "/cgroup.procs").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(LookupIn(this->map(), -1), -EBADF);
  EXPECT_EQ(UpdateIn(this->map(), -1, 1, static_cast<UpdateMode>(3)), EBADF) << "the key is looked at first";
  EXPECT_EQ(UpdateIn(this->map(), proc.get(), 1), EBADF);
  EXPECT_EQ(UpdateIn(this->map(), file.get(), 1), EBADF);
  EXPECT_EQ(DeleteIn(this->map(), 1 << 20), EBADF);
  const UniqueFd path_only(::open(this->second_.path().c_str(), O_PATH | O_CLOEXEC));
  EXPECT_EQ(UpdateIn(this->map(), path_only.get(), 1), 0);
  this->second_.Remove();
  EXPECT_EQ(LookupIn(this->map(), path_only.get()), -ENOENT);
  EXPECT_EQ(UpdateIn(this->map(), path_only.get(), 1), ENOENT);
  EXPECT_EQ(DeleteIn(this->map(), path_only.get()), ENOENT);
}

TYPED_TEST(CgroupStorageMapTest, IsNotWalked) { testing::CheckStorageIsNotWalked(this->map()); }

TYPED_TEST(CgroupStorageMapTest, CreationChecksSizesFlagsAndTypes) {
  testing::CheckStorageCreation(this->backend_, STRATA_BPF_CGROUP_STORAGE_MAP, "per_cgroup");
}

// --- programs
template <typename T>
class CgroupStorageTest : public EngineTest<T> {
 protected:
  void SetUp() override {
    EngineTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    if (!folder_of_test_.is_made()) GTEST_SKIP() << "lacks cgroups of version 2, or the right to make them";
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_CGROUP_STORAGE));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  int Run(const char* program, std::uint64_t flags = 0, std::uint64_t amount = 0) {
    const std::uint64_t context[] = {flags, amount};
    const auto result = (*objects_->FindProgram(program))->TestRun({.context_in = std::as_bytes(std::span(context))});
    EXPECT_TRUE(result) << result.error().message();
    return result ? static_cast<int>(result->return_value) : -1000;
  }
  // In a child that has entered the cgroup; true when `body` is.
  static bool InCgroup(const std::string& folder, const std::function<bool()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      EnterCgroup(folder);
      ::_exit(body() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status == 0;
  }
  BackendMap& map() { return *(*objects_->FindMap("per_cgroup"))->backend_map(); }

  CgroupFolder folder_of_test_;
  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(CgroupStorageTest, EngineKinds, EngineNames);

constexpr std::uint64_t kCreate = 1;

TYPED_TEST(CgroupStorageTest, IsMadeWhenAskedFor) {
  EXPECT_EQ(this->Run("add", 0, 5), 1);
  EXPECT_EQ(this->Run("add", kCreate, 5), 105);
  EXPECT_EQ(this->Run("add", 0, 5), 110);
  EXPECT_EQ(this->Run("add", kCreate, 5), 115);
  EXPECT_EQ(this->Run("add", 2, 5), 1) << "an unknown flag";
  EXPECT_EQ(this->Run("forget"), 0);
  EXPECT_EQ(this->Run("forget"), -ENOENT);
  EXPECT_EQ(this->Run("add", 0, 5), 1);
  EXPECT_EQ(this->Run("add_from_zero", kCreate, 7), 7);
}

TYPED_TEST(CgroupStorageTest, NoCgroupHasNoValue) {
  EXPECT_EQ(this->Run("add_to_nothing", kCreate, 5), 1);
  EXPECT_EQ(this->Run("forget_nothing"), -EINVAL);
}

TYPED_TEST(CgroupStorageTest, ThreadsAndProcessesOfACgroupShareIt) {
  EXPECT_EQ(this->Run("add", kCreate, 1), 101);
  std::thread([&] { EXPECT_EQ(this->Run("add", kCreate, 1), 102); }).join();
  EXPECT_TRUE(this->InCgroup(OwnCgroup(), [&] { return this->Run("add", 0, 1) == 103; }));
  EXPECT_EQ(this->Run("add", 0, 1), 104);
}

TYPED_TEST(CgroupStorageTest, AnotherCgroupHasItsOwn) {
  EXPECT_EQ(this->Run("add", kCreate, 1), 101);
  const std::string other = this->folder_of_test_.path();
  EXPECT_TRUE(
      this->InCgroup(other, [&] { return this->Run("add", 0, 1) == 1 && this->Run("add", kCreate, 2) == 102; }));
  EXPECT_TRUE(this->InCgroup(other, [&] { return this->Run("add", 0, 2) == 104; })) << "it stays with the cgroup";
  EXPECT_EQ(LookupIn(this->map(), this->folder_of_test_.Open().get()), 104);
  EXPECT_EQ(this->Run("add", 0, 1), 102);
}

TYPED_TEST(CgroupStorageTest, TheParentsCgroupIsReachedThroughItsTask) {
  EXPECT_EQ(this->Run("add", kCreate, 1), 101);
  EXPECT_TRUE(this->InCgroup(this->folder_of_test_.path(),
                             [&] { return this->Run("add_for_parent", 0, 1) == 102 && this->Run("add", 0, 1) == 1; }));
}

using CgroupStorageOfUserspace = CgroupStorageTest<strata::testing::UserspaceKind>;

TEST_F(CgroupStorageOfUserspace, TheParentsCgroupIsNotKnownOutsideOfTheNamespace) {
  EXPECT_TRUE(InCgroup(folder_of_test_.path(),
                       [&] { return ::unshare(CLONE_NEWCGROUP) == 0 && Run("add_for_parent", kCreate, 1) == 1; }));
}

TEST_F(CgroupStorageOfUserspace, ACgroupTooFarDownIsNotTakenForItsAncestor) {
  constexpr std::size_t kDeep = 31;
  std::vector<std::string> made;
  for (std::string folder = folder_of_test_.path() + "/d"; made.size() < kDeep; folder += "/d") {
    if (::mkdir(folder.c_str(), 0755) != 0) break;
    made.push_back(folder);
  }
  EXPECT_EQ(made.size(), kDeep);
  const auto add = [&] { return Run("add", kCreate, 1); };
  EXPECT_TRUE(made.size() > 1 && InCgroup(made[made.size() - 2], [&] { return add() == 101; }));
  EXPECT_TRUE(!made.empty() && InCgroup(made.back(), [&] { return add() == 1; }));
  for (; !made.empty(); made.pop_back()) ::rmdir(made.back().c_str());
}

TYPED_TEST(CgroupStorageTest, UserSpaceAndProgramsSeeTheSame) {
  const UniqueFd own = OpenFolder(OwnCgroup());
  EXPECT_EQ(this->Run("add", kCreate, 1), 101);
  EXPECT_EQ(LookupIn(this->map(), own.get()), 101);
  EXPECT_EQ(UpdateIn(this->map(), own.get(), 200, UpdateMode::kExist), 0);
  EXPECT_EQ(this->Run("add", 0, 1), 201);
  EXPECT_EQ(DeleteIn(this->map(), own.get()), 0);
  EXPECT_EQ(this->Run("add", 0, 1), 1);
}

}  // namespace
}  // namespace strata
