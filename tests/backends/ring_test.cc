// Ring buffers from program to reader: order, loss, discards, waiting.
#include <poll.h>
#include <unistd.h>

#include <cstring>
#include <thread>
#include <vector>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using std::chrono::milliseconds;
using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

struct Event {
  std::uint64_t number;
  std::uint32_t thread;
  char text[12];
};

template <typename T>
class RingTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_RING));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    const auto self = OpenExecutable("/proc/self/exe").value();
    probe_.emplace(self.AttachUprobe("strata_test_send", **objects_->FindProgram("send"), {.pid = ::getpid()}).value());
    reader_.emplace(RingReader::Open(**objects_->FindMap("events")).value());
  }

  RingReader::OnRecord Collect(std::vector<Event>* events) {
    return [events](std::span<const std::byte> record) {
      Event event{};
      EXPECT_EQ(record.size(), sizeof(event));
      std::memcpy(&event, record.data(), sizeof(event));
      events->push_back(event);
      return true;
    };
  }
  std::uint64_t Counter(std::uint32_t slot) {
    return **objects_->template FindMap<Array<std::uint64_t>>("sent_and_dropped")->Lookup(slot);
  }

  std::optional<Collection> objects_;
  std::optional<Uprobe> probe_;
  std::optional<RingReader> reader_;
};
TYPED_TEST_SUITE(RingTest, BackendKinds, BackendNames);

TYPED_TEST(RingTest, RecordsArriveInOrderWithoutDiscardedOnes) {
  for (long i = 0; i < 20; ++i) strata_test_send(i);
  std::vector<Event> events;
  EXPECT_EQ(*this->reader_->Consume(this->Collect(&events)), 18U);
  std::uint64_t expected = 0;
  for (const Event& event : events) {
    if (expected % 7 == 6) ++expected;
    EXPECT_EQ(event.number, expected++);
    EXPECT_STREQ(event.text, "hello world");
    EXPECT_EQ(event.thread, static_cast<std::uint32_t>(::gettid()));
  }
}

TYPED_TEST(RingTest, AFullRingDropsAndGoesOnAfterwards) {
  for (long i = 0; i < 1000; ++i) strata_test_send(i * 7);
  const std::uint64_t sent = this->Counter(0);
  EXPECT_EQ(sent + this->Counter(1), 1000U);
  EXPECT_EQ(sent, 4096U / 32 - 1);  // 24 bytes and a header of 8; a ring is never filled to the last byte
  std::vector<Event> events;
  EXPECT_EQ(*this->reader_->Consume(this->Collect(&events)), sent);
  strata_test_send(7000);
  events.clear();
  EXPECT_EQ(*this->reader_->Consume(this->Collect(&events)), 1U);
  EXPECT_EQ(events.at(0).number, 7000U);
}

TYPED_TEST(RingTest, WrapsManyTimesWithoutLoss) {
  std::vector<Event> events;
  for (long i = 0; i < 5000; ++i) {
    strata_test_send(i * 7);
    if (i % 100 == 99) {
      ASSERT_TRUE(this->reader_->Consume(this->Collect(&events)));
    }
  }
  ASSERT_EQ(events.size(), 5000U);
  for (std::size_t i = 0; i < events.size(); ++i) ASSERT_EQ(events[i].number, i * 7);
  EXPECT_EQ(this->Counter(1), 0U);
}

TYPED_TEST(RingTest, DescriptorIsReadableWhenThereIsData) {
  pollfd descriptor{this->reader_->poll_descriptor(), POLLIN, 0};
  EXPECT_EQ(::poll(&descriptor, 1, 0), 0);
  strata_test_send(7);
  EXPECT_EQ(::poll(&descriptor, 1, 10000), 1);
  std::vector<Event> events;
  EXPECT_EQ(*this->reader_->Consume(this->Collect(&events)), 1U);
  EXPECT_EQ(::poll(&descriptor, 1, 0), 0);
}

TYPED_TEST(RingTest, PollWakesForARecordOfAnotherThread) {
  std::thread producer([] {
    std::this_thread::sleep_for(milliseconds(20));
    strata_test_send(7);
  });
  std::vector<Event> events;
  while (events.empty()) ASSERT_TRUE(this->reader_->Poll(milliseconds(10000), this->Collect(&events)));
  producer.join();
  EXPECT_EQ(events.at(0).number, 7U);
}

TYPED_TEST(RingTest, FourProducersLoseNothing) {
  constexpr long kRecords = 2000;
  std::vector<std::thread> producers;
  for (int i = 0; i < 4; ++i) {
    producers.emplace_back([] {
      for (long record = 0; record < kRecords; ++record) strata_test_send(record * 7);
    });
  }
  std::map<std::uint32_t, std::uint64_t> last;
  std::uint64_t received = 0;
  const auto on_record = [&](std::span<const std::byte> record) {
    Event event{};
    std::memcpy(&event, record.data(), sizeof(event));
    const auto found = last.find(event.thread);
    EXPECT_TRUE(found == last.end() || found->second < event.number) << "out of order";
    last[event.thread] = event.number;
    ++received;
    return true;
  };
  while (received + this->Counter(1) < 4 * kRecords) ASSERT_TRUE(this->reader_->Poll(milliseconds(100), on_record));
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(received, this->Counter(0));
  EXPECT_EQ(received + this->Counter(1), 4U * kRecords);
}

}  // namespace
}  // namespace strata
