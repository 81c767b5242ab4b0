// One wait for rings and descriptors.
#include <poll.h>
#include <sys/eventfd.h>

#include "events_fixture.h"

namespace strata {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::Repeat;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename T>
class Polling : public strata::testing::EventsTest<T> {
 protected:
  void Watch(EventPoller& poller) {
    ASSERT_TRUE(poller.Add(*this->evens_, this->Into(&from_evens_)));
    ASSERT_TRUE(poller.Add(*this->odds_, this->Into(&from_odds_)));
  }
  static void Signal(const UniqueFd& event) { EXPECT_EQ(::eventfd_write(event.get(), 1), 0); }

  std::vector<std::uint64_t> from_evens_;
  std::vector<std::uint64_t> from_odds_;
};
TYPED_TEST_SUITE(Polling, BackendKinds, BackendNames);

TYPED_TEST(Polling, EachRingHasItsCallback) {
  auto poller = EventPoller::Make().value();
  this->Watch(poller);
  EXPECT_EQ(*poller.Consume(), 0U);
  for (const long number : {1, 2, 3, 4, 5}) strata_test_send(number);
  EXPECT_EQ(*poller.Poll(hours(1)), 5U);
  EXPECT_THAT(this->from_evens_, ElementsAre(2, 4));
  EXPECT_THAT(this->from_odds_, ElementsAre(1, 3, 5));
  EXPECT_EQ(*poller.Poll(milliseconds(1)), 0U);
}

TYPED_TEST(Polling, WaitsForWhicheverComesFirst) {
  auto poller = EventPoller::Make().value();
  this->Watch(poller);
  {
    Repeat sender([] { strata_test_send(3); });
    EXPECT_GT(*poller.Poll(Deadline::Never()), 0U);
  }
  ASSERT_TRUE(poller.Consume());
  EXPECT_THAT(this->from_evens_, IsEmpty());
  EXPECT_EQ(this->from_odds_.front(), 3U);
  Repeat sender([] { strata_test_send(2); });
  EXPECT_GT(*poller.Poll(Deadline::Never()), 0U);
  EXPECT_EQ(this->from_evens_.front(), 2U);
}

TYPED_TEST(Polling, DescriptorsOfTheCallersAreServedWhenReadable) {
  auto poller = EventPoller::Make().value();
  this->Watch(poller);
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int calls = 0;
  ASSERT_TRUE(poller.Add(event.get(), [&]() -> Result<void> {
    eventfd_t count = 0;
    EXPECT_EQ(::eventfd_read(event.get(), &count), 0);
    ++calls;
    return {};
  }));
  strata_test_send(2);
  EXPECT_EQ(*poller.Poll(hours(1)), 1U);
  EXPECT_EQ(calls, 0);
  this->Signal(event);
  EXPECT_EQ(*poller.Poll(hours(1)), 1U);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(*poller.Consume(), 0U);
}

TYPED_TEST(Polling, ErrorsOfCallbacksAreReturned) {
  auto poller = EventPoller::Make().value();
  const UniqueFd event(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  ASSERT_TRUE(poller.Add(event.get(), []() -> Result<void> { return Error(ErrorCode::kSystem, "enough"); }));
  EXPECT_EQ(poller.Poll(hours(1)).error().message(), "enough");
  EXPECT_EQ(poller.Consume().error().message(), "enough");
}

TYPED_TEST(Polling, ABusyRingLeavesTurnsToOthers) {
  auto poller = EventPoller::Make({.records_per_turn = 2}).value();
  this->Watch(poller);
  for (long i = 0; i < 5; ++i) strata_test_send(14 * i);
  strata_test_send(1);
  EXPECT_EQ(*poller.Poll(hours(1)), 3U);
  EXPECT_EQ(this->from_evens_.size(), 2U);
  EXPECT_EQ(this->from_odds_.size(), 1U);
  EXPECT_EQ(*poller.Poll(hours(1)), 2U);
  EXPECT_EQ(*poller.Poll(hours(1)), 1U);
}

TYPED_TEST(Polling, WhatIsRemovedIsNotServed) {
  auto poller = EventPoller::Make().value();
  this->Watch(poller);
  EXPECT_THAT(poller.Add(*this->odds_, this->Into(&this->from_odds_)).error().message(), HasSubstr("watched already"));
  ASSERT_TRUE(poller.Remove(this->odds_->poll_descriptor()));
  EXPECT_EQ(poller.Remove(this->odds_->poll_descriptor()).error().code(), ErrorCode::kNotFound);
  strata_test_send(1);
  strata_test_send(2);
  EXPECT_EQ(*poller.Poll(hours(1)), 1U);
  EXPECT_THAT(this->from_odds_, IsEmpty());
  ASSERT_TRUE(poller.Add(*this->odds_, this->Into(&this->from_odds_)));
  EXPECT_EQ(*poller.Poll(hours(1)), 1U);
}

TYPED_TEST(Polling, WakeEndsTheWait) {
  auto poller = EventPoller::Make().value();
  this->Watch(poller);
  poller.Wake();
  EXPECT_EQ(*poller.Poll(Deadline::Never()), 0U);
  Repeat waker([&poller] { poller.Wake(); });
  EXPECT_EQ(*poller.Poll(Deadline::Never()), 0U);
}

TYPED_TEST(Polling, AnOuterLoopWatchesThePollersDescriptor) {
  auto poller = EventPoller::Make().value();
  this->Watch(poller);
  pollfd outer{poller.poll_descriptor(), POLLIN, 0};
  EXPECT_EQ(::poll(&outer, 1, 0), 0);
  strata_test_send(1);
  EXPECT_EQ(::poll(&outer, 1, 10000), 1);
  EXPECT_EQ(*poller.Consume(), 1U);
  EXPECT_EQ(::poll(&outer, 1, 0), 0);
}

}  // namespace
}  // namespace strata
