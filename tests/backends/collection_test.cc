// Loading whole objects: variables, errors, lifetimes.
#include <unistd.h>

#include <atomic>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

template <typename T>
class CollectionTest : public BackendTest<T> {
 protected:
  Result<Uprobe> Attach(Collection& objects) {
    const auto self = STRATA_TRY(OpenExecutable("/proc/self/exe"));
    return self.AttachUprobe("strata_test_call", *STRATA_TRY(objects.FindProgram("on_call")), {.pid = ::getpid()});
  }
};
TYPED_TEST_SUITE(CollectionTest, BackendKinds, BackendNames);

TYPED_TEST(CollectionTest, VariablesAreSetBeforeLoadAndReadAfterwards) {
  auto spec = LoadCollectionSpec(STRATA_BPF_VARIABLES).value();
  ASSERT_TRUE(spec.variables.at("wanted").Set(std::uint64_t{5}));
  ASSERT_TRUE(spec.variables.at("factor").Set(std::uint64_t{10}));
  auto objects = LoadCollection(this->backend_, std::move(spec));
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  const auto probe = this->Attach(*objects);
  ASSERT_TRUE(probe) << probe.error().message();
  strata_test_call(5);
  strata_test_call(7);
  EXPECT_EQ(*objects->FindVariable("matches")->template Get<std::uint64_t>(), 1U);
  EXPECT_EQ(*objects->FindVariable("total")->template Get<std::uint64_t>(), 120U);
}

TYPED_TEST(CollectionTest, VariablesChangeWhileProgramsRun) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  const auto probe = this->Attach(objects);
  ASSERT_TRUE(probe) << probe.error().message();
  auto factor = objects.FindVariable("factor").value();
  strata_test_call(1);
  ASSERT_TRUE(factor.Set(std::uint64_t{100}));
  strata_test_call(1);
  EXPECT_EQ(*objects.FindVariable("total")->template Get<std::uint64_t>(), 103U);
}

TYPED_TEST(CollectionTest, PointsIntoVariables) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  auto total = objects.FindVariable("total").value();
  auto* const shared = total.template Pointer<std::uint64_t>().value();
  *shared = 41;
  std::atomic_ref(*shared).fetch_add(1);
  EXPECT_EQ(*total.template Get<std::uint64_t>(), 42U);
  EXPECT_EQ(total.template Pointer<std::uint32_t>().error().code(), ErrorCode::kInvalidArgument);
  auto wanted = objects.FindVariable("wanted").value();
  EXPECT_EQ(wanted.template Pointer<std::uint64_t>().error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(*wanted.template Pointer<const std::uint64_t>().value(), 7U);
}

TYPED_TEST(CollectionTest, ConstantsCannotBeSetOnceLoaded) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  auto wanted = objects.FindVariable("wanted").value();
  EXPECT_EQ(*wanted.template Get<std::uint64_t>(), 7U);
  EXPECT_EQ(wanted.Set(std::uint64_t{1}).error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(wanted.Set(std::uint8_t{1}).error().code(), ErrorCode::kInvalidArgument);
}

TYPED_TEST(CollectionTest, UnknownNamesListWhatThereIs) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  EXPECT_THAT(objects.FindProgram("nope").error().message(), ::testing::HasSubstr("on_call"));
  EXPECT_EQ(objects.FindMap("nope").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(objects.FindVariable("nope").error().code(), ErrorCode::kNotFound);
}

TYPED_TEST(CollectionTest, ObjectsOutliveTheNameOfTheirBackend) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  auto probe = this->Attach(objects);
  ASSERT_TRUE(probe) << probe.error().message();
  auto total = objects.FindVariable("total").value();
  this->backend_.reset();
  strata_test_call(2);
  EXPECT_EQ(*total.template Get<std::uint64_t>(), 6U);
}

TYPED_TEST(CollectionTest, AnObjectWithoutProgramsIsRefused) {
  auto spec = LoadCollectionSpec(STRATA_BPF_VARIABLES).value();
  spec.programs.clear();
  const auto objects = LoadCollection(this->backend_, std::move(spec));
  ASSERT_FALSE(objects);
  EXPECT_THAT(objects.error().message(), ::testing::HasSubstr("has no programs"));
}

TYPED_TEST(CollectionTest, TheExampleLoads) {
  const auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_MALLOC_HIST));
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_EQ(objects->programs().size(), 2U);
}

// A program is recognised by its tag wherever it runs.
TEST(Tags, AreTheSameOnBothBackends) {
  const testing::SessionFolder folder;
  const auto kernel = OpenBackend("kernel");
  if (!kernel) GTEST_SKIP() << kernel.error().message();
  const auto userspace =
      OpenBackend("userspace", {.session = "test", .runtime_folder = folder.path(), .agent_path = {}});
  ASSERT_TRUE(userspace) << userspace.error().message();
  auto there = LoadCollection(*kernel, std::string(STRATA_BPF_VARIABLES)).value();
  auto here = LoadCollection(*userspace, std::string(STRATA_BPF_VARIABLES)).value();
  EXPECT_EQ(here.FindProgram("on_call").value()->info().tag, there.FindProgram("on_call").value()->info().tag);
}

}  // namespace
}  // namespace strata
