#include "strata/backend/userspace/runtime/fault_table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <thread>
#include <vector>

#include "session_fixture.h"
#include "strata/backend/userspace/runtime/helpers/table.h"

namespace strata::runtime {
namespace {

volatile char* const kNowhere = reinterpret_cast<char*>(8);

class FaultTableTest : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    for (const int fault : {SIGSEGV, SIGBUS}) ::signal(fault, SIG_DFL);  // a sanitizer has its own
  }
  void TearDown() override {
    LeaveFaultTable(process());
    ::signal(SIGSEGV, SIG_DFL);
    ::signal(SIGBUS, SIG_DFL);
    RuntimeTest::TearDown();
  }
  long Read(const volatile void* address, std::uint32_t size = 8) {
    RunContext run;
    run.process = &process();
    return static_cast<long>(FindHelper(112)(reinterpret_cast<std::uint64_t>(room_), size,
                                             reinterpret_cast<std::uint64_t>(address), 0, 0, &run));
  }
  // How a child process ends that runs `body`.
  template <typename Body>
  static int StatusOf(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
      const rlimit none{0, 0};
      ::setrlimit(RLIMIT_CORE, &none);
      body();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }

  char room_[64] = {};
};

struct Seen {
  int signal = 0;
  int code = 0;
  void* address = nullptr;
  sigset_t mask = {};
  bool is_on_alternate_stack = false;
};
Seen seen;
sigjmp_buf after_fault;

void Remember(int signal, siginfo_t* info, void* /*context*/) {
  stack_t stack{};
  ::sigaltstack(nullptr, &stack);
  seen = {signal, info->si_code, info->si_addr, {}, (stack.ss_flags & SS_ONSTACK) != 0};
  ::sigprocmask(SIG_BLOCK, nullptr, &seen.mask);
}

void RememberAndLeave(int signal, siginfo_t* info, void* context) {
  Remember(signal, info, context);
  ::siglongjmp(after_fault, 1);
}

void Handle(int signal, void (*handler)(int, siginfo_t*, void*), int flags, int also_masked = 0) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  if (also_masked != 0) ::sigaddset(&action.sa_mask, also_masked);
  ASSERT_EQ(::sigaction(signal, &action, nullptr), 0);
}

TEST_F(FaultTableTest, BadReadsAreErrorsOnEveryThread) {
  ASSERT_EQ(UseFaultTable(process()), 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Read(kNowhere), -EFAULT);
  EXPECT_EQ(Read("readable"), 0);
  EXPECT_STREQ(room_, "readable");
  std::thread([this] { EXPECT_EQ(Read(kNowhere, 60), -EFAULT); }).join();
}

TEST_F(FaultTableTest, FilesThatBecameShorterAreErrorsToo) {
  ASSERT_EQ(UseFaultTable(process()), 0);
  const int fd = ::memfd_create("short", MFD_CLOEXEC);
  ASSERT_EQ(::ftruncate(fd, 4096), 0);
  void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  EXPECT_EQ(Read(page), 0);
  ASSERT_EQ(::ftruncate(fd, 0), 0);
  EXPECT_EQ(Read(page), -EFAULT);
  ::munmap(page, 4096);
  ::close(fd);
}

TEST_F(FaultTableTest, AMapWhoseFileBecameShorterHoldsZeros) {
  ASSERT_EQ(GuardFiles(process()), 0);
  MapView& map = MakeMap(MapType::kArray, 4, 8, 4096);
  MapView& other = MakeMap(MapType::kArray, 4, 8, 4096);
  const std::uint32_t key = 4000;
  std::uint64_t value = 7;
  for (MapView* each : {&map, &other}) ASSERT_EQ(each->ops->update(*each, &key, &value, 0, 0), 0);
  ASSERT_EQ(::truncate((folder() + "/map-" + std::to_string(map.id)).c_str(), 4096), 0);
  EXPECT_EQ(*static_cast<std::uint64_t*>(map.ops->lookup(map, &key, 0)), 0U);
  EXPECT_EQ(map.ops->update(map, &key, &value, 0, 0), 0);
  EXPECT_EQ(*static_cast<std::uint64_t*>(map.ops->lookup(map, &key, 0)), 7U) << "of this process alone";
  EXPECT_EQ(*static_cast<std::uint64_t*>(other.ops->lookup(other, &key, 0)), 7U);
  EXPECT_EQ(map.header->magic, 0U);
}

