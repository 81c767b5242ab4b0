// Perf event arrays: from programs to the reader.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <thread>

#include "map_kinds_fixture.h"

namespace strata {
namespace {

using namespace strata::testing;  // NOLINT: its helpers are this file's vocabulary
using ::testing::ElementsAre;

// This thread runs on one CPU while it lives.
class OnCpu {
 public:
  explicit OnCpu(std::uint32_t cpu) {
    ::sched_getaffinity(0, sizeof(before_), &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  }
  OnCpu(const OnCpu&) = delete;
  OnCpu& operator=(const OnCpu&) = delete;
  ~OnCpu() { ::sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_{};
};
std::uint32_t AnyCpu() { return static_cast<std::uint32_t>(::sched_getcpu()); }

struct Sample {
  std::uint32_t cpu;
  std::uint64_t number;
  std::size_t size;
};

template <typename T>
class PerfTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_PERF));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  const Map& samples_map() { return **objects_->FindMap("samples"); }
  Result<PerfReader> Open(PerfReaderOptions options = {}) {
    return PerfReader::Open(samples_map(), std::move(options));
  }
  void SetVariable(const char* name, std::uint64_t value) {
    ASSERT_TRUE(objects_->FindVariable(name)->template Set<std::uint64_t>(value));
  }
  std::uint64_t Counter(const char* name) { return *objects_->FindVariable(name)->template Get<std::uint64_t>(); }
  std::int64_t LastError() { return *objects_->FindVariable("last_error")->template Get<std::int64_t>(); }
  void Send(std::uint64_t count, std::uint64_t size = 8, std::uint64_t first = 0) {
    SetVariable("count", count);
    SetVariable("size", size);
    SetVariable("first", first);
    ASSERT_TRUE((*objects_->FindProgram("send"))->TestRun());
  }
  PerfReader::OnSample Collect() {
    return [this](std::uint32_t cpu, std::span<const std::byte> sample) {
      std::uint64_t number = 0;
      std::memcpy(&number, sample.data(), std::min(sizeof(number), sample.size()));
      got_.push_back({cpu, number, sample.size()});
      return true;
    };
  }
  std::vector<std::uint64_t> Numbers() const {
    std::vector<std::uint64_t> numbers;
    for (const Sample& sample : got_) numbers.push_back(sample.number);
    return numbers;
  }
  static bool IsReadable(int descriptor, int timeout_ms) {
    pollfd entry{descriptor, POLLIN, 0};
    return ::poll(&entry, 1, timeout_ms) == 1;
  }
  static constexpr int kSoon = 10'000;  // milliseconds until something that happens has happened

