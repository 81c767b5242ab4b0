// Wake-ups that a program asks for or forbids, seen by an epoll on the ring's descriptor, and questions about a ring.
#include <linux/bpf.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "fixture.h"
#include "strata/base/unique_fd.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

constexpr std::int64_t kRecord = 8 + 16;  // with its header

// The call in which another thread of this process sleeps until a word changes; empty where none does. What wakes it
// changes this at once.
std::string FutexSleep() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(thread.path() / "syscall");
    std::string call;
    if (std::getline(file, call) && call.starts_with("202 ")) return thread.path().string() + call;
  }
  return {};
}

template <typename T>
class RingFlagsTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_RING_FLAGS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    reader_.emplace(OpenReader());
  }

  RingReader OpenReader() { return RingReader::Open(**objects_->FindMap("ring")).value(); }
  std::int64_t Run(const char* program, std::uint64_t flags) {
    EXPECT_TRUE(objects_->FindVariable("flags")->template Set<std::uint64_t>(flags));
    EXPECT_TRUE((*objects_->FindProgram(program))->TestRun());
    return objects_->FindVariable("result")->template Get<std::int64_t>().value();
  }
  std::uint64_t Consume() {
    return reader_->Consume([](std::span<const std::byte>) { return true; }).value();
  }

  // From here on an epoll tells of wake-ups alone.
  void Watch() {
    reader_.reset();
    ASSERT_EQ(FutexSleep(), "");
    reader_.emplace(OpenReader());
    epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    ASSERT_EQ(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, reader_->poll_descriptor(), &event), 0);
    // Userspace has a thread behind the descriptor, which looks for data once before it sleeps.
    while (!this->backend_->runs_in_kernel() && (sleep_ = FutexSleep()).empty()) std::this_thread::yield();
  }
  bool IsWoken() {
    epoll_event event{};
    return FutexSleep() != sleep_ || ::epoll_wait(epoll_.get(), &event, 1, 0) == 1;
  }
  bool IsWokenInTime() {
    epoll_event event{};
    return ::epoll_wait(epoll_.get(), &event, 1, 10'000) == 1;
  }

  std::optional<Collection> objects_;
  std::optional<RingReader> reader_;
  UniqueFd epoll_;
  std::string sleep_;
};
TYPED_TEST_SUITE(RingFlagsTest, BackendKinds, BackendNames);

TYPED_TEST(RingFlagsTest, ARecordWakesWhoHasReadAll) {
  this->Watch();
  EXPECT_FALSE(this->IsWoken());
  ASSERT_EQ(this->Run("output", 0), 0);
  EXPECT_TRUE(this->IsWokenInTime());
  EXPECT_EQ(this->Consume(), 1U);
}

TYPED_TEST(RingFlagsTest, NobodyIsWokenWhereThatIsForbidden) {
  this->Watch();
  for (const char* program : {"output", "submit", "discard"}) {
    ASSERT_GE(this->Run(program, BPF_RB_NO_WAKEUP), 0);
    EXPECT_FALSE(this->IsWoken()) << program;
  }
  EXPECT_EQ(this->Consume(), 2U) << "they are there nevertheless";
}

TYPED_TEST(RingFlagsTest, AForcedWakeupTellsOfRecordsThatWereQuiet) {
  for (const char* program : {"output", "submit", "discard"}) {
    this->Watch();
    ASSERT_EQ(this->Run("output", BPF_RB_NO_WAKEUP), 0);
    EXPECT_FALSE(this->IsWoken()) << program;
    ASSERT_GE(this->Run(program, BPF_RB_FORCE_WAKEUP), 0);
    EXPECT_TRUE(this->IsWokenInTime()) << program;
    this->Consume();
  }
}

TYPED_TEST(RingFlagsTest, ForcedAndForbiddenIsForced) {
  this->Watch();
  ASSERT_EQ(this->Run("output", BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP), 0);
  EXPECT_TRUE(this->IsWokenInTime());
}

TYPED_TEST(RingFlagsTest, UnknownFlagsAreRefused) {
  for (const std::uint64_t flags : {std::uint64_t{4}, std::uint64_t{1} << 63})
    EXPECT_EQ(this->Run("output", flags), -EINVAL);
  EXPECT_EQ(this->Run("reserve_with_flags", 0), 0);
  EXPECT_EQ(this->Run("submit", 4), 1) << "of what is reserved, nobody looks at other flags";
  EXPECT_EQ(this->Consume(), 1U);
}

TYPED_TEST(RingFlagsTest, AnswersEachQuestion) {
  const auto expect = [&](std::int64_t available, std::int64_t consumed, std::int64_t produced) {
    EXPECT_EQ(this->Run("query", BPF_RB_AVAIL_DATA), available);
    EXPECT_EQ(this->Run("query", BPF_RB_RING_SIZE), 4096);
    EXPECT_EQ(this->Run("query", BPF_RB_CONS_POS), consumed);
    EXPECT_EQ(this->Run("query", BPF_RB_PROD_POS), produced);
  };
  expect(0, 0, 0);
  ASSERT_EQ(this->Run("output", 0), 0);
  ASSERT_EQ(this->Run("discard", 0), 1);
  ASSERT_EQ(this->Run("submit", 0), 1);
  expect(3 * kRecord, 0, 3 * kRecord);
  EXPECT_EQ(this->Consume(), 2U);
  expect(0, 3 * kRecord, 3 * kRecord);
  ASSERT_EQ(this->Run("output", 0), 0);
  expect(kRecord, 3 * kRecord, 4 * kRecord);
  EXPECT_EQ(this->Run("query", 4), 0) << "no such question";
  EXPECT_EQ(this->Run("query", ~std::uint64_t{0}), 0);
}

}  // namespace
}  // namespace strata