TEST_F(FaultTableTest, GuardingFilesLeavesAHandlerAndOtherFaultsAlone) {
  Handle(SIGBUS, Remember, 0);
  EXPECT_EQ(GuardFiles(process()), -EBUSY);
  ::signal(SIGBUS, SIG_DFL);
  ASSERT_EQ(GuardFiles(process()), 0);
  EXPECT_FALSE(process().has_fault_table);
  struct sigaction now {};
  ::sigaction(SIGSEGV, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
  const int status = StatusOf([] {
    const int fd = ::memfd_create("short", MFD_CLOEXEC);
    auto* page = static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    *page = 1;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) << "no file of a session";
}

TEST_F(FaultTableTest, OtherFaultsReachTheHandlerThatWasThere) {
  Handle(SIGSEGV, RememberAndLeave, 0, SIGUSR1);
  ASSERT_EQ(UseFaultTable(process()), 0);
  if (sigsetjmp(after_fault, 1) == 0) *kNowhere = 1;
  EXPECT_EQ(seen.signal, SIGSEGV);
  EXPECT_EQ(seen.code, SEGV_MAPERR);
  EXPECT_EQ(seen.address, const_cast<char*>(kNowhere));
  EXPECT_TRUE(::sigismember(&seen.mask, SIGUSR1));
  EXPECT_TRUE(::sigismember(&seen.mask, SIGSEGV));
  EXPECT_FALSE(seen.is_on_alternate_stack);
  EXPECT_EQ(Read(kNowhere), -EFAULT) << "after a handler that jumped away";
}

TEST_F(FaultTableTest, HandlersKeepTheirFlags) {
  std::vector<char> memory(65536);
  const stack_t stack{memory.data(), 0, memory.size()};
  ASSERT_EQ(::sigaltstack(&stack, nullptr), 0);
  Handle(SIGSEGV, RememberAndLeave, SA_ONSTACK | SA_NODEFER);
  ASSERT_EQ(UseFaultTable(process()), 0);
  if (sigsetjmp(after_fault, 1) == 0) *kNowhere = 1;
  EXPECT_TRUE(seen.is_on_alternate_stack);
  EXPECT_FALSE(::sigismember(&seen.mask, SIGSEGV));
  const stack_t none{nullptr, SS_DISABLE, 0};
  ::sigaltstack(&none, nullptr);
}

TEST_F(FaultTableTest, SentSignalsReachTheHandlerToo) {
  Handle(SIGSEGV, Remember, 0);
  ASSERT_EQ(UseFaultTable(process()), 0);
  ::raise(SIGSEGV);
  EXPECT_EQ(seen.signal, SIGSEGV);
  EXPECT_EQ(seen.code, SI_TKILL);
}

TEST_F(FaultTableTest, WithoutAHandlerAFaultKills) {
  ASSERT_EQ(UseFaultTable(process()), 0);
  for (const bool is_ignored : {false, true}) {
    const int status = StatusOf([&] {
      if (is_ignored) {
        LeaveFaultTable(process());
        ::signal(SIGSEGV, SIG_IGN);
        UseFaultTable(process());
      }
      *kNowhere = 1;
    });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << is_ignored;
  }
  const int status = StatusOf([] { ::raise(SIGBUS); });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

TEST_F(FaultTableTest, IgnoredSignalsThatAreSentAreIgnored) {
  ::signal(SIGSEGV, SIG_IGN);
  ASSERT_EQ(UseFaultTable(process()), 0);
  ::raise(SIGSEGV);
  EXPECT_EQ(Read(kNowhere), -EFAULT);
}

TEST_F(FaultTableTest, AHandlerForOneFaultIsNotCalledTwice) {
  Handle(SIGSEGV, Remember, static_cast<int>(SA_RESETHAND));
  ASSERT_EQ(UseFaultTable(process()), 0);
  // The handler returns to the same instruction, which then has no handler.
  const int status = StatusOf([] { *kNowhere = 1; });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST_F(FaultTableTest, TheLastUserGivesTheSignalsBack) {
  Handle(SIGSEGV, Remember, 0);
  Process* second = nullptr;
  ASSERT_EQ(OpenProcess(process().session_path, &second, nullptr), 0);
  ASSERT_EQ(UseFaultTable(process()), 0);
  ASSERT_EQ(UseFaultTable(*second), 0);
  struct sigaction now {};
  LeaveFaultTable(process());
  ::sigaction(SIGSEGV, nullptr, &now);
  EXPECT_NE(now.sa_sigaction, Remember);
  CloseProcess(second);
  ::sigaction(SIGSEGV, nullptr, &now);
  EXPECT_EQ(now.sa_sigaction, Remember);
  EXPECT_EQ(Read(kNowhere), -EFAULT) << "by a system call";
}

}  // namespace
}  // namespace strata::runtime
