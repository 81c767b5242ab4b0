// Reading ring buffers: limits, records that are kept, waits that are ended, loops of the caller's.
#include <poll.h>
#include <sys/epoll.h>

#include <atomic>

#include "events_fixture.h"

namespace strata {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::kRecordSize;
using strata::testing::kRingSize;
using strata::testing::Repeat;
using strata::testing::UserSignal;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename T>
class RingReading : public strata::testing::EventsTest<T> {};
TYPED_TEST_SUITE(RingReading, BackendKinds, BackendNames);

TYPED_TEST(RingReading, ConsumesNoMoreThanTheLimit) {
  this->SendEvens(5);
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers), 2), 2U);
  EXPECT_EQ(this->evens_->available_bytes(), 3 * kRecordSize);
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers), 0), 0U);
  EXPECT_EQ(*this->evens_->Poll(hours(1), this->Into(&numbers), 2), 2U);
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers), 2), 1U);
  EXPECT_THAT(numbers, ElementsAre(0, 14, 28, 42, 56));
}

TYPED_TEST(RingReading, StopsWhereTheCallbackSaysSo) {
  this->SendEvens(3);
  const auto only_one = [](std::span<const std::byte>) { return false; };
  EXPECT_EQ(*this->evens_->Consume(only_one), 1U);
  EXPECT_EQ(this->evens_->available_bytes(), 2 * kRecordSize);
}

TYPED_TEST(RingReading, CountsWhatIsThereAndWhatWasGivenUp) {
  EXPECT_EQ(this->evens_->size_bytes(), kRingSize);
  for (const long number : {0, 6, 20, 2}) strata_test_send(number);  // 6 and 20 are given up
  EXPECT_EQ(this->evens_->producer_position(), 4 * kRecordSize);
  EXPECT_EQ(this->evens_->consumer_position(), 0U);
  EXPECT_EQ(this->evens_->discarded(), 0U);
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers)), 2U);
  EXPECT_THAT(numbers, ElementsAre(0, 2));
  EXPECT_EQ(this->evens_->discarded(), 2U);
  EXPECT_EQ(this->evens_->consumer_position(), 4 * kRecordSize);
  EXPECT_EQ(this->evens_->available_bytes(), 0U);
}

TYPED_TEST(RingReading, CountsRecordsWithoutRoomWhereTheBackendDoes) {
  this->SendEvens(300);
  EXPECT_EQ(this->evens_->available_bytes(), kRingSize - kRecordSize);  // never filled to the last byte
  EXPECT_EQ(this->evens_->dropped(), this->backend_->runs_in_kernel() ? 0U : 300 - kRingSize / kRecordSize + 1);
}

TYPED_TEST(RingReading, AnotherReaderGoesOnWhereTheFirstStopped) {
  this->SendEvens(3);
  std::vector<std::uint64_t> numbers;
  ASSERT_TRUE(this->evens_->Consume(this->Into(&numbers), 1));
  this->evens_.reset();
  auto second = RingReader::Open(**this->objects_->FindMap("evens")).value();
  ASSERT_TRUE(second.Consume(this->Into(&numbers)));
  EXPECT_THAT(numbers, ElementsAre(0, 14, 28));
}

TYPED_TEST(RingReading, KeptRecordsStayAndHoldTheirRoom) {
  this->SendEvens(255);
  auto first = this->evens_->Take().value();
  auto second = this->evens_->Take().value();
  ASSERT_TRUE(first && second);
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers)), 253U);
  EXPECT_EQ(this->evens_->consumer_position(), 0U);
  this->SendEvens(1);  // no room
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers)), 0U);
  EXPECT_EQ(this->NumberIn(first->bytes()), 0U);
  EXPECT_EQ(this->NumberIn(second->bytes()), 14U);
  second.reset();
  EXPECT_EQ(this->evens_->consumer_position(), 0U);
  first.reset();
  EXPECT_EQ(this->evens_->consumer_position(), 255 * kRecordSize);
  this->SendEvens(255);
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers)), 255U);
}

TYPED_TEST(RingReading, KeptRecordsOutliveTheReader) {
  this->SendEvens(2);
  auto kept = this->evens_->Take().value();
  this->evens_.reset();
  EXPECT_EQ(this->NumberIn(kept->bytes()), 0U);
  kept.reset();
  auto second = RingReader::Open(**this->objects_->FindMap("evens")).value();
  EXPECT_EQ(second.consumer_position(), kRecordSize);
}

