// Programs at function entries and returns of this very process.
#include <unistd.h>

#include <numeric>
#include <thread>
#include <vector>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

enum Total : std::uint32_t { kEntries, kArgumentSum, kReturns, kResultSum, kCookie };

template <typename T>
class ProgramTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_CALLS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    auto self = OpenExecutable("/proc/self/exe");
    ASSERT_TRUE(self) << self.error().message();
    self_.emplace(*std::move(self));
  }

  Uprobe AttachEntry(const char* symbol, const char* program = "on_entry", std::uint64_t cookie = 0) {
    return self_
        ->AttachUprobe(symbol, **objects_->FindProgram(program), {.pid = ::getpid(), .offset = 0, .cookie = cookie})
        .value();
  }
  Uretprobe AttachReturn(const char* symbol) {
    return self_->AttachUretprobe(symbol, **objects_->FindProgram("on_return"), {.pid = ::getpid()}).value();
  }
  std::uint64_t TotalOf(Total slot) {
    return **objects_->template FindMap<Array<std::uint64_t>>("totals")->Lookup(slot);
  }

  std::optional<Collection> objects_;
  std::optional<Executable> self_;
};
TYPED_TEST_SUITE(ProgramTest, BackendKinds, BackendNames);

TYPED_TEST(ProgramTest, CountsEntriesWithArguments) {
  const Uprobe probe = this->AttachEntry("strata_test_add", "on_entry", 1000);
  EXPECT_EQ(strata_test_add(1, 10, 100), 111);
  EXPECT_EQ(strata_test_add(2, 20, 200), 222);
  EXPECT_EQ(this->TotalOf(kEntries), 2U);
  EXPECT_EQ(this->TotalOf(kArgumentSum), 1U + 20 + 300 + 2 + 40 + 600);
  EXPECT_EQ(this->TotalOf(kCookie), 2000U);
}

TYPED_TEST(ProgramTest, CountsReturnsWithResults) {
  const Uretprobe probe = this->AttachReturn("strata_test_add");
  EXPECT_EQ(strata_test_add(1, 10, 100), 111);
  EXPECT_EQ(strata_test_add(2, 20, 200), 222);
  EXPECT_EQ(this->TotalOf(kReturns), 2U);
  EXPECT_EQ(this->TotalOf(kResultSum), 333U);
}

TYPED_TEST(ProgramTest, EntryAndReturnOfTheSameFunction) {
  const Uprobe entry = this->AttachEntry("strata_test_add");
  const Uretprobe exit = this->AttachReturn("strata_test_add");
  for (long i = 0; i < 100; ++i) ASSERT_EQ(strata_test_add(i, 0, 0), i);
  EXPECT_EQ(this->TotalOf(kEntries), 100U);
  EXPECT_EQ(this->TotalOf(kReturns), 100U);
  EXPECT_EQ(this->TotalOf(kResultSum), 4950U);
}

TYPED_TEST(ProgramTest, RecursionCountsEachLevel) {
  const Uprobe entry = this->AttachEntry("strata_test_factorial");
  const Uretprobe exit = this->AttachReturn("strata_test_factorial");
  EXPECT_EQ(strata_test_factorial(10), 3628800);
  EXPECT_EQ(this->TotalOf(kEntries), 10U);
  EXPECT_EQ(this->TotalOf(kReturns), 10U);
  // 1! + 2! + ... + 10!
  EXPECT_EQ(this->TotalOf(kResultSum), 4037913U);
}

TYPED_TEST(ProgramTest, DetachedProbeCountsNoMore) {
  Uprobe probe = this->AttachEntry("strata_test_add");
  strata_test_add(1, 2, 3);
  ASSERT_TRUE(std::move(probe).Detach());
  strata_test_add(1, 2, 3);
  EXPECT_EQ(this->TotalOf(kEntries), 1U);
}

TYPED_TEST(ProgramTest, DisabledProbeRests) {
  Uprobe probe = this->AttachEntry("strata_test_add");
  ASSERT_TRUE(probe.SetEnabled(false));
  strata_test_add(1, 2, 3);
  EXPECT_EQ(this->TotalOf(kEntries), 0U);
  ASSERT_TRUE(probe.SetEnabled(true));
  strata_test_add(1, 2, 3);
  EXPECT_EQ(this->TotalOf(kEntries), 1U);
}

