// Records from user space to programs.
#include "strata/object/user_ring_writer.h"

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "event_targets.h"
#include "kernel_fixture.h"

namespace strata {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class UserRing : public testing::KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto objects = Load(STRATA_BPF_USER_RING);
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    const auto self = OpenExecutable("/proc/self/exe").value();
    probe_.emplace(
        self.AttachUprobe("strata_test_drain", **objects_->FindProgram("drain"), {.pid = ::getpid()}).value());
    writer_.emplace(UserRingWriter::Open(**objects_->FindMap("requests")).value());
  }

  static std::span<const std::byte> BytesOf(const std::uint64_t& number) {
    return std::as_bytes(std::span(&number, 1));
  }
  static void Set(const UserRingRecord& record, std::uint64_t number) {
    std::memcpy(record.bytes().data(), &number, sizeof(number));
  }
  std::uint64_t Counter(const char* name) { return *objects_->FindVariable(name)->Get<std::uint64_t>(); }
  // Until there is no room for another record of that size.
  std::uint64_t Fill(std::uint32_t size) {
    std::uint64_t count = 0;
    while (auto record = writer_->Reserve(size)) {
      Set(*record, count++);
      std::move(*record).Submit();
    }
    return count;
  }

  std::optional<Collection> objects_;
  std::optional<Uprobe> probe_;
  std::optional<UserRingWriter> writer_;
};

TEST_F(UserRing, ProgramsReadWhatIsWritten) {
  for (const std::uint64_t number : {3U, 5U, 9U}) ASSERT_TRUE(writer_->Write(BytesOf(number)));
  EXPECT_EQ(writer_->unread_bytes(), 48U);
  EXPECT_EQ(Counter("count"), 0U);
  strata_test_drain();
  EXPECT_EQ(Counter("count"), 3U);
  EXPECT_EQ(Counter("sum"), 17U);
  EXPECT_EQ(Counter("last"), 9U);
  EXPECT_EQ(writer_->unread_bytes(), 0U);
}

TEST_F(UserRing, WhatIsDiscardedOrLeftIsNotSeen) {
  auto discarded = writer_->Reserve(8).value();
  Set(discarded, 100);
  std::move(discarded).Discard();
  { Set(writer_->Reserve(8).value(), 200); }
  ASSERT_TRUE(writer_->Write(BytesOf(3)));
  strata_test_drain();
  EXPECT_EQ(Counter("count"), 1U);
  EXPECT_EQ(Counter("sum"), 3U);
}

TEST_F(UserRing, AHeldRecordHoldsBackThoseBehindIt) {
  auto first = writer_->Reserve(8).value();
  auto second = writer_->Reserve(8).value();
  Set(second, 2);
  std::move(second).Submit();
  strata_test_drain();
  EXPECT_EQ(Counter("count"), 0U);
  Set(first, 1);
  std::move(first).Submit();
  strata_test_drain();
  EXPECT_EQ(Counter("count"), 2U);
  EXPECT_EQ(Counter("out_of_order"), 0U);
}

TEST_F(UserRing, AFullRingHasNoSpaceUntilAProgramReads) {
  EXPECT_EQ(Fill(24), 4096U / 32);
  const auto refused = writer_->Reserve(24);
  EXPECT_EQ(refused.error().code(), ErrorCode::kNoSpace);
  EXPECT_THAT(refused.error().message(), HasSubstr("map requests: no room for 24 bytes"));
  EXPECT_EQ(writer_->Write(BytesOf(1)).error().code(), ErrorCode::kNoSpace);
  strata_test_drain();
  EXPECT_EQ(Counter("count"), 128U);
  for (int round = 0; round < 100; ++round) {  // around the ring's end
    Fill(40);
    strata_test_drain();
    EXPECT_EQ(writer_->unread_bytes(), 0U);
  }
}

TEST_F(UserRing, WhatNeverFitsIsInvalid) {
  EXPECT_EQ(writer_->size_bytes(), 4096U);
  EXPECT_TRUE(writer_->Reserve(4088));
  for (const std::uint32_t size : {4089U, 1U << 30, 0xffffffffU}) {
    EXPECT_EQ(writer_->Reserve(size).error().code(), ErrorCode::kInvalidArgument) << size;
    EXPECT_EQ(writer_->WaitAndReserve(size, Deadline::Never()).error().code(), ErrorCode::kInvalidArgument) << size;
  }
}

TEST_F(UserRing, WaitsUntilAProgramHasMadeRoom) {
  for (int round = 0; round < 20; ++round) {
    Fill(24);
    std::thread drainer([] { strata_test_drain(); });
    auto record = writer_->WaitAndReserve(2000, Deadline::Never());
    ASSERT_TRUE(record) << record.error().message();
    drainer.join();
    std::move(*record).Discard();
    strata_test_drain();
  }
}

TEST_F(UserRing, WaitsEndAtTheDeadlineAndByWake) {
  Fill(24);
  EXPECT_EQ(writer_->WaitAndReserve(24, milliseconds(1)).error().code(), ErrorCode::kBusy);
  writer_->Wake();
  EXPECT_EQ(writer_->WaitAndReserve(24, Deadline::Never()).error().code(), ErrorCode::kBusy);
}

TEST_F(UserRing, ManyThreadsWriteWithoutLoss) {
  constexpr std::uint64_t kEach = 2000;
  std::atomic<int> running{4};
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        auto record = writer_->WaitAndReserve(8, Deadline::Never()).value();
        Set(record, thread * kEach + i);
        std::move(record).Submit();
      }
      --running;
    });
  }
  while (running > 0) strata_test_drain();
  for (std::thread& thread : threads) thread.join();
  strata_test_drain();
  EXPECT_EQ(Counter("count"), 4 * kEach);
  EXPECT_EQ(Counter("sum"), 4 * kEach * (4 * kEach - 1) / 2);
}

TEST_F(UserRing, OtherMapsAreRefused) {
  EXPECT_EQ(UserRingWriter::Open(**objects_->FindMap(".bss")).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace strata
