#include "strata/backend/userspace/runtime/ring_buffer.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

class RingBufferTest : public RuntimeTest {
 protected:
  static constexpr std::uint32_t kSize = 4096;
  MapView& MakeRing(std::uint32_t size = kSize) { return MakeMap(MapType::kRingBuf, 0, 0, size); }

  // One committed record, as libbpf's consumer reads it; false when there is none or it is busy. Discarded ones are
  // skipped.
  static bool Consume(MapView& ring, std::string* out) {
    while (HasData(ring)) {
      std::uint64_t position = *ConsumerPosition(ring);
      const std::byte* at = RingData(ring) + (position & (ring.max_entries - 1));
      const std::uint32_t word = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(at), __ATOMIC_ACQUIRE);
      if ((word & kRecordBusy) != 0) return false;
      const std::uint32_t length = word & ~kRecordDiscarded;
      if ((word & kRecordDiscarded) == 0) out->assign(reinterpret_cast<const char*>(at) + 8, length);
      position += (length + 8 + 7) / 8 * 8;
      __atomic_store_n(ConsumerPosition(ring), position, __ATOMIC_RELEASE);
      if ((word & kRecordDiscarded) == 0) return true;
    }
    return false;
  }
  static long Output(MapView& ring, const std::string& text, std::uint64_t flags = 0) {
    return OutputRecord(ring, text.data(), text.size(), flags);
  }
  static std::uint64_t Dropped(MapView& ring) { return ring.header->dropped; }
};

TEST_F(RingBufferTest, GivesRecordsBackInOrder) {
  MapView& ring = MakeRing();
  EXPECT_EQ(Output(ring, "one"), 0);
  EXPECT_EQ(Output(ring, ""), 0);
  EXPECT_EQ(Output(ring, "three"), 0);
  std::string record = "?";
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "one");
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "");
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "three");
  EXPECT_FALSE(Consume(ring, &record));
}

TEST_F(RingBufferTest, EveryWrapIsRight) {
  // All record sizes, so that headers and payloads fall on every place of the ring, the last eight bytes included.
  MapView& ring = MakeRing();
  std::string record;
  for (std::uint32_t size = 0; size <= 600; ++size) {
    for (int i = 0; i < 20; ++i) {
      const std::string text(size, static_cast<char>('a' + (size + static_cast<std::uint32_t>(i)) % 26));
      ASSERT_EQ(Output(ring, text), 0);
      ASSERT_TRUE(Consume(ring, &record));
      ASSERT_EQ(record, text);
    }
  }
}

TEST_F(RingBufferTest, AHeaderInTheLastEightBytesWorks) {
  MapView& ring = MakeRing();
  std::string record;
  ASSERT_EQ(Output(ring, std::string(kSize - 16, 'x')), 0);  // ends 8 bytes before the ring does
  ASSERT_TRUE(Consume(ring, &record));
  ASSERT_EQ(*ProducerPosition(ring) % kSize, kSize - 8);
  ASSERT_EQ(Output(ring, "wrapped"), 0);
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "wrapped");
  EXPECT_EQ(std::memcmp(RingData(ring), "wrapped", 7), 0);
}

TEST_F(RingBufferTest, IsFullOneWordEarlyAsInTheKernel) {
  MapView& ring = MakeRing();
  EXPECT_EQ(ReserveRecord(ring, kSize - 8), nullptr);  // would make both positions equal again
  EXPECT_EQ(Dropped(ring), 1U);
  EXPECT_NE(ReserveRecord(ring, kSize - 16), nullptr);
  EXPECT_EQ(ReserveRecord(ring, 0), nullptr);
  EXPECT_EQ(Dropped(ring), 2U);
}

TEST_F(RingBufferTest, RefusesRecordsLargerThanTheRing) {
  MapView& ring = MakeRing();
  EXPECT_EQ(ReserveRecord(ring, kSize), nullptr);
  EXPECT_EQ(ReserveRecord(ring, 0xffffffffffffffff), nullptr);
  EXPECT_EQ(ReserveRecord(ring, 0x40000000), nullptr);
  EXPECT_EQ(Output(ring, std::string(kSize, 'x')), -EAGAIN);
}

TEST_F(RingBufferTest, DiscardedRecordsAreSkipped) {
  MapView& ring = MakeRing();
  void* discarded = ReserveRecord(ring, 100);
  void* kept = ReserveRecord(ring, 4);
  std::memcpy(kept, "kept", 4);
  EndRecord(ring, kept, RecordEnd::kSubmit, 0);
  std::string record;
  EXPECT_FALSE(Consume(ring, &record)) << "the first one is still busy";
  EndRecord(ring, discarded, RecordEnd::kDiscard, 0);
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "kept");
}

TEST_F(RingBufferTest, UnknownFlagsAreRefused) {
  MapView& ring = MakeRing();
  EXPECT_EQ(Output(ring, "x", 4), -EINVAL);
  EXPECT_EQ(Output(ring, "x", kRingNoWakeup), 0);
  EXPECT_EQ(Output(ring, "x", kRingForceWakeup), 0);
}

