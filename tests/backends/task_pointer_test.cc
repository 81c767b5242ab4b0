// Loads through the typed pointer to the current task.
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "helper_fixture.h"
#include "targets.h"

namespace strata {
namespace {

struct Answer {
  std::uint64_t task, other_task;
  std::int64_t pid, tgid, leader_pid, parent_pid, grandparent_pid;
  std::uint64_t comm;
  std::uint64_t arg_start;
  std::uint64_t of_nothing;
  std::uint64_t first_argument, stack_pointer, is_same_ip;
  std::int64_t copied, copied_nothing, copied_with_flags, copied_nowhere;
  char text[16];
};

template <typename T>
class TaskPointerTest : public testing::HelperTest<T> {
 protected:
  void SetUp() override { this->Load(STRATA_BPF_TASK_POINTER); }
  Answer Read(const char* program) {
    this->Run(program);
    return this->template Get<Answer>("answer");
  }
};
TYPED_TEST_SUITE(TaskPointerTest, testing::HelperKinds, testing::BackendNames);

TYPED_TEST(TaskPointerTest, MembersAreLoadedWithoutHelpers) {
  const Answer main = this->Read("read_task");
  EXPECT_EQ(main.task, main.other_task);
  EXPECT_EQ(main.pid, ::gettid());
  EXPECT_EQ(main.parent_pid, ::getppid());
  std::thread([&] {
    ::prctl(PR_SET_NAME, "seven77");
    const Answer answer = this->Read("read_task");
    EXPECT_EQ(answer.pid, ::gettid());
    EXPECT_EQ(answer.tgid, ::getpid());
    EXPECT_EQ(answer.leader_pid, ::getpid());
    EXPECT_EQ(answer.parent_pid, ::getppid());
    EXPECT_EQ(answer.grandparent_pid, main.grandparent_pid);
    EXPECT_EQ(std::memcmp(&answer.comm, "seven77", 8), 0);
  }).join();
}

TYPED_TEST(TaskPointerTest, PointersToNothingGiveZero) {
  const Answer answer = this->Read("read_task");
  EXPECT_NE(answer.arg_start, 0U);
  EXPECT_EQ(answer.of_nothing, 0U);
}

TYPED_TEST(TaskPointerTest, RegistersAreThoseAtTheProbe) {
  auto self = OpenExecutable("/proc/self/exe").value();
  const Uprobe probe =
      self.AttachUprobe("strata_test_call", **this->objects_->FindProgram("on_call"), {.pid = ::getpid()}).value();
  const char here = 0;
  strata_test_call(4711);
  const auto answer = this->template Get<Answer>("answer");
  EXPECT_EQ(answer.first_argument, 4711U);
  EXPECT_EQ(answer.is_same_ip, 1U);
  EXPECT_NEAR(static_cast<double>(answer.stack_pointer), static_cast<double>(reinterpret_cast<std::uint64_t>(&here)),
              4096);
}

TYPED_TEST(TaskPointerTest, MemoryIsCopiedByTheTask) {
  const char text[16] = "copied memory";
  this->Set("source", reinterpret_cast<std::uint64_t>(text));
  const Answer answer = this->Read("copy_memory");
  EXPECT_EQ(answer.copied, 0);
  EXPECT_STREQ(answer.text, text);
  EXPECT_EQ(answer.copied_nothing, 0);
  EXPECT_EQ(answer.copied_with_flags, -EINVAL);
  EXPECT_EQ(answer.copied_nowhere, -EFAULT);
}

}  // namespace
}  // namespace strata
