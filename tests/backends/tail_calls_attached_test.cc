// Tail calls of attached programs: the targets are opened at the first event that meets them, in the process that has
// it.
#include <unistd.h>

#include <thread>
#include <vector>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

template <typename T>
class AttachedTailCallTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_TAIL_CALLS_ATTACHED));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  Uprobe Attach() {
    const auto self = OpenExecutable("/proc/self/exe").value();
    return self.AttachUprobe("strata_test_add", **objects_->FindProgram("on_first"), {.pid = ::getpid()}).value();
  }
  std::uint64_t Sum(std::uint32_t slot) {
    const auto values = objects_->template FindMap<PerCpuArray<std::uint64_t>>("sums")->Lookup(slot).value().value();
    std::uint64_t sum = 0;
    for (const std::uint64_t value : values) sum += value;
    return sum;
  }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(AttachedTailCallTest, BackendKinds, BackendNames);

TYPED_TEST(AttachedTailCallTest, TargetsSeeTheEvent) {
  const Uprobe probe = this->Attach();
  for (long i = 0; i < 10; ++i) strata_test_add(i, 100, 0);
  EXPECT_EQ(this->Sum(0), 45U);
}

TYPED_TEST(AttachedTailCallTest, TargetsAreReplacedWhileEventsHappen) {
  const Uprobe probe = this->Attach();
  auto targets = this->objects_->template FindMap<ProgArray>("targets").value();
  strata_test_add(1, 100, 0);
  ASSERT_TRUE(targets.Update(1, **this->objects_->FindProgram("on_third")));
  strata_test_add(1, 100, 0);
  ASSERT_TRUE(*targets.Delete(1));
  strata_test_add(1, 100, 0);
  EXPECT_EQ(this->Sum(0), 1U);
  EXPECT_EQ(this->Sum(1), 100U);
}

TYPED_TEST(AttachedTailCallTest, NoEventIsLostWhenThreadsMeetATargetFirst) {
  const Uprobe probe = this->Attach();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int event = 0; event < 500; ++event) strata_test_add(1, 0, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(this->Sum(0), 2000U);
}

TYPED_TEST(AttachedTailCallTest, DetachingAndAttachingAgain) {
  for (int i = 0; i < 3; ++i) {
    const Uprobe probe = this->Attach();
    strata_test_add(5, 0, 0);
  }
  strata_test_add(5, 0, 0);
  EXPECT_EQ(this->Sum(0), 15U);
}

}  // namespace
}  // namespace strata
