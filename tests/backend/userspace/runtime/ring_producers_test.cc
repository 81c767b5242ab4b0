// Producers of a ring buffer: laps, preempted, stopped and dead ones.
#include <atomic>
#include <deque>
#include <random>
#include <string>
#include <thread>

#include "killed_at.h"
#include "session_fixture.h"
#include "strata/backend/userspace/runtime/owner_lock.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

namespace strata::runtime {
namespace {

class RingProducersTest : public RuntimeTest {
 protected:
  static constexpr std::uint32_t kSize = 4096;
  MapView& MakeRing(std::uint32_t size = kSize) { return MakeMap(MapType::kRingBuf, 0, 0, size); }

  // The next committed record, as libbpf's consumer reads it; false when there is none or it is busy.
  static bool Consume(MapView& ring, std::string* out) {
    while (HasData(ring)) {
      const std::uint64_t position = *ConsumerPosition(ring);
      const std::byte* at = RingData(ring) + (position & (ring.max_entries - 1));
      const std::uint32_t word = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(at), __ATOMIC_ACQUIRE);
      if ((word & kRecordBusy) != 0) return false;
      const std::uint32_t length = word & ~kRecordDiscarded;
      out->assign(reinterpret_cast<const char*>(at) + kRecordHeaderSize, length);
      __atomic_store_n(ConsumerPosition(ring), position + (length + 8 + 7) / 8 * 8, __ATOMIC_RELEASE);
      if ((word & kRecordDiscarded) == 0) return true;
    }
    return false;
  }
  static long Output(MapView& ring, const std::string& text) { return OutputRecord(ring, text.data(), text.size(), 0); }
  OwnerWord* LockOf(MapView& ring) { return &ProducersOf(ring)->lock; }
};

TEST_F(RingProducersTest, RecordsOfAllSizesSurviveManyLaps) {
  // 29,127 records of 144 bytes are where a header falls on the last eight bytes of a ring of 4 MiB for the first time.
  MapView& ring = MakeRing();
  std::mt19937 random(29'127);
  std::deque<std::string> sent;
  std::string record;
  int at_the_end = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint32_t most = i % 64 == 0 ? kSize - 16 : 120;
    const std::string text(random() % (most + 1), static_cast<char>('a' + i % 26));
    while (Output(ring, text) != 0) {
      ASSERT_FALSE(sent.empty());
      ASSERT_TRUE(Consume(ring, &record));
      ASSERT_EQ(record, sent.front()) << i;
      sent.pop_front();
    }
    sent.push_back(text);
    at_the_end += *ProducerPosition(ring) % kSize == kSize - 8 ? 1 : 0;
  }
  for (; !sent.empty(); sent.pop_front()) {
    ASSERT_TRUE(Consume(ring, &record));
    ASSERT_EQ(record, sent.front());
  }
  EXPECT_GT(at_the_end, 50);
}

TEST_F(RingProducersTest, APreemptedHolderMakesNobodyLoseARecord) {
  MapView& ring = MakeRing();
  std::atomic<bool> is_held{false};
  std::thread holder([&] {
    EXPECT_EQ(Take(process(), LockOf(ring), CurrentOwner(process())), Taken::kFree);
    is_held.store(true);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    Drop(LockOf(ring));
  });
  while (!is_held.load()) std::this_thread::yield();
  EXPECT_EQ(Output(ring, "waited"), 0);
  EXPECT_EQ(ring.header->dropped, 0U);
  holder.join();
}

TEST_F(RingProducersTest, AStoppedHolderIsWaitedForOnceAndThenNoMore) {
  MapView& ring = MakeRing();
  std::atomic<int> step{0};
  std::thread holder([&] {
    EXPECT_EQ(Take(process(), LockOf(ring), CurrentOwner(process())), Taken::kFree);
    step.store(1);
    while (step.load() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    Drop(LockOf(ring));
    step.store(3);
  });
  while (step.load() == 0) std::this_thread::yield();
  for (std::uint64_t dropped = 1; dropped <= 1000; ++dropped) {
    ASSERT_EQ(Output(ring, "lost"), -EAGAIN);
    ASSERT_EQ(ring.header->dropped, dropped);
  }
  step.store(2);
  while (step.load() == 2) std::this_thread::yield();
  EXPECT_EQ(Output(ring, "after"), 0);
  EXPECT_EQ(ProducersOf(ring)->stopped_holder, 0U) << "the next one is waited for again";
  holder.join();
}

TEST_F(RingProducersTest, ReentryOnTheSameThreadIsRefusedAtOnce) {
  MapView& ring = MakeRing();
  ASSERT_EQ(Take(process(), LockOf(ring), CurrentOwner(process())), Taken::kFree);
  EXPECT_EQ(Output(ring, "from a signal handler"), -EAGAIN);
  EXPECT_EQ(ProducersOf(ring)->stopped_holder, 0U);
  Drop(LockOf(ring));
  EXPECT_EQ(Output(ring, "after"), 0);
}

TEST_F(RingProducersTest, AnOutputKilledAnywhereIsReadAsAWholeOrDiscarded) {
  MapView& ring = MakeRing();
  const std::string text(40, 'k');
  const int killed = KilledAtEachInstruction(
      [&] { __atomic_store_n(ConsumerPosition(ring), *ProducerPosition(ring), __ATOMIC_RELEASE); },
      [&] { Output(ring, text); },
      [&](int step) {
        SCOPED_TRACE(step);
        ASSERT_EQ(Output(ring, "next"), 0);
        ASSERT_FALSE(IsNextRecordBusy(ring));
        std::string record;
        ASSERT_TRUE(Consume(ring, &record));
        if (record == text) {
          ASSERT_TRUE(Consume(ring, &record));
        }
        ASSERT_EQ(record, "next");
      });
  EXPECT_GT(killed, 50);
}

TEST_F(RingProducersTest, ACutRunLosesItsOwnRecordsOnly) {
  MapView& ring = MakeRing();
  void* others = nullptr;
  std::thread([&] { others = ReserveRecord(ring, 24); }).join();
  ASSERT_EQ(Output(ring, "before"), 0);
  RunContext outer;
  void* interrupted = ReserveInRun(outer, ring, 16);
  RunContext run;
  ASSERT_NE(ReserveInRun(run, ring, 100), nullptr);
  ASSERT_NE(ReserveInRun(run, ring, 0), nullptr);
  ASSERT_EQ(Output(ring, "after"), 0);
  DiscardOpenRecords(run);
  EXPECT_EQ(run.open_record_count, 0U);
  ASSERT_TRUE(EndInRun(outer, interrupted, RecordEnd::kSubmit, 0));
  EndRecord(ring, others, RecordEnd::kSubmit, 0);
  std::string record;
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record.size(), 24U);
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "before");
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record.size(), 16U) << "of the run that was interrupted by the cut one";
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "after");
}

TEST_F(RingProducersTest, PositionsThatAConsumerMadeUpDoNotKeepRecordsOpen) {
  MapView& ring = MakeRing();
  RunContext run;
  ASSERT_NE(ReserveInRun(run, ring, 100), nullptr);
  *ConsumerPosition(ring) = std::uint64_t{1} << 40;
  DiscardOpenRecords(run);
  *ConsumerPosition(ring) = 0;
  EXPECT_FALSE(IsNextRecordBusy(ring));
}

TEST_F(RingProducersTest, ARunHasABoundedNumberOfRecordsOpen) {
  MapView& ring = MakeRing();
  RunContext run;
  for (std::uint32_t i = 0; i < kMaxOpenRecords; ++i) ASSERT_NE(ReserveInRun(run, ring, 8), nullptr);
  EXPECT_EQ(ReserveInRun(run, ring, 8), nullptr);
  EXPECT_EQ(ring.header->dropped, 1U);
  ASSERT_TRUE(EndInRun(run, run.open_records[3].payload, RecordEnd::kSubmit, 0));
  EXPECT_NE(ReserveInRun(run, ring, 8), nullptr);
}

}  // namespace
}  // namespace strata::runtime