  std::optional<Collection> objects_;
  std::vector<Sample> got_;
};
TYPED_TEST_SUITE(PerfTest, BackendKinds, BackendNames);

TYPED_TEST(PerfTest, SamplesOfEachCpuAreReadInOrder) {
  auto reader = this->Open().value();
  ASSERT_EQ(reader.cpus().size(), this->backend_->possible_cpus());
  for (const std::uint32_t cpu : reader.cpus()) {
    const OnCpu here(cpu);
    this->Send(3);
    this->got_.clear();
    EXPECT_EQ(*reader.Poll(Deadline::Never(), this->Collect()), 3U);
    EXPECT_THAT(this->Numbers(), ElementsAre(0, 1, 2));
    for (const Sample& sample : this->got_) {
      EXPECT_EQ(sample.cpu, this->Counter("processor"));
      EXPECT_EQ(sample.size, 12U);  // 8, and padding
    }
  }
  EXPECT_EQ(*reader.Consume(this->Collect()), 0U);
  EXPECT_EQ(reader.lost(), 0U);
}

TYPED_TEST(PerfTest, SizesArePaddedAsTheKernelDoes) {
  const OnCpu here(AnyCpu());
  auto reader = this->Open().value();
  for (const std::uint64_t size : {0U, 1U, 4U, 5U, 12U, 13U, 1000U}) this->Send(1, size);
  EXPECT_EQ(*reader.Consume(this->Collect()), 7U);
  std::vector<std::size_t> sizes;
  for (const Sample& sample : this->got_) sizes.push_back(sample.size);
  EXPECT_THAT(sizes, ElementsAre(4, 4, 4, 12, 12, 20, 1004));
}

TYPED_TEST(PerfTest, ErrorsAreTheKernels) {
  const OnCpu here(AnyCpu());
  this->Send(1);
  EXPECT_EQ(this->LastError(), -ENOENT);
  auto reader = this->Open().value();
  const struct {
    std::uint64_t flags;
    std::int64_t error;
  } rows[] = {{std::uint64_t{1} << 32, -EINVAL},
              {std::uint64_t{1} << 40 | 0xffffffff, -EINVAL},
              {1000, -E2BIG},
              {0xfffffffe, -E2BIG},
              {(AnyCpu() + 1) % this->backend_->possible_cpus(), -EOPNOTSUPP}};
  for (const auto& row : rows) {
    this->SetVariable("flags", row.flags);
    this->Send(1);
    EXPECT_EQ(this->LastError(), row.error) << row.flags;
  }
  this->SetVariable("flags", AnyCpu());
  this->Send(1);
  EXPECT_EQ(this->Counter("sent"), 1U);
}

TYPED_TEST(PerfTest, WhatFoundNoRoomIsCountedAndTold) {
  std::uint64_t told = 0;
  const OnCpu here(AnyCpu());
  auto reader = this->Open({.size_bytes = 1, .on_lost = [&](std::uint32_t, std::uint64_t count) { told += count; }});
  ASSERT_TRUE(reader);
  this->Send(500);
  EXPECT_EQ(this->Counter("sent"), 4096U / 24);
  EXPECT_EQ(this->LastError(), -ENOSPC);
  ASSERT_TRUE(reader->Consume(this->Collect()));
  this->Send(1, 8, 500);  // before this one come the losses
  ASSERT_TRUE(reader->Consume(this->Collect()));
  EXPECT_EQ(this->got_.size(), this->Counter("sent"));
  EXPECT_EQ(told, this->Counter("refused"));
  EXPECT_EQ(reader->lost(), told);
  EXPECT_EQ(this->got_.back().number, 500U);
}

TYPED_TEST(PerfTest, LargeSamplesThatWrapAreWhole) {
  constexpr std::size_t kSize = 24 * 1024;
  const OnCpu here(AnyCpu());
  auto reader = this->Open({.size_bytes = 64 * 1024}).value();
  const auto bytes = *this->objects_->FindVariable("sample");
  for (std::size_t i = 8; i < bytes.bytes().size(); ++i) bytes.bytes()[i] = static_cast<std::byte>(i * 7 / 5);
  for (std::uint64_t round = 0; round < 20; ++round) {
    this->Send(1, kSize, round);
    const auto consumed = reader.Consume([&](std::uint32_t cpu, std::span<const std::byte> sample) {
      EXPECT_GE(sample.size(), kSize);
      EXPECT_TRUE(std::equal(bytes.bytes().begin(), bytes.bytes().begin() + kSize, sample.begin())) << round;
      return this->Collect()(cpu, sample);
    });
    ASSERT_EQ(*consumed, 1U) << round;
  }
  EXPECT_EQ(this->got_.back().number, 19U);
}

TYPED_TEST(PerfTest, DescriptorsTellAfterSoManySamples) {
  const OnCpu here(AnyCpu());
  auto reader = this->Open({.wakeup_samples = 3}).value();
  const int own = reader.PollDescriptor(AnyCpu()).value();
  this->Send(2);
  EXPECT_FALSE(this->IsReadable(own, 50));
  this->Send(1);
  EXPECT_TRUE(this->IsReadable(own, this->kSoon));
  EXPECT_EQ(*reader.Consume(this->Collect()), 3U);
  EXPECT_FALSE(this->IsReadable(own, 50));
  this->Send(3);
  EXPECT_TRUE(this->IsReadable(reader.poll_descriptor(), this->kSoon));
}

TYPED_TEST(PerfTest, DescriptorsTellAfterSoManyBytes) {
  const OnCpu here(AnyCpu());
  auto reader = this->Open({.watermark_bytes = 2000}).value();
  this->Send(1, 900);
  EXPECT_FALSE(this->IsReadable(reader.poll_descriptor(), 50));
  this->Send(2, 900);
  EXPECT_TRUE(this->IsReadable(reader.poll_descriptor(), this->kSoon));
  EXPECT_EQ(*reader.Consume(this->Collect()), 3U);
}

TYPED_TEST(PerfTest, PollWakesForASampleOfAnotherThread) {
  auto reader = this->Open().value();
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::thread sender([&] { this->Send(1, 8, round); });
    EXPECT_EQ(*reader.Poll(Deadline::Never(), this->Collect()), 1U);
    sender.join();
    EXPECT_EQ(this->got_.back().number, round);
  }
}

TYPED_TEST(PerfTest, OverwritableBuffersKeepTheNewest) {
  const OnCpu here(AnyCpu());
  auto reader = this->Open({.size_bytes = 4096, .overwritable = true}).value();
  this->Send(1000);
  EXPECT_EQ(this->Counter("refused"), 0U);
  const std::uint64_t count = *reader.Consume(this->Collect());
  EXPECT_EQ(count, 4096U / 24);
  std::vector<std::uint64_t> expected;
  for (std::uint64_t number = 1000 - count; number < 1000; ++number) expected.push_back(number);
  EXPECT_EQ(this->Numbers(), expected);
  this->Send(2, 8, 1000);
  EXPECT_EQ(*reader.Consume(this->Collect()), 2U);
  EXPECT_EQ(this->got_.back().number, 1001U);
}

