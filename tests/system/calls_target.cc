// The program that the system tests trace: calls strata_target_call(1) a number of times in several ways of life.
//   calls_target MODE COUNT
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

extern "C" long strata_target_call(long argument);  // traced_function.cc

namespace {

long call_count = 0;
char* self = nullptr;
char* count_text = nullptr;

void Call() {
  for (long i = 0; i < call_count; ++i) strata_target_call(1);
}

int Calls() {
  Call();
  return 0;
}

int Threads() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(Call);
  for (std::thread& thread : threads) thread.join();
  return 0;
}

int WaitFor(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

int Fork() {
  Call();
  const pid_t child = ::fork();
  if (child == 0) {
    Call();
    std::_Exit(0);
  }
  return WaitFor(child);
}

int Exec() {
  Call();
  char mode[] = "calls";
  char* const arguments[] = {self, mode, count_text, nullptr};
  ::execv(self, arguments);
  return 1;
}

int ExecThrice() {
  Call();
  char mode[] = "exec";
  char* const arguments[] = {self, mode, count_text, nullptr};
  ::execve(self, arguments, environ);
  return 1;
}

int Spawn() {
  Call();
  char mode[] = "calls";
  char* const arguments[] = {self, mode, count_text, nullptr};
  pid_t child = 0;
  if (::posix_spawn(&child, self, nullptr, nullptr, arguments, environ) != 0) return 1;
  return WaitFor(child);
}

int Kill() {
  Call();
  std::raise(SIGKILL);
  return 0;
}

int Exit() {
  Call();
  return 42;
}

int Environment() {
  Call();
  for (char** entry = environ; *entry != nullptr; ++entry) std::puts(*entry);
  return 0;
}

int Pause() {
  Call();
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    Call();
    ::usleep(1000);
  }
}

int Endless() {
  for (;;) Call();
}

int Abort() {
  Call();
  std::abort();
}

struct Mode {
  const char* name;
  int (*run)();
};
constexpr Mode kModes[] = {
    {"calls", Calls}, {"threads", Threads}, {"fork", Fork}, {"exec", Exec},       {"exec-thrice", ExecThrice},
    {"spawn", Spawn}, {"kill", Kill},       {"exit", Exit}, {"env", Environment}, {"pause", Pause},
    {"abort", Abort}, {"endless", Endless},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  self = argv[0];
  count_text = argv[2];
  call_count = std::atol(argv[2]);
  for (const Mode& mode : kModes) {
    if (std::strcmp(mode.name, argv[1]) == 0) return mode.run();
  }
  return 2;
}