TYPED_TEST(ProgramTest, TwoProgramsOnOnePlaceBothRun) {
  const Uprobe first = this->AttachEntry("strata_test_add");
  const Uprobe second = this->AttachEntry("strata_test_add");
  strata_test_add(1, 2, 3);
  EXPECT_EQ(this->TotalOf(kEntries), 2U);
}

TYPED_TEST(ProgramTest, HashFilledByAProgramIsReadBack) {
  const Uprobe probe = this->AttachEntry("strata_test_add");
  for (long i = 0; i < 30; ++i) strata_test_add(i % 3, 0, 0);
  auto by_argument = this->objects_->template FindMap<HashMap<std::uint64_t, std::uint64_t>>("by_argument").value();
  EXPECT_THAT(*by_argument.Snapshot(),
              ::testing::UnorderedElementsAre(std::pair(0U, 10U), std::pair(1U, 10U), std::pair(2U, 10U)));
}

TYPED_TEST(ProgramTest, FourThreadsLoseNoCount) {
  constexpr long kCalls = 5000;
  const Uprobe entry = this->AttachEntry("strata_test_add");
  const Uretprobe exit = this->AttachReturn("strata_test_add");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (long call = 0; call < kCalls; ++call) strata_test_add(1, 0, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(this->TotalOf(kEntries), 4U * kCalls);
  EXPECT_EQ(this->TotalOf(kReturns), 4U * kCalls);
}

TYPED_TEST(ProgramTest, PlainPerCpuIncrementsAreExact) {
  constexpr long kCalls = 5000;
  const Uprobe entry = this->AttachEntry("strata_test_add", "count_per_cpu");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (long call = 0; call < kCalls; ++call) strata_test_add(1, 0, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto calls = this->objects_->template FindMap<PerCpuArray<std::uint64_t>>("per_cpu_calls").value();
  const auto values = **calls.Lookup(0);
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::uint64_t{0}), 4U * kCalls);
}

TYPED_TEST(ProgramTest, StatsCountRuns) {
  auto stats_guard = this->backend_->EnableStats(StatsDetail::kTime);
  ASSERT_TRUE(stats_guard) << stats_guard.error().message();
  const Uprobe probe = this->AttachEntry("strata_test_add");
  for (int i = 0; i < 50; ++i) strata_test_add(1, 2, 3);
  const auto stats = (*this->objects_->FindProgram("on_entry"))->Stats();
  ASSERT_TRUE(stats) << stats.error().message();
  EXPECT_EQ(stats->run_count, 50U);
  EXPECT_GT(stats->run_time_ns, 0U);
}

TYPED_TEST(ProgramTest, UnknownSymbolNamesFileAndNeighbour) {
  const auto probe = this->self_->AttachUprobe("strata_test_ad", **this->objects_->FindProgram("on_entry"));
  ASSERT_FALSE(probe);
  EXPECT_EQ(probe.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(probe.error().message(), ::testing::HasSubstr("strata_test_add"));
}

TYPED_TEST(ProgramTest, ProgramsWithoutAPlaceSayHowToNameOne) {
  const auto link = AutoAttach(**this->objects_->FindProgram("on_entry"));
  ASSERT_FALSE(link);
  EXPECT_THAT(link.error().message(), ::testing::HasSubstr("SEC(\"uprobe/FILE:SYMBOL\")"));
}

TYPED_TEST(ProgramTest, EverythingIsListedWhileItLives) {
  const std::uint32_t program_id = (*this->objects_->FindProgram("on_entry"))->info().id;
  const std::uint32_t map_id = (*this->objects_->FindMap("totals"))->info().id;
  const auto lists_program = [&](const ObjectListing& listing) {
    return std::any_of(listing.programs.begin(), listing.programs.end(),
                       [&](const auto& p) { return p.id == program_id; });
  };
  const auto lists_map = [&](const ObjectListing& listing) {
    return std::any_of(listing.maps.begin(), listing.maps.end(), [&](const auto& m) { return m.id == map_id; });
  };
  const ObjectListing before = this->backend_->List().value();
  EXPECT_TRUE(lists_program(before));
  EXPECT_TRUE(lists_map(before));
  this->objects_.reset();
  const ObjectListing after = this->backend_->List().value();
  EXPECT_FALSE(lists_program(after));
}

}  // namespace
}  // namespace strata