TYPED_TEST(PerfTest, APausedBufferTakesNothing) {
  const OnCpu here(AnyCpu());
  auto reader = this->Open().value();
  ASSERT_TRUE(reader.PauseAll());
  this->Send(3);
  EXPECT_EQ(this->Counter("refused"), 3U);
  EXPECT_EQ(*reader.Consume(this->Collect()), 0U);
  ASSERT_TRUE(reader.ResumeAll());
  this->Send(1, 8, 3);
  EXPECT_EQ(*reader.Consume(this->Collect()), 1U);
  EXPECT_EQ(reader.lost(), 3U);
}

TYPED_TEST(PerfTest, AReaderThatIsGoneLeavesTheMapEmpty) {
  this->Open().value();
  this->Send(2);
  EXPECT_EQ(this->LastError(), -ENOENT);
  auto second = this->Open({.size_bytes = 1 << 20}).value();
  this->Send(1);
  EXPECT_EQ(*second.Consume(this->Collect()), 1U);
}

TYPED_TEST(PerfTest, UserSpaceOperationsAreTheKernels) {
  Map map = this->CreateMap(MapType::kPerfEventArray, 4, 4, 1);
  std::uint32_t key = 0;
  std::uint32_t value = 0;
  EXPECT_EQ(ErrnoOf(map.Delete(Bytes(key))), ENOENT);
  EXPECT_EQ(ErrnoOf(map.Lookup(Bytes(key), Writable(value))), 524);
  EXPECT_EQ(ErrnoOf(map.Update(Bytes(key), Bytes(value), UpdateMode::kNoExist)), EINVAL);
  key = 1;
  EXPECT_EQ(ErrnoOf(map.Delete(Bytes(key))), E2BIG);
  EXPECT_EQ(ErrnoOf(map.Update(Bytes(key), Bytes(value))), E2BIG);
  EXPECT_EQ(ErrnoOf(map.backend_map()->NextKey(std::nullopt, Writable(key))), 0);
  EXPECT_EQ(key, 0U);
}

TYPED_TEST(PerfTest, ManyThreadsLoseNothing) {
  auto reader = this->Open({.size_bytes = 4 << 20}).value();
  this->SetVariable("count", 500);
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> missed{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int run = 0; run < 20; ++run) missed += (*this->objects_->FindProgram("send"))->TestRun() ? 0 : 500;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*reader.Consume(this->Collect()) + missed, 4U * 20 * 500);
  EXPECT_EQ(reader.lost(), 0U);
}

using PerfOfUserspace = PerfTest<UserspaceKind>;

TEST_F(PerfOfUserspace, ASecondReaderIsRefusedWhileTheFirstLives) {
  auto first = Open().value();
  EXPECT_EQ(Open().error().code(), ErrorCode::kBusy);
  EXPECT_EQ(Open({.size_bytes = 128 << 20}).error().code(), ErrorCode::kNoSpace);
}

TEST_F(PerfOfUserspace, AReaderThatWasKilledIsReplaced) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto memory = samples_map().backend_map()->PerfBuffer(0, {.size_bytes = 4096});
    ::kill(::getpid(), memory ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  auto reader = Open().value();
  const OnCpu here(0);
  Send(1);
  EXPECT_EQ(*reader.Consume(Collect()), 1U);
}

// From here on the process is killed by SIGSYS when it asks for, or sets, the CPUs that it may run on.
bool ForbidAffinityCalls() {
  constexpr std::uint32_t kNumber = offsetof(seccomp_data, nr);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_getaffinity, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(filter), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// How a child ends that does something without those calls.
template <typename Work>
int EndWithoutAffinityCalls(const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!ForbidAffinityCalls()) ::_exit(1);
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_F(PerfOfUserspace, OutputsAndReadsMakeNoAffinityCalls) {
  auto reader = Open().value();
  const int status = EndWithoutAffinityCalls([&] {
    Send(10);
    if (reader.Consume(Collect()).value() != 10) ::_exit(2);
  });
  EXPECT_EQ(status, 0);
  const int killed = EndWithoutAffinityCalls([] { const OnCpu here(AnyCpu()); });
  EXPECT_TRUE(WIFSIGNALED(killed));
  EXPECT_EQ(WTERMSIG(killed), SIGSYS);
}

}  // namespace
}  // namespace strata
