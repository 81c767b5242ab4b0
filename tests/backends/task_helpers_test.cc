// Helpers that say who and when.
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <thread>

#include "helper_fixture.h"

namespace strata {
namespace {

struct Request {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint32_t comm_size = 16;
  std::uint32_t ids_size = 8;
};
struct Answer {
  std::uint64_t pid_tgid;
  std::uint64_t uid_gid;
  std::uint64_t ktime, boot, tai, jiffies;
  std::int64_t numa_node;
  std::int64_t comm_result, ids_result;
  std::array<char, 32> comm;
  std::array<std::uint32_t, 4> ids;
};

std::uint64_t OwnPidTgid() {
  return (std::uint64_t(::getpid()) << 32) | static_cast<std::uint32_t>(::syscall(SYS_gettid));
}

template <typename T>
class TaskHelpersTest : public testing::HelperTest<T> {
 protected:
  void SetUp() override { this->Load(STRATA_BPF_TASK_HELPERS); }

  Answer Ask(const Request& request = {}) {
    Answer room{};
    room.comm.fill('?');
    room.ids.fill(0xcccccccc);
    this->Set("answer", room);
    return testing::HelperTest<T>::template Ask<Answer>("ask_helpers", request);
  }
  static void InChild(const std::function<void()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      body();
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
};
TYPED_TEST_SUITE(TaskHelpersTest, testing::HelperKinds, testing::BackendNames);

TYPED_TEST(TaskHelpersTest, IdsAreThoseOfTheThread) {
  EXPECT_EQ(this->Ask().pid_tgid, OwnPidTgid());
  std::thread([this] { EXPECT_EQ(this->Ask().pid_tgid, OwnPidTgid()); }).join();
  this->InChild([this] {
    EXPECT_EQ(this->Ask().pid_tgid, OwnPidTgid());
    std::thread([this] { EXPECT_EQ(this->Ask().pid_tgid, OwnPidTgid()); }).join();
  });
}

TYPED_TEST(TaskHelpersTest, UserAndGroupAreTheRealOnes) {
  EXPECT_EQ(this->Ask().uid_gid, (std::uint64_t(::getgid()) << 32) | ::getuid());
  this->InChild([this] {
    // Real, effective and saved ids all differ; test runs need no rights once the program is open in userspace.
    ASSERT_EQ(::setresgid(1001, 0, 1003), 0);
    ASSERT_EQ(::setresuid(2001, 0, 2003), 0);
    EXPECT_EQ(this->Ask().uid_gid, (std::uint64_t{1001} << 32) | 2001);
  });
}

TYPED_TEST(TaskHelpersTest, CommIsTheThreadsAndFollowsEachChange) {
  std::array<char, 16> before{};
  ::prctl(PR_GET_NAME, before.data());
  ASSERT_EQ(::prctl(PR_SET_NAME, "first"), 0);
  EXPECT_STREQ(this->Ask().comm.data(), "first");
  const pthread_t own = ::pthread_self();
  std::thread([this, own] {
    EXPECT_STREQ(this->Ask().comm.data(), "first") << "inherited";
    ::pthread_setname_np(::pthread_self(), "second");
    ::pthread_setname_np(own, "by another");
    EXPECT_STREQ(this->Ask().comm.data(), "second");
  }).join();
  EXPECT_STREQ(this->Ask().comm.data(), "by another");
  ::prctl(PR_SET_NAME, before.data());
}

TYPED_TEST(TaskHelpersTest, CommIsCutOffAndPadded) {
  std::array<char, 16> before{};
  ::prctl(PR_GET_NAME, before.data());
  ::prctl(PR_SET_NAME, "fifteen letters");
  for (const std::uint32_t size : {1U, 2U, 8U, 15U, 16U, 17U, 32U}) {
    const Answer answer = this->Ask({.comm_size = size});
    EXPECT_EQ(answer.comm_result, 0);
    EXPECT_EQ(std::string(answer.comm.data()), std::string("fifteen letters").substr(0, size - 1));
    for (std::uint32_t i = size; i < 32; ++i) EXPECT_EQ(answer.comm[i], '?') << size;
    for (std::uint32_t i = 15; i < size; ++i) EXPECT_EQ(answer.comm[i], 0) << size;
  }
  ::prctl(PR_SET_NAME, before.data());
}

TYPED_TEST(TaskHelpersTest, IdsInANamespaceNeedItsNumber) {
  struct stat own {};
  ASSERT_EQ(::stat("/proc/self/ns/pid", &own), 0);
  const Answer right = this->Ask({.device = own.st_dev, .inode = own.st_ino});
  EXPECT_EQ(right.ids_result, 0);
  EXPECT_EQ(right.ids[0], static_cast<std::uint32_t>(::syscall(SYS_gettid)));
  EXPECT_EQ(right.ids[1], static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(right.ids[2], 0xcccccccc);
  for (const Request& wrong :
       {Request{.device = own.st_dev, .inode = own.st_ino + 1}, Request{.device = own.st_dev + 1, .inode = own.st_ino},
        Request{.device = own.st_dev | (std::uint64_t{1} << 40), .inode = own.st_ino},
        Request{.device = own.st_dev, .inode = own.st_ino, .ids_size = 16}}) {
    const Answer answer = this->Ask(wrong);
    EXPECT_EQ(answer.ids_result, -EINVAL);
    EXPECT_EQ(answer.ids[0], 0U);
    EXPECT_EQ(answer.ids[2], wrong.ids_size == 16 ? 0U : 0xcccccccc);
  }
}

TYPED_TEST(TaskHelpersTest, ClocksStandBetweenTwoReadingsOfOurs) {
  const auto now = [](clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::uint64_t(time.tv_sec) * 1'000'000'000 + std::uint64_t(time.tv_nsec);
  };
  const std::array clocks = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
  std::array<std::uint64_t, 3> before{};
  for (std::size_t i = 0; i < clocks.size(); ++i) before[i] = now(clocks[i]);
  const Answer answer = this->Ask();
  this->Run("ask_tai");
  const std::array said = {answer.ktime, answer.boot, this->template Get<Answer>("answer").tai};
  for (std::size_t i = 0; i < clocks.size(); ++i) {
    EXPECT_LE(before[i], said[i]) << i;
    EXPECT_LE(said[i], now(clocks[i])) << i;
  }
}

TYPED_TEST(TaskHelpersTest, NumaNodeIsThatOfTheProcessor) {
  unsigned cpu = 0;
  unsigned node = 0;
  ASSERT_EQ(::syscall(SYS_getcpu, &cpu, &node, nullptr), 0);
  EXPECT_EQ(this->Ask().numa_node, node);
}

// Both count the ticks since boot from INITIAL_JIFFIES; the kernel's first tick comes a moment after its clock begins.
TYPED_TEST(TaskHelpersTest, JiffiesAreTicksFromBeforeTheOverflow) {
  timespec tick{};
  ::clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
  const double second = 1e9 / static_cast<double>(tick.tv_nsec);
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const double expected = 4294967296.0 - 300 * second +
                          (static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec)) * second;
  EXPECT_NEAR(static_cast<double>(this->Ask().jiffies), expected, second);
}

}  // namespace
}  // namespace strata
