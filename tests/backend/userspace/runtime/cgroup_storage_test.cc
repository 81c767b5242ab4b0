// Values per cgroup, seen from below: crashes, cgroups that are gone, hostile peers. What is not of cgroups is that of
// task storage too.
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "killed_at.h"
#include "session_fixture.h"
#include "support/cgroup_folders.h"

namespace strata::runtime {
namespace {

using strata::testing::CgroupFolder;
using Value = std::array<std::uint64_t, 4>;

constexpr std::uint32_t kNoPrealloc = 1;
constexpr std::uint32_t kLargeValue = 32'000;  // of which a table takes 64
constexpr std::uint64_t kAny = 0;
constexpr std::uint64_t kNoExist = 1;

Value Filled(std::uint64_t number) {
  Value value;
  value.fill(number);
  return value;
}

class CgroupStorageTest : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    if (!folder_of_test_.is_made() || ::geteuid() != 0)
      GTEST_SKIP() << "lacks cgroups of version 2, or the right to make and find them";
    fd_ = folder_of_test_.Open();
    map_ = &MakeMap(MapType::kCgrpStorage, 4, sizeof(Value), 0, kNoPrealloc);
  }
  static long Set(MapView& map, int fd, const void* value, std::uint64_t flags = kAny) {
    return map.ops->copy_in(map, &fd, value, flags);
  }
  long Set(int fd, const Value& value, std::uint64_t flags = kAny) { return Set(*map_, fd, value.data(), flags); }
  // -ENOENT without a value, -1 for one that is not whole.
  long Get(int fd) {
    Value value;
    const long error = map_->ops->copy_out(*map_, &fd, value.data(), 0);
    if (error != 0) return error;
    return value == Filled(value[0]) ? static_cast<long>(value[0]) : -1;
  }
  long Remove(int fd) { return map_->ops->erase(*map_, &fd); }
  // For a cgroup that is made for it and goes again, or stays until the test ends.
  static long SetForNew(MapView& map, std::vector<std::unique_ptr<CgroupFolder>>* kept = nullptr) {
    const std::vector<std::byte> value(kLargeValue);
    auto folder = std::make_unique<CgroupFolder>();
    const long error = Set(map, folder->Open().get(), value.data());
    if (kept != nullptr) kept->push_back(std::move(folder));
    return error;
  }
  MapView& MakeLargeMap() { return MakeMap(MapType::kCgrpStorage, 4, kLargeValue, 0, kNoPrealloc); }
  int fd() const { return fd_.get(); }
  MapView& map() { return *map_; }

 private:
  CgroupFolder folder_of_test_;
  UniqueFd fd_;
  MapView* map_ = nullptr;
};

TEST_F(CgroupStorageTest, AMakerKilledAnywhereLeavesAWholeValueOrNone) {
  const CgroupFolder other;
  const UniqueFd other_fd = other.Open();
  ASSERT_EQ(Set(other_fd.get(), Filled(3)), 0);
  const int killed = KilledAtEachInstruction([&] { Remove(fd()); }, [&] { Set(fd(), Filled(7), kNoExist); },
                                             [&](int step) {
                                               const long found = Get(fd());
                                               ASSERT_TRUE(found == 7 || found == -ENOENT) << "step " << step;
                                               ASSERT_EQ(Set(fd(), Filled(8)), 0) << "step " << step;
                                               ASSERT_EQ(Get(fd()), 8) << "step " << step;
                                               ASSERT_EQ(Get(other_fd.get()), 3) << "step " << step;
                                             });
  EXPECT_GT(killed, 20);
}

TEST_F(CgroupStorageTest, ARemoverKilledAnywhereLeavesAWholeValueOrNone) {
  const CgroupFolder other;
  const UniqueFd other_fd = other.Open();
  ASSERT_EQ(Set(other_fd.get(), Filled(3)), 0);
  const int killed = KilledAtEachInstruction([&] { Set(fd(), Filled(7)); }, [&] { Remove(fd()); },
                                             [&](int step) {
                                               const long found = Get(fd());
                                               ASSERT_TRUE(found == 7 || found == -ENOENT) << "step " << step;
                                               ASSERT_EQ(Remove(fd()), found == 7 ? 0 : -ENOENT) << "step " << step;
                                               ASSERT_EQ(Get(other_fd.get()), 3) << "step " << step;
                                             });
  EXPECT_GT(killed, 20);
}

TEST_F(CgroupStorageTest, CgroupsThatWereRemovedMakeRoom) {
  MapView& large = MakeLargeMap();
  std::vector<std::uint64_t> own(kLargeValue / 8, 7);
  ASSERT_EQ(Set(large, fd(), own.data()), 0);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(SetForNew(large), 0) << i;
  std::vector<std::uint64_t> found(own.size());
  const int key = fd();
  ASSERT_EQ(large.ops->copy_out(large, &key, found.data(), 0), 0);
  EXPECT_EQ(found, own);
}

TEST_F(CgroupStorageTest, CgroupsThatAreThereKeepTheirs) {
  MapView& large = MakeLargeMap();
  std::vector<std::unique_ptr<CgroupFolder>> kept;
  for (int i = 0; i < 64; ++i) ASSERT_EQ(SetForNew(large, &kept), 0) << i;
  EXPECT_EQ(SetForNew(large), -ENOMEM);
  kept.pop_back();
  EXPECT_EQ(SetForNew(large), 0);
}

TEST_F(CgroupStorageTest, WhoMayNotLookForCgroupsRemovesNone) {
  MapView& large = MakeLargeMap();
  for (int i = 0; i < 64; ++i) ASSERT_EQ(SetForNew(large), 0) << i;
  const std::vector<std::byte> value(kLargeValue);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_less =
        ::setgroups(0, nullptr) == 0 && ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0;
    ::_exit(is_less && Set(large, fd(), value.data()) == -ENOMEM ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Set(large, fd(), value.data()), 0);
}

TEST_F(CgroupStorageTest, OwnersThatAPeerMadeUpAreNoCgroups) {
  auto* words = reinterpret_cast<std::uint64_t*>(map().table);
  std::fill_n(words, map().geometry.table_size / 8, ~std::uint64_t{0});
  EXPECT_EQ(Get(fd()), -ENOENT);
  EXPECT_EQ(Remove(fd()), -ENOENT);
  EXPECT_EQ(Set(fd(), Filled(7)), 0);
  EXPECT_EQ(Get(fd()), 7);
  std::fill_n(words, map().geometry.table_size / 8, std::uint64_t{1});
  EXPECT_EQ(Get(fd()), -ENOENT) << "all removed";
  EXPECT_EQ(Set(fd(), Filled(8)), 0);
  EXPECT_EQ(Get(fd()), 8);
  EXPECT_EQ(Remove(fd()), 0);
}

TEST_F(CgroupStorageTest, AHolderOfTheLockIsBusyAtOnceForItsOwnThread) {
  ASSERT_EQ(Set(fd(), Filled(7)), 0);
  map().header->kind_state[0] = CurrentOwner(process());
  EXPECT_EQ(Set(fd(), Filled(8)), -EBUSY);
  EXPECT_EQ(Remove(fd()), -EBUSY);
  EXPECT_EQ(Get(fd()), 7) << "looking takes no lock";
}

}  // namespace
}  // namespace strata::runtime
