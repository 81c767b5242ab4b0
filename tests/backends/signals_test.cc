// Signals that programs send: to the process or to the thread that they run in.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

// The thread that got SIGUSR1 last, and how many were got.
std::atomic<pid_t> receiver;
std::atomic<int> received;

void OnSignal(int /*number*/) {
  receiver = ::gettid();
  ++received;
}

void MaskSignal(int how) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGUSR1);
  ::pthread_sigmask(how, &set, nullptr);
}

template <typename T>
class SignalsTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_SIGNALS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    received = 0;
    before_ = ::signal(SIGUSR1, OnSignal);
  }
  void TearDown() override {
    if (objects_) ::signal(SIGUSR1, before_);
  }
  std::int64_t Send(const char* program, std::uint32_t number) {
    EXPECT_TRUE(objects_->FindVariable("number")->template Set<std::uint32_t>(number));
    EXPECT_TRUE((*objects_->FindProgram(program))->TestRun());
    return objects_->FindVariable("result")->template Get<std::int64_t>().value();
  }
  static void WaitFor(int count) {
    while (received < count) std::this_thread::yield();
  }

  std::optional<Collection> objects_;
  sighandler_t before_ = SIG_DFL;
};
TYPED_TEST_SUITE(SignalsTest, BackendKinds, BackendNames);

TYPED_TEST(SignalsTest, OneToTheThreadIsItsOwn) {
  for (int i = 1; i <= 3; ++i) {
    std::thread([&] {
      EXPECT_EQ(this->Send("to_thread", SIGUSR1), 0);
      this->WaitFor(i);
      EXPECT_EQ(receiver, ::gettid());
    }).join();
  }
  EXPECT_EQ(received, 3);
}

TYPED_TEST(SignalsTest, OneToTheProcessGoesToAThreadThatTakesIt) {
  std::thread([&] {
    MaskSignal(SIG_BLOCK);
    EXPECT_EQ(this->Send("to_process", SIGUSR1), 0);
    this->WaitFor(1);
    EXPECT_NE(receiver, ::gettid());
    EXPECT_EQ(this->Send("to_thread", SIGUSR1), 0);
    EXPECT_EQ(received, 1) << "this thread does not take it yet";
    MaskSignal(SIG_UNBLOCK);
    this->WaitFor(2);
    EXPECT_EQ(receiver, ::gettid());
  }).join();
}

TYPED_TEST(SignalsTest, NumbersThatAreNoneAreRefused) {
  for (const char* program : {"to_process", "to_thread"}) {
    EXPECT_EQ(this->Send(program, 65), -EINVAL) << program;
    EXPECT_EQ(this->Send(program, 1U << 31), -EINVAL) << program;
    EXPECT_EQ(this->Send(program, 0), 0) << program;
  }
  EXPECT_EQ(received, 0);
}

}  // namespace
}  // namespace strata