TEST_F(RingBufferTest, QueryTellsPositionsAndSize) {
  MapView& ring = MakeRing();
  std::string record;
  ASSERT_EQ(Output(ring, "12345678"), 0);
  ASSERT_EQ(Output(ring, "12345678"), 0);
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(QueryRing(ring, 0), 16U);
  EXPECT_EQ(QueryRing(ring, 1), kSize);
  EXPECT_EQ(QueryRing(ring, 2), 16U);
  EXPECT_EQ(QueryRing(ring, 3), 32U);
  EXPECT_EQ(QueryRing(ring, 4), 0U);
}

TEST_F(RingBufferTest, WakesOnlyAConsumerThatWaits) {
  MapView& ring = MakeRing();
  const std::uint32_t before = ring.header->wake_word;
  ASSERT_EQ(Output(ring, "x"), 0);
  EXPECT_EQ(ring.header->wake_word, before);
  EXPECT_EQ(AnnounceWait(ring).seen, before);
  ASSERT_EQ(Output(ring, "x", kRingNoWakeup), 0);
  EXPECT_EQ(ring.header->wake_word, before);
  ASSERT_EQ(Output(ring, "x"), 0);
  EXPECT_EQ(ring.header->wake_word, before + 1);
  ASSERT_EQ(Output(ring, "x"), 0);
  EXPECT_EQ(ring.header->wake_word, before + 1) << "once per wait";
}

TEST_F(RingBufferTest, FourProducersLoseNothingThatIsNotCounted) {
  MapView& ring = MakeRing();
  constexpr std::uint32_t kRecords = 20000;
  std::atomic<int> running{4};
  std::vector<std::thread> producers;
  for (std::uint32_t producer = 0; producer < 4; ++producer) {
    producers.emplace_back([&, producer] {
      for (std::uint32_t i = 0; i < kRecords; ++i) {
        const std::uint32_t message[3] = {producer, i, producer ^ i};
        OutputRecord(ring, message, sizeof(message), 0);
      }
      --running;
    });
  }
  std::map<std::uint32_t, std::int64_t> last;
  std::uint64_t received = 0;
  std::string record;
  for (bool go_on = true; go_on;) {
    go_on = running.load() > 0;
    while (Consume(ring, &record)) {
      std::uint32_t message[3];
      ASSERT_EQ(record.size(), sizeof(message));
      std::memcpy(message, record.data(), sizeof(message));
      ASSERT_EQ(message[2], message[0] ^ message[1]);
      auto [place, is_first] = last.try_emplace(message[0], -1);
      ASSERT_GT(std::int64_t{message[1]}, place->second) << "out of order";
      place->second = message[1];
      ++received;
    }
  }
  for (std::thread& producer : producers) producer.join();
  while (Consume(ring, &record)) ++received;
  EXPECT_EQ(received + Dropped(ring), 4U * kRecords);
}

TEST_F(RingBufferTest, ARecordOfADeadProducerIsDiscarded) {
  MapView& ring = MakeRing();
  RunAndKill([&](const std::function<void()>& die) {
    ReserveRecord(ring, 100);
    die();
  });
  ASSERT_EQ(Output(ring, "after"), 0);
  std::string record;
  EXPECT_FALSE(Consume(ring, &record));
  EXPECT_FALSE(IsNextRecordBusy(ring));
  ASSERT_TRUE(Consume(ring, &record));
  EXPECT_EQ(record, "after");
}

TEST_F(RingBufferTest, ARecordOfALivingProducerStaysBusy) {
  MapView& ring = MakeRing();
  void* payload = ReserveRecord(ring, 8);
  EXPECT_TRUE(IsNextRecordBusy(ring));
  EndRecord(ring, payload, RecordEnd::kSubmit, 0);
  EXPECT_FALSE(IsNextRecordBusy(ring));
}

TEST_F(RingBufferTest, AProducerKilledAtAnyMomentBlocksNobody) {
  MapView& ring = MakeRing();
  std::string record;
  for (int round = 0; round < 40; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (;;) {
        OutputRecord(ring, "abcdefgh", 8, 0);
        __atomic_store_n(ConsumerPosition(ring), *ProducerPosition(ring), __ATOMIC_RELEASE);
      }
    }
    ::usleep(static_cast<unsigned>(200 + round * 31));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    __atomic_store_n(ConsumerPosition(ring), *ProducerPosition(ring), __ATOMIC_RELEASE);
    ASSERT_EQ(Output(ring, "next"), 0) << "round " << round;
    ASSERT_FALSE(IsNextRecordBusy(ring));
    ASSERT_TRUE(Consume(ring, &record));
    ASSERT_EQ(record, "next");
  }
}

TEST_F(RingBufferTest, APayloadOfARunIsFoundByItsAddressAlone) {
  MapView& first = MakeRing();
  MapView& second = MakeRing();
  RunContext run;
  void* in_first = ReserveInRun(run, first, 8);
  void* in_second = ReserveInRun(run, second, 8);
  int elsewhere = 0;
  EXPECT_FALSE(EndInRun(run, &elsewhere, RecordEnd::kSubmit, 0));
  EXPECT_TRUE(EndInRun(run, in_second, RecordEnd::kSubmit, 0));
  EXPECT_FALSE(IsNextRecordBusy(second));
  EXPECT_TRUE(IsNextRecordBusy(first));
  EXPECT_TRUE(EndInRun(run, in_first, RecordEnd::kSubmit, 0));
  EXPECT_FALSE(EndInRun(run, in_first, RecordEnd::kSubmit, 0)) << "ended already";
}

}  // namespace
}  // namespace strata::runtime
