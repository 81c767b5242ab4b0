// CPU numbers with holes: a kernel where some CPUs are offline, and others have numbers that this machine has not.
#include <linux/perf_event.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <set>

#include "perf_fixture.h"
#include "strata/backend/kernel/kernel_backend.h"

namespace strata {
namespace {

using strata::testing::OnCpu;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Every CPU is in truth CPU 0; the offline ones have no events.
class HoleySyscalls : public kernel::SyscallTable {
 public:
  explicit HoleySyscalls(std::set<int> offline) : offline_(std::move(offline)) {}

  long PerfEventOpen(const perf_event_attr& attributes, pid_t pid, int cpu, int group,
                     unsigned long flags) const override {
    if (attributes.config != PERF_COUNT_SW_BPF_OUTPUT || attributes.type != PERF_TYPE_SOFTWARE) {
      return SyscallTable::PerfEventOpen(attributes, pid, cpu, group, flags);
    }
    if (offline_.contains(cpu)) return -ENODEV;
    const long fd = SyscallTable::PerfEventOpen(attributes, pid, 0, group, flags);
    const std::lock_guard lock(mutex_);
    cpu_of_[static_cast<int>(fd)] = cpu;
    return fd;
  }
  long Ioctl(int fd, unsigned long request, unsigned long argument) const override {
    const std::lock_guard lock(mutex_);
    if (request == PERF_EVENT_IOC_PAUSE_OUTPUT) pauses.emplace_back(cpu_of_[fd], argument);
    return SyscallTable::Ioctl(fd, request, argument);
  }

  int CpuOf(int fd) const {
    const std::lock_guard lock(mutex_);
    return cpu_of_.at(fd);
  }

  mutable std::vector<std::pair<int, unsigned long>> pauses;  // CPU, and whether it shall be paused

 private:
  std::set<int> offline_;
  mutable std::mutex mutex_;
  mutable std::map<int, int> cpu_of_;
};

class PerfHoles : public testing::PerfTest {
 protected:
  void SetUp() override {
    testing::KernelTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (backend_->possible_cpus() < 2) GTEST_SKIP() << "needs two possible CPUs";
  }
  void OpenWith(std::set<int> offline) {
    syscalls_ = std::make_shared<HoleySyscalls>(std::move(offline));
    backend_ = OpenKernelBackend({.syscalls = syscalls_}).value();
  }
  // With slots for 8 CPUs, whatever the machine has.
  Map MakeMap() {
    MapSpec spec;
    spec.name = "samples";
    spec.type = MapType::kPerfEventArray;
    spec.key_size = spec.value_size = 4;
    spec.max_entries = 8;
    return Map(backend_, backend_->CreateMap(spec, nullptr).value(), spec);
  }
  void SendTo(std::uint32_t slot) { ASSERT_TRUE(objects_->FindVariable("slot")->Set(std::uint64_t{slot})); }

  std::shared_ptr<HoleySyscalls> syscalls_;
};

TEST_F(PerfHoles, AnOfflineCpuIsLeftOut) {
  OpenWith({1});
  auto reader = PerfReader::Open(MakeMap()).value();
  EXPECT_THAT(reader.cpus(), ::testing::Not(::testing::Contains(1)));
  EXPECT_THAT(reader.cpus(), ::testing::Contains(0));
  EXPECT_EQ(reader.Pause(1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(reader.PollDescriptor(1).error().code(), ErrorCode::kNotFound);
}

TEST_F(PerfHoles, CpusBehindAHoleKeepTheirNumbers) {
  OpenWith({0});
  LoadAndAttach();
  SendTo(1);
  const OnCpu here(0);
  auto reader = PerfReader::Open(samples_map(), {.cpus = {0, 1}}).value();
  EXPECT_THAT(reader.cpus(), ElementsAre(1));
  Send(1);
  EXPECT_EQ(*reader.Consume(Collect()), 1U);
  EXPECT_EQ(got_.back().cpu, 1U);
  EXPECT_EQ(*reader.ConsumeCpu(1, Collect()), 0U);
  ASSERT_TRUE(reader.Pause(1));
  Send(2);
  EXPECT_EQ(Counter("refused"), 2U);
  ASSERT_TRUE(reader.Resume(1));
  Send(1);
  EXPECT_EQ(*reader.ConsumeCpu(1, Collect()), 1U);
  EXPECT_EQ(reader.lost(1), 2U);
}

TEST_F(PerfHoles, EachOperationMeansTheCpuOfThatNumber) {
  OpenWith({0, 2});
  auto reader = PerfReader::Open(MakeMap(), {.cpus = {7, 0, 3, 2, 1}}).value();
  EXPECT_THAT(reader.cpus(), ElementsAre(1, 3, 7));
  for (const std::uint32_t cpu : reader.cpus()) {
    ASSERT_TRUE(reader.Pause(cpu));
    ASSERT_TRUE(reader.Resume(cpu));
    EXPECT_THAT(syscalls_->pauses,
                ElementsAre(std::pair(static_cast<int>(cpu), 1UL), std::pair(static_cast<int>(cpu), 0UL)));
    syscalls_->pauses.clear();
    EXPECT_EQ(syscalls_->CpuOf(reader.PollDescriptor(cpu).value()), static_cast<int>(cpu));
  }
  for (const std::uint32_t cpu : {0U, 2U, 4U}) {
    EXPECT_EQ(reader.Pause(cpu).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(reader.Resume(cpu).error().code(), ErrorCode::kNotFound);
  }
}

TEST_F(PerfHoles, NoCpuAtAllIsAnError) {
  OpenWith({0, 1});
  const auto reader = PerfReader::Open(MakeMap(), {.cpus = {0, 1}});
  EXPECT_EQ(reader.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(reader.error().message(), HasSubstr("map samples: none of 2 CPUs is online"));
}

TEST_F(PerfHoles, OtherErrorsAreNotTakenForOffline) {
  class Refusing : public kernel::SyscallTable {
    long PerfEventOpen(const perf_event_attr&, pid_t, int, int, unsigned long) const override { return -EMFILE; }
  };
  backend_ = OpenKernelBackend({.syscalls = std::make_shared<Refusing>()}).value();
  EXPECT_EQ(PerfReader::Open(MakeMap()).error().sys_errno(), EMFILE);
}

}  // namespace
}  // namespace strata
