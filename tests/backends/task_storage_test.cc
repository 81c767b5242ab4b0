// Values per thread: programs name the current thread, user space processes by their pidfds.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "objects_fixture.h"
#include "storage_rules.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using strata::testing::EngineKinds;
using strata::testing::EngineNames;
using strata::testing::EngineTest;

UniqueFd OpenPidfd(pid_t pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

// A process that waits until the object goes.
class Child {
 public:
  Child() : pid_(::fork()) {
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  ~Child() { Kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// --- user space
template <typename T>
class TaskStorageMapTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_TASK_STORAGE_MAP));
    ASSERT_TRUE(objects) << objects.error().message();
    objects_.emplace(*std::move(objects));
  }
  BackendMap& map() { return *(*objects_->FindMap("per_task"))->backend_map(); }
  int Update(int pidfd, std::uint64_t value, UpdateMode mode = UpdateMode::kAny) {
    const auto result = map().Update(std::as_bytes(std::span(&pidfd, 1)), std::as_bytes(std::span(&value, 1)), mode);
    return result ? 0 : result.error().sys_errno();
  }
  // The value, or minus the error; -ENOENT for none.
  std::int64_t Lookup(int pidfd) {
    std::uint64_t value = 0;
    const auto found = map().Lookup(std::as_bytes(std::span(&pidfd, 1)), std::as_writable_bytes(std::span(&value, 1)));
    if (!found) return -found.error().sys_errno();
    return *found ? static_cast<std::int64_t>(value) : -ENOENT;
  }
  int Delete(int pidfd) {
    const auto found = map().Delete(std::as_bytes(std::span(&pidfd, 1)));
    if (!found) return found.error().sys_errno();
    return *found ? 0 : ENOENT;
  }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(TaskStorageMapTest, BackendKinds, BackendNames);

TYPED_TEST(TaskStorageMapTest, EachProcessHasItsValue) {
  const Child child;
  const UniqueFd own = OpenPidfd(::getpid());
  const UniqueFd other = OpenPidfd(child.pid());
  EXPECT_EQ(this->Lookup(own.get()), -ENOENT);
  EXPECT_EQ(this->Update(own.get(), 5), 0);
  EXPECT_EQ(this->Update(other.get(), 6), 0);
  EXPECT_EQ(this->Lookup(own.get()), 5);
  EXPECT_EQ(this->Lookup(OpenPidfd(::getpid()).get()), 5);
  EXPECT_EQ(this->Lookup(other.get()), 6);
  EXPECT_EQ(this->Delete(own.get()), 0);
  EXPECT_EQ(this->Delete(own.get()), ENOENT);
  EXPECT_EQ(this->Lookup(own.get()), -ENOENT);
  EXPECT_EQ(this->Lookup(other.get()), 6);
}

TYPED_TEST(TaskStorageMapTest, ModesOfUpdates) {
  const UniqueFd own = OpenPidfd(::getpid());
  EXPECT_EQ(this->Update(own.get(), 1, UpdateMode::kExist), ENOENT);
  EXPECT_EQ(this->Update(own.get(), 2, UpdateMode::kNoExist), 0);
  EXPECT_EQ(this->Update(own.get(), 3, UpdateMode::kNoExist), EEXIST);
  EXPECT_EQ(this->Lookup(own.get()), 2);
  EXPECT_EQ(this->Update(own.get(), 4, UpdateMode::kExist), 0);
  EXPECT_EQ(this->Lookup(own.get()), 4);
  EXPECT_EQ(this->Update(own.get(), 4, static_cast<UpdateMode>(3)), EINVAL);
  EXPECT_EQ(this->Update(own.get(), 4, UpdateMode::kLock), EINVAL);
}

TYPED_TEST(TaskStorageMapTest, KeysArePidfdsOfProcessesThatLive) {
  EXPECT_EQ(this->Lookup(-1), -EBADF);
  EXPECT_EQ(this->Update(-1, 1, static_cast<UpdateMode>(3)), EBADF) << "the key is looked at first";
  EXPECT_EQ(this->Update(STDERR_FILENO, 1), EBADF);
  EXPECT_EQ(this->Delete(1 << 20), EBADF);
  Child child;
  const UniqueFd pidfd = OpenPidfd(child.pid());
  EXPECT_EQ(this->Update(pidfd.get(), 1), 0);
  child.Kill();
  EXPECT_EQ(this->Lookup(pidfd.get()), -ENOENT);
  EXPECT_EQ(this->Update(pidfd.get(), 1), ENOENT);
}

TYPED_TEST(TaskStorageMapTest, IsNotWalked) { testing::CheckStorageIsNotWalked(this->map()); }

TYPED_TEST(TaskStorageMapTest, CreationChecksSizesFlagsAndTypes) {
  testing::CheckStorageCreation(this->backend_, STRATA_BPF_TASK_STORAGE_MAP, "per_task");
}

// --- programs
template <typename T>
class TaskStorageTest : public EngineTest<T> {
 protected:
  void SetUp() override {
    EngineTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_TASK_STORAGE));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  int Run(const char* program, std::uint64_t flags = 0, std::uint64_t amount = 0) {
    const std::uint64_t context[] = {flags, amount};
    const auto result = (*objects_->FindProgram(program))->TestRun({.context_in = std::as_bytes(std::span(context))});
    EXPECT_TRUE(result) << result.error().message();
    return result ? static_cast<int>(result->return_value) : -1000;
  }
  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(TaskStorageTest, EngineKinds, EngineNames);

constexpr std::uint64_t kCreate = 1;

TYPED_TEST(TaskStorageTest, IsMadeWhenAskedFor) {
  EXPECT_EQ(this->Run("add", 0, 5), 1);
  EXPECT_EQ(this->Run("add", kCreate, 5), 105);
  EXPECT_EQ(this->Run("add", 0, 5), 110);
  EXPECT_EQ(this->Run("add", kCreate, 5), 115);
  EXPECT_EQ(this->Run("add", 2, 5), 1) << "an unknown flag";
  EXPECT_EQ(this->Run("forget"), 0);
  EXPECT_EQ(this->Run("forget"), -ENOENT);
  EXPECT_EQ(this->Run("add", 0, 5), 1);
  EXPECT_EQ(this->Run("add_from_zero", 0, 7), 7);
}

TYPED_TEST(TaskStorageTest, EachThreadHasItsOwn) {
  EXPECT_EQ(this->Run("add", kCreate, 1), 101);
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      EXPECT_EQ(this->Run("add", 0, 1), 1) << "nothing is left of an earlier thread";
      EXPECT_EQ(this->Run("add", kCreate, 2), 102);
      EXPECT_EQ(this->Run("add", kCreate, 2), 104);
    }).join();
  }
  EXPECT_EQ(this->Run("add", 0, 1), 102);
}

TYPED_TEST(TaskStorageTest, UserSpaceSeesThatOfTheMainThread) {
  EXPECT_EQ(this->Run("add", kCreate, 1), 101);
  const UniqueFd own = OpenPidfd(::getpid());
  const int key = own.get();
  std::uint64_t value = 0;
  auto& map = *(*this->objects_->FindMap("per_task"))->backend_map();
  ASSERT_TRUE(*map.Lookup(std::as_bytes(std::span(&key, 1)), std::as_writable_bytes(std::span(&value, 1))));
  EXPECT_EQ(value, 101U);
  value = 200;
  ASSERT_TRUE(map.Update(std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&value, 1)), UpdateMode::kExist));
  EXPECT_EQ(this->Run("add", 0, 1), 201);
}

}  // namespace
}  // namespace strata
