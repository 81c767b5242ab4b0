// The current task as programs read it, against what the process knows of itself.
#include "task_struct.h"

#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "helper_fixture.h"

namespace strata {
namespace {

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Fields 3 and up of a stat file, at their numbers.
std::vector<std::string> StatOf(const std::string& path) {
  const std::string text = ReadText(path);
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  std::vector<std::string> fields(3);
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

pid_t OwnTid() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

template <typename T>
class TaskStructTest : public testing::HelperTest<T> {
 protected:
  void SetUp() override { this->Load(STRATA_BPF_TASK_STRUCT); }

  task_answer Read() {
    this->Set("answer", task_answer{});
    this->Run("read_task");
    return this->template Get<task_answer>("answer");
  }
  // The failures of a child process are this one's.
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
TYPED_TEST_SUITE(TaskStructTest, testing::HelperKinds, testing::BackendNames);

TYPED_TEST(TaskStructTest, NamesThreadProcessAndParent) {
  const task_answer answer = this->Read();
  EXPECT_NE(answer.task, 0U);
  EXPECT_EQ(answer.pid, OwnTid());
  EXPECT_EQ(answer.tgid, ::getpid());
  EXPECT_EQ(answer.leader_pid, ::getpid());
  EXPECT_EQ(answer.parent_pid, ::getppid());
  EXPECT_EQ(answer.tracing_parent_pid, ::getppid());
  EXPECT_EQ(std::string(answer.parent_comm) + "\n", ReadText("/proc/" + std::to_string(::getppid()) + "/comm"));
  EXPECT_EQ(std::to_string(answer.grandparent_pid), StatOf("/proc/" + std::to_string(::getppid()) + "/stat")[4]);
}

TYPED_TEST(TaskStructTest, ThreadsHaveTasksOfTheirOwn) {
  const task_answer main = this->Read();
  std::thread([&] {
    ::prctl(PR_SET_NAME, "a thread");
    const task_answer answer = this->Read();
    EXPECT_NE(answer.task, main.task);
    EXPECT_EQ(answer.pid, OwnTid());
    EXPECT_EQ(answer.tgid, ::getpid());
    EXPECT_EQ(answer.leader_pid, ::getpid());
    EXPECT_STREQ(answer.comm, "a thread");
    EXPECT_STREQ(answer.leader_comm, main.comm);
    EXPECT_EQ(answer.namespace_pid, OwnTid());
  }).join();
  EXPECT_EQ(this->Read().task, main.task);
}

TYPED_TEST(TaskStructTest, NamesFollowEachChange) {
  std::array<char, 16> before{};
  ::prctl(PR_GET_NAME, before.data());
  for (const char* name : {"one", "another name", "fifteen letters", ""}) {
    ::prctl(PR_SET_NAME, name);
    EXPECT_STREQ(this->Read().comm, name);
  }
  const pthread_t main = ::pthread_self();
  std::thread([main] { ::pthread_setname_np(main, "from outside"); }).join();
  EXPECT_STREQ(this->Read().comm, "from outside");
  std::thread([this] { EXPECT_STREQ(this->Read().leader_comm, "from outside"); }).join();
  ::prctl(PR_SET_NAME, before.data());
}

TYPED_TEST(TaskStructTest, ForkedChildrenAreTasksOfTheirOwn) {
  const task_answer before = this->Read();
  const pid_t parent = ::getpid();
  this->InChild([&] {
    const task_answer answer = this->Read();
    EXPECT_EQ(answer.pid, OwnTid());
    EXPECT_EQ(answer.tgid, ::getpid());
    EXPECT_EQ(answer.parent_pid, parent);
    EXPECT_STREQ(answer.parent_comm, before.comm);
    EXPECT_EQ(answer.grandparent_pid, ::getpid() == parent ? 0 : before.parent_pid);
    std::thread([this] { EXPECT_EQ(this->Read().pid, OwnTid()); }).join();
  });
  EXPECT_EQ(this->Read().pid, OwnTid());
}

TYPED_TEST(TaskStructTest, OrphansHaveAnotherParent) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const pid_t reaper = ::getpid();
  this->InChild([&] {
    const pid_t between = ::getpid();
    if (::fork() != 0) ::_exit(0);
    this->Read();
    while (::getppid() == between) ::usleep(100);
    const bool is_right = ::getppid() == reaper && this->Read().parent_pid == reaper;
    ::_exit(is_right ? 0 : 1);
  });
  int status = -1;
  EXPECT_GT(::wait(&status), 0);
  EXPECT_EQ(status, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TYPED_TEST(TaskStructTest, CredentialsAreTheThreads) {
  std::istringstream status(ReadText("/proc/thread-self/status"));
  std::vector<std::uint64_t> capabilities;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Cap")) capabilities.push_back(std::stoull(line.substr(7), nullptr, 16));
  }
  const task_answer answer = this->Read();
  EXPECT_THAT(answer.capabilities, ::testing::ElementsAreArray(capabilities));
  EXPECT_EQ(answer.uid, ::getuid());
  EXPECT_EQ(answer.egid, ::getegid());
  this->InChild([this] {
    ASSERT_EQ(::setresgid(1001, 0, 1003), 0);
    ASSERT_EQ(::setresuid(2001, 0, 2003), 0);
    ::setfsgid(1004);
    ::setfsuid(2004);
    const task_answer changed = this->Read();
    EXPECT_THAT(std::vector({changed.uid, changed.euid, changed.suid, changed.fsuid}),
                ::testing::ElementsAre(2001, 0, 2003, 2004));
    EXPECT_THAT(std::vector({changed.gid, changed.egid, changed.sgid, changed.fsgid}),
                ::testing::ElementsAre(1001, 0, 1003, 1004));
  });
}

TYPED_TEST(TaskStructTest, NamespacesHaveTheirNumbers) {
  const task_answer answer = this->Read();
  const char* const files[] = {"user", "pid", "mnt", "uts", "ipc", "net", "time", "cgroup"};
  for (int i = 0; i < TASK_NAMESPACES; ++i) {
    struct stat file {};
    ASSERT_EQ(::stat((std::string("/proc/thread-self/ns/") + files[i]).c_str(), &file), 0);
    EXPECT_EQ(answer.namespaces[i], file.st_ino) << files[i];
  }
  EXPECT_EQ(answer.namespace_pid, OwnTid());
  struct utsname names {};
  ::uname(&names);
  EXPECT_STREQ(answer.nodename, names.nodename);
}

TYPED_TEST(TaskStructTest, StartTimesAreThoseOfProc) {
  const task_answer answer = this->Read();
  const std::uint64_t start_ns = std::stoull(StatOf("/proc/thread-self/stat")[22]) * 10'000'000;
  EXPECT_LE(start_ns, answer.start_boottime);
  EXPECT_LT(answer.start_boottime, start_ns + 10'000'000);
  timespec boot{};
  timespec monotonic{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
  const double asleep_ns =
      static_cast<double>(boot.tv_sec - monotonic.tv_sec) * 1e9 + static_cast<double>(boot.tv_nsec - monotonic.tv_nsec);
  EXPECT_NEAR(static_cast<double>(answer.start_boottime - answer.start_time), asleep_ns, 1e6);
}

TYPED_TEST(TaskStructTest, FlagsSignalAndAudit) {
  const task_answer answer = this->Read();
  EXPECT_EQ(std::to_string(answer.flags), StatOf("/proc/thread-self/stat")[9]);
  EXPECT_EQ(std::to_string(answer.exit_signal), StatOf("/proc/thread-self/stat")[38]);
  EXPECT_EQ(answer.exit_code, 0);
  EXPECT_EQ(std::to_string(answer.loginuid), ReadText("/proc/thread-self/loginuid"));
  EXPECT_EQ(std::to_string(answer.sessionid), ReadText("/proc/thread-self/sessionid"));
}

TYPED_TEST(TaskStructTest, MemoryAndExecutable) {
  const task_answer answer = this->Read();
  const auto stat = StatOf("/proc/self/stat");
  EXPECT_EQ(std::to_string(answer.start_code), stat[26]);
  EXPECT_EQ(std::to_string(answer.start_stack), stat[28]);
  EXPECT_EQ(std::to_string(answer.start_brk), stat[47]);
  EXPECT_EQ(std::to_string(answer.arg_start), stat[48]);
  EXPECT_EQ(std::to_string(answer.arg_end), stat[49]);
  EXPECT_EQ(std::to_string(answer.env_start), stat[50]);
  EXPECT_EQ(std::to_string(answer.env_end), stat[51]);
  struct stat file {};
  ASSERT_EQ(::stat("/proc/self/exe", &file), 0);
  EXPECT_EQ(answer.exe_inode, file.st_ino);
  EXPECT_EQ(answer.exe_mode, file.st_mode);
  EXPECT_EQ(answer.exe_device, (::major(file.st_dev) << 20) | ::minor(file.st_dev));
}

TYPED_TEST(TaskStructTest, CgroupIsThatOfTheSecondHierarchy) {
  const std::string text = ReadText("/proc/thread-self/cgroup");
  const std::size_t at = text.rfind("0::");
  if (at == std::string::npos) GTEST_SKIP() << "no cgroup2 in /proc/self/cgroup";
  const std::string path = text.substr(at + 3, text.find('\n', at) - at - 3);
  struct stat folder {};
  if (::stat(("/sys/fs/cgroup" + path).c_str(), &folder) != 0) GTEST_SKIP() << "no cgroup2 at /sys/fs/cgroup";
  const task_answer answer = this->Read();
  EXPECT_EQ(answer.cgroup_id, folder.st_ino);
  EXPECT_EQ(answer.cgroup_name, path.substr(path.rfind('/') + 1));
}

TYPED_TEST(TaskStructTest, ManyThreadsThatEndedTakeNoPlace) {
  for (int round = 0; round < 30; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 100; ++i) {
      threads.emplace_back([this] {
        const auto run = (*this->objects_->FindProgram("touch_task"))->TestRun({});
        EXPECT_EQ(run.value().return_value, 0U);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(this->Read().pid, OwnTid());
}

}  // namespace
}  // namespace strata
