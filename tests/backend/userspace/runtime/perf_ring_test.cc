#include "strata/backend/userspace/runtime/perf_ring.h"

#include <linux/perf_event.h>

#include <string>
#include <vector>

#include "killed_at.h"
#include "session_fixture.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kCurrentCpu = 0xffffffff;

class PerfRingTest : public RuntimeTest {
 protected:
  static constexpr std::uint32_t kSize = 4096;
  // With a buffer for slot 0, as a reader makes it.
  MapView& MakeRead(std::uint32_t size = kSize) {
    MapView& map = MakeMap(MapType::kPerfEventArray, 4, 4, 2);
    PerfSlot& slot = PerfSlotAt(map, 0);
    slot.wakeup_records = 1;
    slot.watermark = size / 2;
    slot.data_size = size;
    return map;
  }
  static long Output(MapView& map, const std::string& text) {
    return OutputSample(map, 0, kCurrentCpu, text.data(), text.size());
  }
  static perf_event_mmap_page& Control(MapView& map) {
    return *reinterpret_cast<perf_event_mmap_page*>(PerfPagesAt(map, 0));
  }
  // All there is: samples as their bytes with padding, losses as "lost <count>".
  static std::vector<std::string> Consume(MapView& map) {
    std::vector<std::string> records;
    const std::byte* data = PerfPagesAt(map, 0) + kPageSize;
    std::uint64_t tail = Control(map).data_tail;
    const auto word = [&](std::uint64_t position) {
      std::uint64_t value = 0;
      std::memcpy(&value, data + position % kSize, sizeof(value));
      return value;
    };
    while (tail != Control(map).data_head) {
      const std::uint64_t header = word(tail);
      std::string text;
      for (std::uint64_t i = 12; i < header >> 48; ++i) text += static_cast<char>(data[(tail + i) % kSize]);
      const bool is_sample = static_cast<std::uint32_t>(header) == PERF_RECORD_SAMPLE;
      records.push_back(is_sample ? text : "lost " + std::to_string(word(tail + 16)));
      tail += header >> 48;
    }
    Control(map).data_tail = tail;
    return records;
  }
};

TEST_F(PerfRingTest, AnOutputKilledAnywhereIsReadAsAWholeOrNotAtAll) {
  MapView& map = MakeRead();
  const std::string killed_text(36, 'k');
  const std::string text(28, 't');
  const int killed = KilledAtEachInstruction([&] { Consume(map); }, [&] { Output(map, killed_text); },
                                             [&](int step) {
                                               SCOPED_TRACE(step);
                                               ASSERT_EQ(Output(map, text), 0);
                                               std::vector<std::string> records = Consume(map);
                                               if (records.front() == killed_text) records.erase(records.begin());
                                               ASSERT_EQ(records, std::vector<std::string>{text});
                                             });
  EXPECT_GT(killed, 50);
}

TEST_F(PerfRingTest, LossesAreToldExactly) {
  MapView& map = MakeRead();
  const std::string text(20, 'x');
  std::uint64_t refused = 0;
  for (int i = 0; i < 1000; ++i) refused += Output(map, text) == -ENOSPC ? 1 : 0;
  Consume(map);
  ASSERT_EQ(Output(map, text), 0);
  EXPECT_EQ(Consume(map), (std::vector<std::string>{"lost " + std::to_string(refused), text}));
  ASSERT_EQ(Output(map, text), 0);
  EXPECT_EQ(Consume(map), std::vector<std::string>{text});
}

TEST_F(PerfRingTest, WakesOnlyAReaderThatWaits) {
  MapView& map = MakeRead();
  ASSERT_EQ(Output(map, "1234"), 0);
  EXPECT_EQ(PerfSlotAt(map, 0).ready, 1U);
  EXPECT_EQ(map.header->wake_word, 0U);
  map.header->waiting = 1;
  ASSERT_EQ(Output(map, "1234"), 0);
  EXPECT_EQ(map.header->wake_word, 1U);
  EXPECT_EQ(map.header->waiting, 0U);
}

TEST_F(PerfRingTest, WhatAPeerMadeUpStaysInsideOfTheWindow) {
  MapView& map = MakeRead();
  PerfSlot& slot = PerfSlotAt(map, 0);
  for (const std::uint32_t size : {1U << 27, 0xffffffffU, 4095U, 3U << 12}) {
    slot.data_size = size;
    EXPECT_EQ(Output(map, "1234"), -ENOENT) << size;
  }
  slot.data_size = kSize;
  for (const std::uint64_t head : {std::uint64_t{4095}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    slot.head = head;
    Control(map).data_tail = head - 7;
    for (const std::uint32_t overwritable : {0U, 1U, 77U}) {
      slot.overwritable = overwritable;
      const long error = Output(map, std::string(100, 'x'));
      EXPECT_TRUE(error == 0 || error == -ENOSPC);
    }
  }
  EXPECT_EQ(OutputSample(map, 0, kCurrentCpu, nullptr, 1 << 20), -E2BIG);
}

TEST_F(PerfRingTest, BuffersOfOtherSlotsAreOutOfReach) {
  MapView& map = MakeRead();
  EXPECT_EQ(OutputSample(map, 1, 0, "x", 1), -EOPNOTSUPP);
  EXPECT_EQ(OutputSample(map, 1, kCurrentCpu, "x", 1), -ENOENT);
  EXPECT_EQ(OutputSample(map, 3, kCurrentCpu, "x", 1), -E2BIG);
  EXPECT_EQ(OutputSample(map, 0, 0, "x", 1), 0);
}

}  // namespace
}  // namespace strata::runtime
