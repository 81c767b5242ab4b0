// Programs behind counters.
#include <cerrno>

#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

class PerfEventTest : public LinkTracingTest {};

// Computes until the program has run; the outer bound only ends a test that fails.
bool WorkUntilHit(Collection& objects) {
  const auto hits = objects.FindVariable("hits").value();
  const volatile std::uint64_t* seen = hits.Pointer<std::uint64_t>().value();
  volatile std::uint64_t work = 0;
  for (std::uint64_t round = 0; round < 20'000'000'000ULL; ++round) {
    work = work + round;
    if (*seen != 0) return true;
  }
  return false;
}

TEST_F(PerfEventTest, ClockOfTheCpuRunsItForAThread) {
  auto objects = Load({"on_sample"});
  const auto link = AttachPerfEvent(ProgramOf(objects, "on_sample"), SoftwareEvent::kCpuClock,
                                    {.sampling = SamplePeriod{1'000'000}, .tid = ::getpid(), .cookie = 16});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_TRUE(WorkUntilHit(objects));
  EXPECT_EQ(Read(objects, "cookies"), 16U);
  const LinkInfo info = OpenedInfo(backend_, *link);
  EXPECT_EQ(info.kind, "perf_event");
  EXPECT_EQ(info.cookie, 16U);
}

TEST_F(PerfEventTest, ClockRunsItOnEveryCpu) {
  auto objects = Load({"on_sample"});
  const auto link =
      AttachPerfEvent(ProgramOf(objects, "on_sample"), SoftwareEvent::kCpuClock, {.sampling = SampleFrequency{1000}});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_TRUE(WorkUntilHit(objects));
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  EXPECT_EQ(link->Info()->place_count, online > 1 ? static_cast<std::uint32_t>(online) : 0U);
  EXPECT_EQ(link->Info()->kind, "perf_event");
}

TEST_F(PerfEventTest, AGroupOfEventsIsDisabledEnabledAndDetachedAtOnce) {
  auto objects = Load({"on_sample"});
  auto link =
      AttachPerfEvent(ProgramOf(objects, "on_sample"), SoftwareEvent::kCpuClock, {.sampling = SamplePeriod{100'000}})
          .value();
  ASSERT_TRUE(link.SetEnabled(false));
  const std::uint64_t before = Read(objects, "hits");
  volatile std::uint64_t work = 0;
  for (std::uint64_t round = 0; round < 20'000'000; ++round) work = work + round;
  EXPECT_EQ(Read(objects, "hits"), before);
  ASSERT_TRUE(objects.FindVariable("hits")->Set(std::uint64_t{0}));
  ASSERT_TRUE(link.SetEnabled(true));
  EXPECT_TRUE(WorkUntilHit(objects));
  EXPECT_TRUE(std::move(link).Detach());
}

TEST_F(PerfEventTest, EveryWriteToAWatchedAddress) {
  auto objects = Load({"on_sample"});
  static volatile std::uint64_t watched = 0;
  const auto link = AttachPerfEvent(ProgramOf(objects, "on_sample"),
                                    BreakpointEvent{.address = reinterpret_cast<std::uint64_t>(&watched)},
                                    {.sampling = SamplePeriod{1}, .tid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  watched = 1;
  watched = 2;
  static_cast<void>(watched);  // a read
  EXPECT_EQ(Read(objects, "hits"), 2U);
}

TEST_F(PerfEventTest, PageFaultsOfAThread) {
  auto objects = Load({"on_sample"});
  const auto link = AttachPerfEvent(ProgramOf(objects, "on_sample"), SoftwareEvent::kPageFaults,
                                    {.sampling = SamplePeriod{1}, .tid = ::getpid()});
  ASSERT_TRUE(link) << link.error().message();
  std::vector<char> fresh(std::size_t{64} << 20, 'x');
  EXPECT_GE(Read(objects, "hits"), 1U) << fresh.back();
}

TEST_F(PerfEventTest, SpecsAreThoseOfTheSystemCall) {
  auto syscalls = std::make_shared<TracingSyscalls>(Take({ProgramType::kPerfEvent}));
  syscalls->on_event = [](const TracingSyscalls::Event&) { return kernel::FakeSyscalls::AnyDescriptor(); };
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_sample"});
  const Program& program = ProgramOf(objects, "on_sample");
  struct Row {
    PerfEventSpec event;
    std::uint32_t type;
    std::uint64_t config;
    std::uint32_t breakpoint_type;
    std::uint64_t config1;
    std::uint64_t config2;
  };
  using Cache = CacheEvent;
  const std::vector<Row> rows = {
      {SoftwareEvent::kContextSwitches, 1, 3, 0, 0, 0},
      {HardwareEvent::kBranchMisses, 0, 5, 0, 0, 0},
      {CacheEvent{Cache::Cache::kLastLevel, Cache::Operation::kWrite, Cache::Outcome::kMiss}, 3, 0x10102, 0, 0, 0},
      {BreakpointEvent{.address = 0x1000, .access = BreakpointEvent::Access::kReadOrWrite, .size_bytes = 4}, 5, 0, 3,
       0x1000, 4},
      {RawEvent{.type = 9, .config = 0x1b7, .config1 = 5, .config2 = 6}, 9, 0x1b7, 0, 5, 6},
  };
  for (const Row& row : rows) {
    const auto link =
        AttachPerfEvent(program, row.event, {.sampling = SampleFrequency{49}, .tid = kAllProcesses, .cpu = 1});
    ASSERT_TRUE(link) << link.error().message();
    const TracingSyscalls::Event event = syscalls->Events().back();
    EXPECT_EQ(event.attributes.type, row.type);
    EXPECT_EQ(event.attributes.config, row.config);
    EXPECT_EQ(event.attributes.bp_type, row.breakpoint_type);
    EXPECT_EQ(event.attributes.config1, row.config1);
    EXPECT_EQ(event.attributes.config2, row.config2);
    EXPECT_EQ(event.attributes.freq, 1U);
    EXPECT_EQ(event.attributes.sample_freq, 49U);
    EXPECT_EQ(event.cpu, 1);
    EXPECT_EQ(event.pid, -1);
  }
}

TEST_F(PerfEventTest, ACounterThatTheMachineLacksIsSaidSo) {
  auto objects = Load({"on_sample"});
  const Error error =
      ErrorOf(AttachPerfEvent(ProgramOf(objects, "on_sample"), RawEvent{.type = 0x7ffffff0}, {.tid = ::getpid()}));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(), HasSubstr("perf event 2147483632:0x0: this machine has no counter for it"));
  const Error never = ErrorOf(AttachPerfEvent(ProgramOf(objects, "on_sample"), SoftwareEvent::kCpuClock,
                                              {.sampling = SamplePeriod{0}, .tid = ::getpid()}));
  EXPECT_EQ(never.code(), ErrorCode::kInvalidArgument);
}

TEST_F(PerfEventTest, ARightThatIsMissingIsNamedWithTheSetting) {
  auto syscalls = std::make_shared<TracingSyscalls>();
  syscalls->on_event = [](const TracingSyscalls::Event&) { return -EACCES; };
  auto objects = LoadOn(OpenKernelBackend({.syscalls = syscalls}).value(), {"on_sample"});
  const Error error = ErrorOf(AttachPerfEvent(ProgramOf(objects, "on_sample"), SoftwareEvent::kCpuClock));
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("kernel.perf_event_paranoid is "));
}

}  // namespace
}  // namespace strata::testing
