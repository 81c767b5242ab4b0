// Reading an object asks the system for memory and for nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "reading.h"

namespace strata {
namespace {

constexpr std::array kMemoryManagement = {SYS_mmap, SYS_munmap,  SYS_mremap, SYS_mprotect,
                                          SYS_brk,  SYS_madvise, SYS_futex,  SYS_exit_group};

// Every other system call ends the process.
bool AllowMemoryManagementOnly() {
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offsetof(seccomp_data, nr)))};
  for (const long call : kMemoryManagement) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum Verdict : int { kRead = 0, kRefused = 1, kNoFilter = 2 };

int ReadInAFilteredChild(const std::vector<std::byte>& bytes, const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    if (!AllowMemoryManagementOnly()) _exit(kNoFilter);
    _exit(elf::ReadCollectionSpec(bytes, {.path = path}) ? kRead : kRefused);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(Purity, ReadingManagesMemoryOnly) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer makes system calls of its own";
#endif
  const auto objects = test::SplitPaths(STRATA_TEST_OBJECTS);
  ASSERT_GT(objects.size(), 15U);
  for (const std::string& path : objects) {
    SCOPED_TRACE(path);
    const auto bytes = test::ReadFile(path);
    const bool is_readable = elf::ReadCollectionSpec(bytes, {.path = path}).has_value();
    const int status = ReadInAFilteredChild(bytes, path);
    ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), is_readable ? kRead : kRefused);
  }
}

TEST(Purity, EqualBytesGiveEqualSpecs) {
  for (const std::string& path : test::SplitPaths(STRATA_TEST_OBJECTS)) {
    const auto bytes = test::ReadFile(path);
    const auto first = elf::ReadCollectionSpec(bytes, {.path = path});
    // Another place in memory, another alignment.
    std::vector<std::byte> moved(bytes.size() + 1);
    std::copy(bytes.begin(), bytes.end(), moved.begin() + 1);
    const auto second = elf::ReadCollectionSpec(std::span(moved).subspan(1), {.path = path});
    ASSERT_EQ(first.has_value(), second.has_value()) << path;
    if (first) {
      EXPECT_EQ(*first, *second) << path;
    } else {
      EXPECT_EQ(first.error().message(), second.error().message());
    }
  }
}

}  // namespace
}  // namespace strata
