// Samples of perf event arrays, from program to reader.
#include "strata/object/perf_reader.h"

#include <poll.h>

#include <algorithm>
#include <thread>

#include "perf_fixture.h"

namespace strata {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using strata::testing::AnyCpu;
using strata::testing::OnCpu;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PerfReading : public testing::PerfTest {
 protected:
  static bool IsReadable(int descriptor) {
    pollfd entry{descriptor, POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
};

TEST_F(PerfReading, SamplesOfEachCpuAreReadInOrder) {
  auto reader = Open().value();
  ASSERT_THAT(reader.cpus(), ::testing::Not(IsEmpty()));
  for (const std::uint32_t cpu : reader.cpus()) {
    const OnCpu here(cpu);
    Send(3);
    got_.clear();
    EXPECT_EQ(*reader.Poll(hours(1), Collect()), 3U);
    EXPECT_THAT(Numbers(), ElementsAre(0, 1, 2));
    for (const Sample& sample : got_) {
      EXPECT_EQ(sample.cpu, cpu);
      EXPECT_EQ(sample.size, 12U);  // 8, and the kernel's padding
    }
  }
  EXPECT_EQ(*reader.Consume(Collect()), 0U);
  EXPECT_EQ(reader.lost(), 0U);
}

TEST_F(PerfReading, StopsAtTheLimitAndWhereTheCallbackSaysSo) {
  auto reader = Open().value();
  const OnCpu here(AnyCpu());
  Send(5);
  EXPECT_EQ(*reader.Consume(Collect(), 2), 2U);
  EXPECT_EQ(*reader.Consume([](std::uint32_t, std::span<const std::byte>) { return false; }), 1U);
  EXPECT_EQ(*reader.ConsumeCpu(AnyCpu(), Collect(), 1), 1U);
  EXPECT_EQ(*reader.Consume(Collect(), 0), 0U);
  EXPECT_EQ(*reader.Consume(Collect()), 1U);
  EXPECT_THAT(Numbers(), ElementsAre(0, 1, 3, 4));
  EXPECT_EQ(reader.ConsumeCpu(4000, Collect()).error().code(), ErrorCode::kNotFound);
}

TEST_F(PerfReading, WhatFoundNoRoomIsCountedAndTold) {
  std::uint64_t told = 0;
  const OnCpu here(AnyCpu());
  auto reader = Open({.size_bytes = 1,
                      .on_lost =
                          [&](std::uint32_t cpu, std::uint64_t count) {
                            EXPECT_EQ(cpu, AnyCpu());
                            told += count;
                          }})
                    .value();
  Send(500);
  EXPECT_GT(Counter("refused"), 0U);
  ASSERT_TRUE(reader.Consume(Collect()));
  Send(1, 8, 500);  // before this one the kernel tells of the losses
  ASSERT_TRUE(reader.Consume(Collect()));
  EXPECT_EQ(got_.size(), Counter("sent"));
  EXPECT_EQ(told, Counter("refused"));
  EXPECT_EQ(reader.lost(), told);
  EXPECT_EQ(reader.lost(AnyCpu()), told);
  EXPECT_EQ(reader.lost(4000), 0U);
  EXPECT_EQ(got_.back().number, 500U);
}

TEST_F(PerfReading, LargeSamplesThatWrapAreInOnePiece) {
  constexpr std::size_t kSize = 24 * 1024;
  auto reader = Open({.size_bytes = 64 * 1024}).value();
  const auto bytes = *objects_->FindVariable("sample");
  for (std::size_t i = 8; i < bytes.bytes().size(); ++i) bytes.bytes()[i] = static_cast<std::byte>(i * 7 / 5);
  for (std::uint64_t round = 0; round < 20; ++round) {
    Send(1, kSize, static_cast<long>(round));
    const auto consumed = reader.Consume([&](std::uint32_t cpu, std::span<const std::byte> sample) {
      EXPECT_GE(sample.size(), kSize);
      EXPECT_TRUE(std::equal(bytes.bytes().begin(), bytes.bytes().begin() + kSize, sample.begin())) << round;
      return Collect()(cpu, sample);
    });
    ASSERT_EQ(*consumed, 1U) << round;
  }
  EXPECT_EQ(got_.back().number, 19U);
}

TEST_F(PerfReading, DescriptorsTellAfterSoManySamples) {
  const OnCpu here(AnyCpu());
  auto reader = Open({.wakeup_samples = 3}).value();
  const int own = reader.PollDescriptor(AnyCpu()).value();
  Send(2);
  EXPECT_FALSE(IsReadable(own));
  EXPECT_FALSE(IsReadable(reader.poll_descriptor()));
  Send(1);
  EXPECT_TRUE(IsReadable(own));
  EXPECT_EQ(*reader.Consume(Collect()), 3U);
  EXPECT_FALSE(IsReadable(own));
  Send(3);
  EXPECT_TRUE(IsReadable(reader.poll_descriptor()));
  EXPECT_EQ(reader.PollDescriptor(4000).error().code(), ErrorCode::kNotFound);
}

TEST_F(PerfReading, DescriptorsTellAfterSoManyBytes) {
  const OnCpu here(AnyCpu());
  auto reader = Open({.watermark_bytes = 2000}).value();
  Send(1, 900);
  EXPECT_FALSE(IsReadable(reader.poll_descriptor()));
  Send(2, 900);
  EXPECT_TRUE(IsReadable(reader.poll_descriptor()));
  EXPECT_EQ(*reader.Consume(Collect()), 3U);
}

TEST_F(PerfReading, PollWakesForASampleOfAnotherThread) {
  auto reader = Open().value();
  std::thread sender([] { Send(1, 8, 7); });
  EXPECT_EQ(*reader.Poll(Deadline::Never(), Collect()), 1U);
  sender.join();
  EXPECT_THAT(Numbers(), ElementsAre(7));
}

TEST_F(PerfReading, WaitsEndAtTheDeadlineAndByWake) {
  auto reader = Open().value();
  EXPECT_EQ(*reader.Poll(milliseconds(1), Collect()), 0U);
  reader.Wake();
  EXPECT_EQ(*reader.Poll(Deadline::Never(), Collect()), 0U);
}

TEST_F(PerfReading, OverwritableBuffersKeepTheNewest) {
  const OnCpu here(AnyCpu());
  auto reader = Open({.size_bytes = 4096, .overwritable = true}).value();
  Send(1000);
  EXPECT_EQ(Counter("refused"), 0U);
  const std::uint64_t count = *reader.Consume(Collect());
  EXPECT_GT(count, 100U);
  EXPECT_LT(count, 200U);  // 24 bytes a record
  std::vector<std::uint64_t> expected;
  for (std::uint64_t number = 1000 - count; number < 1000; ++number) expected.push_back(number);
  EXPECT_EQ(Numbers(), expected);
}

TEST_F(PerfReading, OverwritableBuffersHandOverEachSampleOnce) {
  const OnCpu here(AnyCpu());
  auto reader = Open({.size_bytes = 4096, .overwritable = true}).value();
  EXPECT_EQ(*reader.Consume(Collect()), 0U);
  Send(3);
  EXPECT_EQ(*reader.Consume(Collect()), 3U);
  EXPECT_EQ(*reader.Consume(Collect()), 0U);
  Send(2, 100, 3);
  EXPECT_EQ(*reader.Consume(Collect()), 2U);
  Send(1000, 700, 5);
  ASSERT_TRUE(reader.Consume(Collect()));
  Send(2, 8, 1005);
  ASSERT_TRUE(reader.Consume(Collect()));
  EXPECT_TRUE(std::is_sorted(got_.begin(), got_.end(), [](auto a, auto b) { return a.number < b.number; }));
  EXPECT_EQ(got_.back().number, 1006U);
  EXPECT_EQ(got_[got_.size() - 3].number, 1004U);
}

TEST_F(PerfReading, APausedBufferTakesNothing) {
  const OnCpu here(AnyCpu());
  auto reader = Open().value();
  ASSERT_TRUE(reader.Pause(AnyCpu()));
  Send(3);
  EXPECT_EQ(Counter("refused"), 3U);
  EXPECT_EQ(*reader.Consume(Collect()), 0U);
  ASSERT_TRUE(reader.Resume(AnyCpu()));
  Send(1, 8, 3);
  EXPECT_EQ(*reader.Consume(Collect()), 1U);
  EXPECT_THAT(Numbers(), ElementsAre(3));
  EXPECT_EQ(reader.lost(), 3U);
  ASSERT_TRUE(reader.PauseAll());
  Send(1);
  ASSERT_TRUE(reader.ResumeAll());
  EXPECT_EQ(*reader.Consume(Collect()), 0U);
  EXPECT_EQ(reader.Pause(4000).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(reader.Resume(4000).error().code(), ErrorCode::kNotFound);
}

TEST_F(PerfReading, APausedOverwritableBufferStaysPausedWhileRead) {
  const OnCpu here(AnyCpu());
  auto reader = Open({.overwritable = true}).value();
  Send(2);
  ASSERT_TRUE(reader.PauseAll());
  EXPECT_EQ(*reader.Consume(Collect()), 2U);
  Send(1);
  EXPECT_EQ(Counter("refused"), 1U);
}

TEST_F(PerfReading, AReaderThatIsGoneLeavesTheMapEmpty) {
  Open().value();
  Send(2);
  EXPECT_EQ(Counter("refused"), 2U);
  auto second = Open().value();
  Send(1);
  EXPECT_EQ(*second.Consume(Collect()), 1U);
}

TEST_F(PerfReading, TheMapOutlivesItsCollection) {
  auto reader = Open().value();
  Send(1);
  probe_.reset();
  objects_.reset();
  EXPECT_EQ(*reader.Consume(Collect()), 1U);
}

TEST_F(PerfReading, ManyCpusArePolledTogetherWithRings) {
  auto reader = Open().value();
  auto poller = EventPoller::Make().value();
  ASSERT_TRUE(poller.Add(reader, Collect()));
  EXPECT_EQ(*poller.Consume(), 0U);
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::thread sender([round] { Send(1, 8, static_cast<long>(round)); });
    EXPECT_EQ(*poller.Poll(Deadline::Never()), 1U);
    sender.join();
    EXPECT_EQ(got_.back().number, round);
  }
}

TEST_F(PerfReading, WhatCannotBeReadIsSaid) {
  EXPECT_EQ(Open({.cpus = {4000}}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(Open({.cpus = {4000}}).error().message(), HasSubstr("map samples: perf buffer of CPU 4000"));
  const Map& bss = **objects_->FindMap(".bss");
  EXPECT_EQ(PerfReader::Open(bss).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(PerfReader::Open(bss, {.cpus = {0}}).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace strata
