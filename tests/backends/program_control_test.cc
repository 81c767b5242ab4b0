// Statistics of runs without an event, and programs that are disabled as a whole.
#include <unistd.h>

#include <cerrno>

#include "fixture.h"
#include "program_results.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using strata::testing::ResultsTest;
using strata::testing::UserspaceKind;

template <typename Kind>
class TestRunStatsTest : public ResultsTest<Kind> {
 protected:
  TestRunStatsTest() : ResultsTest<Kind>(STRATA_BPF_DYNPTR) {}
};
TYPED_TEST_SUITE(TestRunStatsTest, BackendKinds, BackendNames);

TYPED_TEST(TestRunStatsTest, RunsWithoutAnEventAreCountedWhileAsked) {
  const Program& program = **this->objects_->FindProgram("local_memory");
  ASSERT_TRUE(program.TestRun());
  {
    const auto guard = this->backend_->EnableStats(StatsDetail::kTime);
    ASSERT_TRUE(guard) << guard.error().message();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(program.TestRun());
  }
  ASSERT_TRUE(program.TestRun());
  const ProgramStats stats = program.Stats().value();
  EXPECT_EQ(stats.run_count, 5U);
  EXPECT_GT(stats.run_time_ns, 0U);
  EXPECT_EQ(stats.missed_count, 0U);
}

class ProgramControlTest : public BackendTest<UserspaceKind> {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    objects_.emplace(LoadCollection(backend_, std::string(STRATA_BPF_CALLS)).value());
    self_.emplace(OpenExecutable("/proc/self/exe").value());
    program_ = *objects_->FindProgram("on_entry");
  }
  Uprobe Attach() { return self_->AttachUprobe("strata_test_add", *program_, {.pid = ::getpid()}).value(); }
  // Events that one call of the function makes.
  std::uint64_t CountOfACall() {
    auto totals = objects_->FindMap<Array<std::uint64_t>>("totals").value();
    const std::uint64_t before = **totals.Lookup(0);
    strata_test_add(1, 2, 3);
    return **totals.Lookup(0) - before;
  }

  std::optional<Collection> objects_;
  std::optional<Executable> self_;
  Program* program_ = nullptr;
};

TEST_F(ProgramControlTest, ADisabledProgramRestsOnAllItsLinks) {
  const Uprobe first = Attach();
  const Uprobe second = Attach();
  EXPECT_EQ(CountOfACall(), 2U);
  ASSERT_TRUE(program_->SetEnabled(false));
  EXPECT_EQ(CountOfACall(), 0U);
  ASSERT_TRUE(program_->SetEnabled(false)) << "again is as well";
  ASSERT_TRUE(program_->SetEnabled(true));
  EXPECT_EQ(CountOfACall(), 2U);
}

TEST_F(ProgramControlTest, LinksMadeMeanwhileRestToo) {
  ASSERT_TRUE(program_->SetEnabled(false));
  const Uprobe probe = Attach();
  EXPECT_EQ(CountOfACall(), 0U);
  ASSERT_TRUE(program_->SetEnabled(true));
  EXPECT_EQ(CountOfACall(), 1U);
}

TEST_F(ProgramControlTest, LinksKeepTheirOwnState) {
  Uprobe first = Attach();
  const Uprobe second = Attach();
  ASSERT_TRUE(first.SetEnabled(false));
  ASSERT_TRUE(program_->SetEnabled(false));
  ASSERT_TRUE(program_->SetEnabled(true));
  EXPECT_EQ(CountOfACall(), 1U);
  ASSERT_TRUE(program_->SetEnabled(false));
  ASSERT_TRUE(first.SetEnabled(true));
  EXPECT_EQ(CountOfACall(), 0U);
  ASSERT_TRUE(program_->SetEnabled(true));
  EXPECT_EQ(CountOfACall(), 2U);
}

TEST_F(ProgramControlTest, AnotherLoaderOfTheSessionMayDoIt) {
  const Uprobe probe = Attach();
  auto other =
      OpenBackend("userspace", {.session = "test", .runtime_folder = folder_.path(), .agent_path = {}}).value();
  const std::uint32_t id = program_->info().id;
  ASSERT_TRUE(other->SetProgramEnabled(id, false));
  EXPECT_EQ(CountOfACall(), 0U);
  const ObjectListing listing = other->List().value();
  const auto listed =
      std::find_if(listing.programs.begin(), listing.programs.end(), [&](const auto& p) { return p.id == id; });
  ASSERT_NE(listed, listing.programs.end());
  EXPECT_FALSE(listed->is_enabled);
  ASSERT_TRUE(other->SetProgramEnabled(id, true));
  EXPECT_EQ(other->SetProgramEnabled(999, false).error().code(), ErrorCode::kNotFound);
}

TEST(ProgramControlOfTheKernel, IsRefusedByName) {
  auto backend = OpenBackend("kernel");
  if (!backend) GTEST_SKIP() << "lacks the right to use bpf(2): " << backend.error().message();
  const auto disabled = (*backend)->SetProgramEnabled(1, false);
  ASSERT_FALSE(disabled);
  EXPECT_EQ(disabled.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(disabled.error().message(), ::testing::HasSubstr("program 1"));
}

}  // namespace
}  // namespace strata
