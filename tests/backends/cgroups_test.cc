// The process's cgroup as programs see it, and cgroup arrays.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "objects_fixture.h"
#include "support/cgroup_folders.h"

namespace strata {
namespace {

using strata::testing::CgroupFolder;
using strata::testing::CgroupRoot;
using strata::testing::EngineKinds;
using strata::testing::EngineNames;
using strata::testing::EngineTest;
using strata::testing::InodeOf;
using strata::testing::OwnCgroup;

template <typename T>
class CgroupTest : public EngineTest<T> {
 protected:
  void SetUp() override {
    EngineTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    if (CgroupRoot().empty()) GTEST_SKIP() << "lacks cgroups of version 2";
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_CGROUPS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }

  struct Answers {
    std::uint64_t id;
    std::uint64_t ancestor;
    std::int64_t under;
  };
  Answers Ask(std::uint64_t level) {
    EXPECT_TRUE((*objects_->FindProgram("ask"))->TestRun({.context_in = std::as_bytes(std::span(&level, 1))}));
    const auto answers = objects_->template FindMap<Array<std::uint64_t>>("answers").value();
    return {**answers.Lookup(0), **answers.Lookup(1), static_cast<std::int64_t>(**answers.Lookup(2))};
  }
  int Put(std::uint32_t index, int descriptor, UpdateMode mode = UpdateMode::kAny) {
    const auto result =
        map().Update(std::as_bytes(std::span(&index, 1)), std::as_bytes(std::span(&descriptor, 1)), mode);
    return result ? 0 : result.error().sys_errno();
  }
  BackendMap& map() { return *(*objects_->FindMap("cgroups"))->backend_map(); }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(CgroupTest, EngineKinds, EngineNames);

TYPED_TEST(CgroupTest, IdsAreTheInodesOfTheFolders) {
  const auto answers = this->Ask(0);
  EXPECT_EQ(answers.id, InodeOf(OwnCgroup()));
  EXPECT_EQ(answers.ancestor, InodeOf(CgroupRoot()));
  EXPECT_EQ(this->Ask(30).ancestor, 0U);
}

TYPED_TEST(CgroupTest, ArraysSayWhetherItIsBelow) {
  EXPECT_EQ(this->Ask(1).under, -EAGAIN);
  EXPECT_EQ(this->Ask(4).under, -E2BIG);
  const UniqueFd root(::open(CgroupRoot().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(this->Put(1, root.get()), 0);
  EXPECT_EQ(this->Ask(1).under, 1);
  std::uint32_t value = 0;
  const std::uint32_t index = 1;
  const auto key = std::as_bytes(std::span(&index, 1));
  EXPECT_EQ(this->map().Lookup(key, std::as_writable_bytes(std::span(&value, 1))).error().sys_errno(), 524);
  EXPECT_TRUE(*this->map().Delete(key));
  EXPECT_FALSE(*this->map().Delete(key));
  EXPECT_EQ(this->Ask(1).under, -EAGAIN);
}

TYPED_TEST(CgroupTest, ArraysTakeCgroupsOnly) {
  const UniqueFd folder(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd root(::open(CgroupRoot().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(this->Put(0, -1), EBADF);
  EXPECT_EQ(this->Put(0, folder.get()), EBADF);
  EXPECT_EQ(this->Put(4, root.get()), E2BIG);
  EXPECT_EQ(this->Put(0, root.get(), UpdateMode::kNoExist), EINVAL);
}

TYPED_TEST(CgroupTest, AMovedProcessIsSeenInItsNewCgroup) {
  const std::string old = OwnCgroup();
  this->Ask(0);
  const CgroupFolder folder;
  if (!folder.is_made()) GTEST_SKIP() << "lacks the right to make cgroups";
  const std::uint64_t inode = InodeOf(folder.path());
  strata::testing::EnterCgroup(folder.path());
  // Userspace looks again after a second.
  for (int i = 0; i < 3000 && this->Ask(1).id != inode; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(this->Put(1, folder.Open().get()), 0);
  const auto answers = this->Ask(1);
  strata::testing::EnterCgroup(old);
  EXPECT_EQ(answers.id, inode);
  EXPECT_EQ(answers.ancestor, inode);
  EXPECT_EQ(answers.under, 1);
  for (int i = 0; i < 3000 && this->Ask(1).id == inode; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(this->Ask(1).under, 0);
}

TYPED_TEST(CgroupTest, ArraysTakeNoCgroupThatWasRemoved) {
  CgroupFolder folder;
  if (!folder.is_made()) GTEST_SKIP() << "lacks the right to make cgroups";
  const UniqueFd descriptor = folder.Open();
  EXPECT_EQ(this->Put(0, descriptor.get()), 0);
  folder.Remove();
  EXPECT_EQ(this->Put(0, descriptor.get()), ENOENT);
}

}  // namespace
}  // namespace strata
