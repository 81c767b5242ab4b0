// bpf_override_return: a hooked function returns at once, with what the program says.
#include <unistd.h>

#include <cerrno>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendTest;
using strata::testing::UserspaceKind;
using ::testing::HasSubstr;

class OverrideTest : public BackendTest<UserspaceKind> {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    objects_.emplace(LoadCollection(backend_, std::string(STRATA_BPF_OVERRIDE)).value());
    self_.emplace(OpenExecutable("/proc/self/exe").value());
  }
  Result<Uprobe> Attach(std::uint64_t offset = 0) {
    return self_->AttachUprobe("strata_test_add", **objects_->FindProgram("answer"),
                               {.pid = ::getpid(), .offset = offset});
  }

  std::optional<Collection> objects_;
  std::optional<Executable> self_;
};

TEST_F(OverrideTest, TheFunctionReturnsAtOnceWhereTheProgramSaysSo) {
  const auto probe = Attach();
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(strata_test_add(9, 2, 3), 14);
  EXPECT_EQ(strata_test_add(10, 2, 3), 1002);
  EXPECT_EQ(strata_test_add(1, 2, 3), 6) << "the next call is as ever";
  for (long i = 0; i < 1000; ++i) ASSERT_EQ(strata_test_add(i, i, i), i < 10 ? 3 * i : 1000 + i);
}

TEST_F(OverrideTest, RecursionEndsWhereItIsOverridden) {
  const auto probe =
      self_->AttachUprobe("strata_test_factorial", **objects_->FindProgram("answer"), {.pid = ::getpid()});
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(strata_test_factorial(5), 120);
  EXPECT_GE(strata_test_factorial(12), 1000) << "the outermost call does not run";
}

TEST_F(OverrideTest, ReturnProbesDoNotSeeTheCall) {
  auto calls = LoadCollection(backend_, std::string(STRATA_BPF_CALLS)).value();
  const auto exit =
      self_->AttachUretprobe("strata_test_add", **calls.FindProgram("on_return"), {.pid = ::getpid()}).value();
  const auto probe = Attach();
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(strata_test_add(1, 2, 3), 6);
  EXPECT_EQ(strata_test_add(11, 5, 3), 1005);
  EXPECT_EQ(strata_test_add(2, 2, 3), 7);
  constexpr std::uint32_t kReturns = 2;
  EXPECT_EQ(**calls.FindMap<Array<std::uint64_t>>("totals")->Lookup(kReturns), 2U);
}

TEST_F(OverrideTest, ADetachedProgramOverridesNothing) {
  auto probe = Attach();
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(strata_test_add(10, 1, 1), 1001);
  ASSERT_TRUE((*std::move(probe)).Detach());
  EXPECT_EQ(strata_test_add(10, 1, 1), 12);
}

TEST_F(OverrideTest, OtherPlacesAreRefused) {
  const auto late =
      self_->AttachUretprobe("strata_test_add", **objects_->FindProgram("answer_late"), {.pid = ::getpid()});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().sys_errno(), EINVAL);
  EXPECT_THAT(late.error().message(), HasSubstr("only where a function starts"));
}

}  // namespace
}  // namespace strata
