// What a ring reader makes of each thing that may stand in the memory.
#include "strata/object/ring_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "fake_ring.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class RingReaderTest : public ::testing::Test {
 protected:
  RingReader Open() {
    MapSpec spec;
    spec.name = "events";
    return RingReader::Open(Map(nullptr, std::make_shared<FakeRingMap>(ring_), spec)).value();
  }
  std::vector<std::string> Read(RingReader& reader) {
    std::vector<std::string> records;
    const auto consumed = reader.Consume([&](std::span<const std::byte> record) {
      records.push_back(Text(record));
      return true;
    });
    EXPECT_TRUE(consumed) << consumed.error().message();
    return records;
  }
  Error ErrorOf(RingReader& reader) {
    auto consumed = reader.Consume([](std::span<const std::byte>) { return true; });
    return consumed ? Error(ErrorCode::kInvalidArgument, "it was read") : std::move(consumed).error();
  }

  FakeRing ring_;
};

TEST_F(RingReaderTest, EmptyAndOddLengthsAreRecords) {
  RingReader reader = Open();
  for (const char* text : {"", "1", "seven..", "eight..."}) ring_.Put(text);
  EXPECT_THAT(Read(reader), ElementsAre("", "1", "seven..", "eight..."));
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

TEST_F(RingReaderTest, ABusyRecordHoldsBackThoseBehindIt) {
  RingReader reader = Open();
  ring_.Put("first");
  const std::uint64_t busy = ring_.Put("second", FakeRing::kBusy);
  ring_.Put("third");
  EXPECT_THAT(Read(reader), ElementsAre("first"));
  EXPECT_FALSE(*reader.Take());
  ring_.SetWord(busy, 6);
  EXPECT_THAT(Read(reader), ElementsAre("second", "third"));
}

TEST_F(RingReaderTest, DiscardedRecordsAreLeftBehind) {
  RingReader reader = Open();
  ring_.Put("first", FakeRing::kDiscarded);
  EXPECT_THAT(Read(reader), ElementsAre());
  EXPECT_EQ(ring_.consumer, ring_.producer);
  ring_.Put("second", FakeRing::kDiscarded);
  ring_.Put("third");
  EXPECT_EQ(Text(reader.Take().value()->bytes()), "third");
  EXPECT_EQ(reader.discarded(), 2U);
}

TEST_F(RingReaderTest, ARecordThatWrapsIsInOnePiece) {
  ring_.consumer = ring_.producer = 3 * FakeRing::kSize - 16;
  RingReader reader = Open();
  const std::string text(100, 'x');
  ring_.Put("first...");
  ring_.producer -= 16;  // as if it had not been: the next one starts 16 bytes before the end
  ring_.Put(text);
  EXPECT_THAT(Read(reader), ElementsAre(text));
}

TEST_F(RingReaderTest, PositionsMayWrapToo) {
  ring_.consumer = ring_.producer = 0 - FakeRing::kSize;
  RingReader reader = Open();
  for (int i = 0; i < 100; ++i) {
    ring_.Put(std::string(1000, 'x'));
    ASSERT_EQ(Read(reader).size(), 1U);
  }
}

TEST_F(RingReaderTest, LengthsThatReachPastTheProducerAreMalformed) {
  for (const std::uint32_t length : {9U, 4081U, 0x3fffffffU}) {
    RingReader reader = Open();
    const std::uint64_t position = ring_.Put("12345678");
    ring_.Put("behind");
    ring_.producer -= 16;
    ring_.SetWord(position, length);
    EXPECT_THAT(ErrorOf(reader).message(), HasSubstr(std::to_string(length) + " bytes reaches past the producer"));
    EXPECT_EQ(reader.Take().error().code(), ErrorCode::kMalformed);
    EXPECT_EQ(ring_.consumer, position);
    EXPECT_EQ(*reader.SkipAll(), 16U);
    ring_.Put("good");
    EXPECT_THAT(Read(reader), ElementsAre("good"));
  }
}

TEST_F(RingReaderTest, ALengthThatGrowsAfterwardsChangesNothing) {
  RingReader reader = Open();
  const std::uint64_t position = ring_.Put("12345678");
  const auto kept = reader.Take().value();
  ring_.SetWord(position, 0x3fffffff);
  EXPECT_EQ(kept->bytes().size(), 8U);
  ring_.Put("next");
  EXPECT_THAT(Read(reader), ElementsAre("next"));
}

TEST_F(RingReaderTest, ProducersThatCannotBeAreMalformed) {
  RingReader reader = Open();
  ring_.Put("first");
  ASSERT_EQ(Read(reader).size(), 1U);
  const std::uint64_t good = ring_.producer;
  for (const std::uint64_t bad : {good - 8, good + 4, good + FakeRing::kSize + 8, std::uint64_t{1} << 63}) {
    ring_.producer = bad;
    EXPECT_EQ(ErrorOf(reader).code(), ErrorCode::kMalformed) << bad;
    EXPECT_THAT(ErrorOf(reader).message(), HasSubstr("the producer cannot be at " + std::to_string(bad)));
  }
  ring_.producer = good;
  ring_.Put("second");
  EXPECT_THAT(Read(reader), ElementsAre("second"));
}

TEST_F(RingReaderTest, TheConsumersWordIsOnlyWritten) {
  RingReader reader = Open();
  ring_.Put("first");
  ring_.consumer = 12345;  // by somebody who shares the memory
  EXPECT_THAT(Read(reader), ElementsAre("first"));
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

TEST_F(RingReaderTest, APositionThatIsNoRecordsStartIsMalformed) {
  ring_.consumer = 4;
  RingReader reader = Open();
  ring_.producer = 16;
  EXPECT_EQ(ErrorOf(reader).code(), ErrorCode::kMalformed);
  EXPECT_EQ(*reader.SkipAll(), 12U);
  ring_.Put("good");
  EXPECT_THAT(Read(reader), ElementsAre("good"));
}

TEST_F(RingReaderTest, RoomIsGivenBackInOrderWhateverTheOrderOfRelease) {
  std::array<std::size_t, 3> order{0, 1, 2};
  do {
    RingReader reader = Open();
    const std::uint64_t start = ring_.producer;
    std::array<std::optional<RingRecord>, 3> kept;
    for (auto& record : kept) {
      ring_.Put("12345678");
      record.emplace(*reader.Take().value());
    }
    std::array<bool, 3> released{};
    for (const std::size_t which : order) {
      kept[which].reset();
      released[which] = true;
      const std::uint64_t prefix = !released[0] ? 0 : !released[1] ? 1 : !released[2] ? 2 : 3;
      EXPECT_EQ(ring_.consumer, start + 16 * prefix);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(RingReaderTest, WhatIsConsumedBehindAKeptRecordWaitsForIt) {
  RingReader reader = Open();
  ring_.Put("kept");
  ring_.Put("read");
  ring_.Put("gone", FakeRing::kDiscarded);
  ring_.Put("kept too");
  auto first = reader.Take().value();
  EXPECT_EQ(*reader.Consume([](std::span<const std::byte>) { return true; }, 1), 1U);
  auto last = reader.Take().value();
  EXPECT_EQ(ring_.consumer, 0U);
  first.reset();
  EXPECT_EQ(ring_.consumer, 48U);
  last.reset();
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

TEST_F(RingReaderTest, MovingARecordOverAnotherReleasesThat) {
  RingReader reader = Open();
  ring_.Put("first");
  ring_.Put("second");
  auto record = *reader.Take().value();
  record = *reader.Take().value();
  EXPECT_EQ(ring_.consumer, 16U);
  EXPECT_EQ(Text(record.bytes()), "second");
}

}  // namespace
}  // namespace strata
