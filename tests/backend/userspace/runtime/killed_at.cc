#include "killed_at.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace strata::runtime {
namespace {

// The child stops itself around the operation, so that only its instructions are counted.
pid_t StartStopped(const std::function<void()>& operation) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
  operation();
  ::raise(SIGSTOP);
  ::_exit(0);
}

// True when the child came to its second stop before so many instructions were over.
bool HasEnded(pid_t child, int instructions) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  for (int i = 0; i < instructions; ++i) {
    ::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) == SIGSTOP) return true;
  }
  return false;
}

}  // namespace

int KilledAtEachInstruction(const std::function<void()>& prepare, const std::function<void()>& operation,
                            const std::function<void(int)>& check, int stride) {
  constexpr int kMost = 100'000;
  for (int killed = 0; killed < kMost; ++killed) {
    prepare();
    const pid_t child = StartStopped(operation);
    const bool has_ended = child < 0 || HasEnded(child, (killed + 1) * stride);
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    if (has_ended) return killed;
    check(killed);
    if (::testing::Test::HasFatalFailure()) return killed;
  }
  ADD_FAILURE() << "the operation does not end";
  return kMost;
}

}  // namespace strata::runtime
