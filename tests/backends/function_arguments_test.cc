// Arguments and results of a hooked function by helpers, which the kernel has for trampolines only.
#include <unistd.h>

#include <cerrno>

#include "objects_fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendTest;
using strata::testing::EngineTest;
using strata::testing::InterpretedKind;
using strata::testing::KernelKind;
using strata::testing::UserspaceKind;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Answer {
  std::int64_t arguments[8];
  std::int64_t argument_statuses[8];
  std::int64_t result, result_status;
  std::int64_t count;
};

class FunctionArgumentsTest : public BackendTest<UserspaceKind> {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    objects_.emplace(LoadCollection(backend_, std::string(STRATA_BPF_FUNCTION_ARGUMENTS)).value());
    self_.emplace(OpenExecutable("/proc/self/exe").value());
  }
  Answer Get() { return objects_->FindVariable("answer")->Get<Answer>().value(); }

  std::optional<Collection> objects_;
  std::optional<Executable> self_;
};

TEST_F(FunctionArgumentsTest, AFunctionsStartHasItsArguments) {
  const auto probe = self_->AttachUprobe("strata_test_many", **objects_->FindProgram("on_entry"), {.pid = ::getpid()});
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(strata_test_many(1, -2, 3, -4, 5, -6, 7), 4);
  const Answer answer = Get();
  EXPECT_EQ(answer.count, 6);
  EXPECT_THAT(answer.arguments, ElementsAre(1, -2, 3, -4, 5, -6, 0, 0));
  EXPECT_THAT(answer.argument_statuses, ElementsAre(0, 0, 0, 0, 0, 0, -EINVAL, -EINVAL));
  EXPECT_EQ(answer.result_status, -EOPNOTSUPP);
  EXPECT_EQ(answer.result, 0);
}

TEST_F(FunctionArgumentsTest, AReturnHasTheResult) {
  const auto probe =
      self_->AttachUretprobe("strata_test_many", **objects_->FindProgram("on_return"), {.pid = ::getpid()});
  ASSERT_TRUE(probe) << probe.error().message();
  EXPECT_EQ(strata_test_many(1, 2, 3, 4, 5, 6, -70), -49);
  const Answer answer = Get();
  EXPECT_EQ(answer.result_status, 0);
  EXPECT_EQ(answer.result, -49);
  EXPECT_EQ(answer.count, 6);
  constexpr auto kGone = -EOPNOTSUPP;
  EXPECT_THAT(answer.argument_statuses, ElementsAre(kGone, kGone, kGone, kGone, kGone, kGone, -EINVAL, -EINVAL));
  EXPECT_THAT(answer.arguments, Each(0));
}

class InterpretedFunctionArguments : public EngineTest<InterpretedKind> {};

TEST_F(InterpretedFunctionArguments, AreThoseOfTheContext) {
  auto objects = LoadCollection(backend_, std::string(STRATA_BPF_FUNCTION_ARGUMENTS)).value();
  constexpr std::uint64_t kRegisters[21] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};  // r15, ... rdi
  ASSERT_TRUE((*objects.FindProgram("on_entry"))->TestRun({.context_in = std::as_bytes(std::span(kRegisters))}));
  const auto answer = objects.FindVariable("answer")->Get<Answer>().value();
  EXPECT_THAT(answer.arguments, ElementsAre(14, 13, 12, 11, 9, 8, 0, 0));
  EXPECT_EQ(answer.result_status, -EOPNOTSUPP);
}

class FunctionArgumentsOfTheKernel : public BackendTest<KernelKind> {};

TEST_F(FunctionArgumentsOfTheKernel, AreRefusedToProbes) {
  const auto objects = LoadCollection(backend_, std::string(STRATA_BPF_FUNCTION_ARGUMENTS));
  ASSERT_FALSE(objects);
  EXPECT_EQ(objects.error().sys_errno(), EINVAL);
  EXPECT_THAT(objects.error().message() + std::string(objects.error().log()),
              HasSubstr("cannot use helper bpf_get_func"));
}

}  // namespace
}  // namespace strata
