// User ring buffers: from the writer to programs.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "map_kinds_fixture.h"
#include "strata/object/user_ring_writer.h"

namespace strata {
namespace {

using namespace strata::testing;  // NOLINT: its helpers are this file's vocabulary
using std::chrono::milliseconds;

template <typename T>
class UserRingTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_USER_RING));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    auto writer = UserRingWriter::Open(**objects_->FindMap("requests"));
    ASSERT_TRUE(writer) << writer.error().message();
    writer_.emplace(*std::move(writer));
    memory_ = (*objects_->FindMap("requests"))->backend_map()->UserRing().value();
  }

  template <typename V>
  V Get(const char* name) {
    return *objects_->FindVariable(name)->template Get<V>();
  }
  std::uint64_t Counter(const char* name) { return Get<std::uint64_t>(name); }
  void SetVariable(const char* name, std::uint64_t value) {
    ASSERT_TRUE(objects_->FindVariable(name)->template Set<std::uint64_t>(value));
  }
  std::int64_t Drain(const char* program = "drain") {
    EXPECT_TRUE((*objects_->FindProgram(program))->TestRun());
    return Get<std::int64_t>("result");
  }
  static void Set(const UserRingRecord& record, std::uint64_t number) {
    std::memcpy(record.bytes().data(), &number, sizeof(number));
  }
  std::uint64_t Fill(std::uint32_t size) {
    std::uint64_t count = 0;
    while (auto record = writer_->Reserve(size)) {
      Set(*record, count++);
      std::move(*record).Submit();
    }
    return count;
  }
  // A header as no writer of ours would write it.
  void WriteHeader(std::uint32_t word, std::uint64_t advance) {
    const std::uint64_t position = *memory_->producer_position();
    std::memcpy(memory_->data() + position % memory_->size_bytes(), &word, sizeof(word));
    __atomic_store_n(memory_->producer_position(), position + advance, __ATOMIC_RELEASE);
  }

  std::optional<Collection> objects_;
  std::optional<UserRingWriter> writer_;
  std::unique_ptr<UserRingMemory> memory_;
};
TYPED_TEST_SUITE(UserRingTest, BackendKinds, BackendNames);

TYPED_TEST(UserRingTest, ProgramsReadWhatIsWrittenInOrder) {
  for (const std::uint64_t number : {3U, 5U, 9U}) ASSERT_TRUE(this->writer_->Write(Bytes(number)));
  EXPECT_EQ(this->Drain(), 3);
  EXPECT_EQ(this->Counter("count"), 3U);
  EXPECT_EQ(this->Counter("sum"), 17U);
  EXPECT_EQ(this->Counter("out_of_order"), 0U);
  EXPECT_EQ(this->writer_->unread_bytes(), 0U);
  EXPECT_EQ(this->Drain(), 0);
}

TYPED_TEST(UserRingTest, ACallbackThatReturnsOneEndsTheReading) {
  this->Fill(24);
  this->SetVariable("stop_after", 5);
  EXPECT_EQ(this->Drain(), 5);
  EXPECT_EQ(this->writer_->unread_bytes(), 4096U - 5 * 32);
  EXPECT_EQ(this->Drain(), 123);
}

TYPED_TEST(UserRingTest, DiscardedRecordsDoNotCountAndBusyOnesHoldBackThoseBehind) {
  auto discarded = this->writer_->Reserve(8).value();
  auto busy = this->writer_->Reserve(8).value();
  const std::uint64_t number = 4;
  ASSERT_TRUE(this->writer_->Write(Bytes(number)));
  EXPECT_EQ(this->Drain(), 0);
  std::move(discarded).Discard();
  EXPECT_EQ(this->Drain(), 0);
  EXPECT_EQ(this->writer_->unread_bytes(), 32U);
  this->Set(busy, 1);
  std::move(busy).Submit();
  EXPECT_EQ(this->Drain(), 2);
  EXPECT_EQ(this->Counter("sum"), 5U);
}