TYPED_TEST(RingReading, KeptRecordsAreGivenBackByAnyThread) {
  std::vector<RingRecord> kept;
  for (int round = 0; round < 50; ++round) {
    this->SendEvens(200);
    while (auto record = *this->evens_->Take()) kept.push_back(*std::move(record));
    ASSERT_EQ(kept.size(), 200U);
    std::thread other([&kept] {
      while (kept.size() > 1) kept.erase(kept.begin() + static_cast<long>(kept.size() / 2));
      kept.clear();
    });
    other.join();
    ASSERT_EQ(this->evens_->available_bytes(), 0U);
  }
}

TYPED_TEST(RingReading, WaitAndTakeSeesWhatComesBehindAKeptRecord) {
  strata_test_send(0);
  const auto kept = this->evens_->WaitAndTake(hours(1)).value();
  ASSERT_TRUE(kept);
  Repeat sender([] { strata_test_send(14); });
  const auto next = this->evens_->WaitAndTake(hours(1)).value();
  ASSERT_TRUE(next);
  EXPECT_EQ(this->NumberIn(next->bytes()), 14U);
}

TYPED_TEST(RingReading, SkipsWhatNobodyWants) {
  this->SendEvens(3);
  auto kept = this->evens_->Take().value();
  EXPECT_EQ(this->evens_->SkipAll().error().code(), ErrorCode::kBusy);
  kept.reset();
  EXPECT_EQ(*this->evens_->SkipAll(), 2 * kRecordSize);
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers)), 0U);
  EXPECT_FALSE(this->evens_->Take().value());
}

TYPED_TEST(RingReading, WaitsEndAtTheDeadline) {
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Poll(milliseconds(1), this->Into(&numbers)), 0U);
  EXPECT_EQ(*this->evens_->Poll(milliseconds(-1), this->Into(&numbers)), 0U);
  EXPECT_EQ(*this->evens_->Poll(std::chrono::steady_clock::now(), this->Into(&numbers)), 0U);
  EXPECT_FALSE(*this->evens_->WaitAndTake(milliseconds(1)));
  this->SendEvens(1);
  const auto kept = this->evens_->Take().value();
  EXPECT_FALSE(*this->evens_->WaitAndTake(milliseconds(1)));
  EXPECT_THAT(numbers, IsEmpty());
}

TYPED_TEST(RingReading, WakeEndsTheWaitOfAnotherThread) {
  this->evens_->Wake();  // before the wait: it counts for the next one
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Poll(hours::max(), this->Into(&numbers)), 0U);
  Repeat waker([this] { this->evens_->Wake(); });
  EXPECT_EQ(*this->evens_->Poll(Deadline::Never(), this->Into(&numbers)), 0U);
  EXPECT_FALSE(*this->evens_->WaitAndTake(Deadline::Never()));
}

RingReader* reader_of_handler = nullptr;
std::atomic<int> handled{0};

TYPED_TEST(RingReading, WakeMayBeCalledBySignalHandlers) {
  reader_of_handler = &*this->evens_;
  const UserSignal signal([](int) { reader_of_handler->Wake(); });
  ::raise(SIGUSR1);  // before the wait, where a flag alone would be seen too late
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Poll(Deadline::Never(), this->Into(&numbers)), 0U);
}

TYPED_TEST(RingReading, AHandledSignalEndsTheWait) {
  const UserSignal signal([](int) { ++handled; });
  const pthread_t waiting = ::pthread_self();
  handled = 0;
  Repeat signaller([waiting] { ::pthread_kill(waiting, SIGUSR1); });
  std::vector<std::uint64_t> numbers;
  EXPECT_EQ(*this->evens_->Poll(Deadline::Never(), this->Into(&numbers)), 0U);
  EXPECT_GT(handled.load(), 0);
}

TYPED_TEST(RingReading, LoopsOfTheCallersWatchTheDescriptor) {
  const UniqueFd loop(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_EQ(::epoll_ctl(loop.get(), EPOLL_CTL_ADD, this->evens_->poll_descriptor(), &event), 0);
  for (int round = 0; round < 100; ++round) {
    EXPECT_EQ(::epoll_wait(loop.get(), &event, 1, 0), 0);
    this->SendEvens(2);
    EXPECT_EQ(::epoll_wait(loop.get(), &event, 1, 10000), 1);
    std::vector<std::uint64_t> numbers;
    EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers), 1), 1U);
    EXPECT_EQ(::epoll_wait(loop.get(), &event, 1, 10000), 1);  // one is left
    EXPECT_EQ(*this->evens_->Consume(this->Into(&numbers)), 1U);
  }
}

TYPED_TEST(RingReading, OtherMapsAreRefused) {
  const Map map = this->CreateMap(MapType::kArray, 4, 8, 1);
  EXPECT_EQ(RingReader::Open(map).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(PerfReader::Open(map).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(UserRingWriter::Open(map).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace strata
