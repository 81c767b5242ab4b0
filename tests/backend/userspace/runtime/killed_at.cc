#include "killed_at.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace strata::runtime {
namespace {

// Of the child: instructions until it kills itself. The handler makes its system calls itself, so that nothing of
// libc's is stepped through twice.
volatile int left = 0;

void CountInstruction(int) {
  left = left - 1;
  if (left > 0) return;
  ::syscall(SYS_kill, ::syscall(SYS_getpid), SIGKILL);
}

// With the trap flag set, the processor traps after each instruction.
void SetTrapFlag() { __asm__ volatile("pushfq\n orq $0x100, (%%rsp)\n popfq" ::: "memory", "cc"); }
void ClearTrapFlag() { __asm__ volatile("pushfq\n andq $~0x100, (%%rsp)\n popfq" ::: "memory", "cc"); }

[[noreturn]] void RunStepped(const std::function<void()>& operation, int instructions) {
  struct sigaction action {};
  action.sa_handler = CountInstruction;
  ::sigaction(SIGTRAP, &action, nullptr);
  left = instructions;
  SetTrapFlag();
  operation();
  ClearTrapFlag();
  ::_exit(0);
}

// True when the child came to the operation's end.
bool HasEnded(const std::function<void()>& operation, int instructions) {
  const pid_t child = ::fork();
  EXPECT_GE(child, 0);
  if (child == 0) RunStepped(operation, instructions);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
  return !WIFSIGNALED(status);
}

}  // namespace

int KilledAtEachInstruction(const std::function<void()>& prepare, const std::function<void()>& operation,
                            const std::function<void(int)>& check, int stride) {
  constexpr int kMost = 100'000;
  for (int killed = 0; killed < kMost; ++killed) {
    prepare();
    if (HasEnded(operation, (killed + 1) * stride)) return killed;
    check(killed);
    if (::testing::Test::HasFatalFailure()) return killed;
  }
  ADD_FAILURE() << "the operation does not end";
  return kMost;
}

void WithoutSteps(const std::function<void()>& part) {
  ClearTrapFlag();
  part();
  SetTrapFlag();
}

}  // namespace strata::runtime