TYPED_TEST(UserRingTest, FlagsAreTheKernels) {
  for (const std::uint64_t flags : {0U, 1U, 2U, 3U}) {
    this->SetVariable("flags", flags);
    EXPECT_EQ(this->Drain(), 0) << flags;
  }
  for (const std::uint64_t flags : {std::uint64_t{4}, std::uint64_t{1} << 63}) {
    this->SetVariable("flags", flags);
    EXPECT_EQ(this->Drain(), -EINVAL) << flags;
  }
}

TYPED_TEST(UserRingTest, OneReadsAtATime) {
  ASSERT_TRUE(this->writer_->Write(Bytes(std::uint64_t{1})));
  EXPECT_EQ(this->Drain("drain_inside"), 1);
  EXPECT_EQ(this->template Get<std::int64_t>("result_inside"), -EBUSY);
  EXPECT_EQ(this->Drain(), 0);
}

TYPED_TEST(UserRingTest, RecordsThatCannotBeAreErrors) {
  this->WriteHeader(100, 16);  // longer than what was written
  EXPECT_EQ(this->Drain(), -EINVAL);
  __atomic_store_n(this->memory_->producer_position(), std::uint64_t{12}, __ATOMIC_RELEASE);
  EXPECT_EQ(this->Drain(), -EINVAL);
  __atomic_store_n(this->memory_->producer_position(), std::uint64_t{0}, __ATOMIC_RELEASE);
  this->WriteHeader(4096, 8192);
  EXPECT_EQ(this->Drain(), -E2BIG);
  EXPECT_EQ(this->Counter("count"), 0U);
}

TYPED_TEST(UserRingTest, WrapsManyTimes) {
  EXPECT_EQ(this->Fill(24), 4096U / 32);
  EXPECT_EQ(this->writer_->Reserve(24).error().code(), ErrorCode::kNoSpace);
  for (int round = 0; round < 100; ++round) {
    this->Drain();
    EXPECT_EQ(this->writer_->unread_bytes(), 0U);
    this->Fill(40 + static_cast<std::uint32_t>(round) % 16);
  }
}

TYPED_TEST(UserRingTest, WaitsUntilAProgramHasMadeRoom) {
  for (int round = 0; round < 20; ++round) {
    this->Fill(24);
    std::thread drainer([this] { this->Drain(); });
    auto record = this->writer_->WaitAndReserve(2000, Deadline::Never());
    ASSERT_TRUE(record) << record.error().message();
    drainer.join();
    std::move(*record).Discard();
    this->Drain();
  }
}

TYPED_TEST(UserRingTest, ManyThreadsWriteWithoutLoss) {
  constexpr std::uint64_t kEach = 2000;
  std::atomic<int> running{4};
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        auto record = this->writer_->WaitAndReserve(8, Deadline::Never()).value();
        this->Set(record, thread * kEach + i);
        std::move(record).Submit();
      }
      --running;
    });
  }
  while (running > 0) this->Drain();
  for (std::thread& thread : threads) thread.join();
  this->Drain();
  EXPECT_EQ(this->Counter("count"), 4 * kEach);
  EXPECT_EQ(this->Counter("sum"), 4 * kEach * (4 * kEach - 1) / 2);
}

// What it has submitted is read; a record that it was writing holds back those behind, and nothing else.
TYPED_TEST(UserRingTest, OfAKilledWriterThereIsWhatItSubmitted) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const std::uint64_t number : {3U, 5U}) this->writer_->Write(Bytes(number)).value();
    const auto open = this->writer_->Reserve(8).value();
    this->Set(open, 100);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(this->Drain(), 2);
  ASSERT_TRUE(this->writer_->Write(Bytes(std::uint64_t{7})));
  EXPECT_EQ(this->Drain(), 0);
  EXPECT_EQ(this->Counter("sum"), 8U);
  EXPECT_EQ(this->writer_->unread_bytes(), 32U);
}

TYPED_TEST(UserRingTest, HasNoElementsAndIsNoRingOfPrograms) {
  Map map = this->CreateMap(MapType::kUserRingBuf, 0, 0, 4096);
  EXPECT_EQ(ErrnoOf(map.backend_map()->NextKey(std::nullopt, {})), 524);
  EXPECT_EQ(UserRingWriter::Open(**this->objects_->FindMap(".bss")).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace strata
