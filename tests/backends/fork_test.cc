// fork(): what a child does with its copies of its parent's handles is the child's own affair.
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

template <typename T>
class ForkTest : public BackendTest<T> {
 protected:
  // Runs `body` in a child, which ends without the destructors of what it did not touch.
  static void InChild(const std::function<void()>& body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      body();
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
};
TYPED_TEST_SUITE(ForkTest, BackendKinds, BackendNames);

TYPED_TEST(ForkTest, AChildThatDestroysItsCopiesTakesNothingFromItsParent) {
  std::optional<Collection> objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  const auto self = OpenExecutable("/proc/self/exe").value();
  std::optional<Uprobe> probe =
      self.AttachUprobe("strata_test_call", **objects->FindProgram("on_call"), {.pid = ::getpid()}).value();
  strata_test_call(7);
  this->InChild([&] {
    probe.reset();
    objects.reset();
    this->backend_.reset();
  });
  strata_test_call(7);
  EXPECT_EQ(*objects->FindVariable("matches")->template Get<std::uint64_t>(), 2U);
  probe.reset();
  strata_test_call(7);
  EXPECT_EQ(*objects->FindVariable("matches")->template Get<std::uint64_t>(), 2U);
}

TYPED_TEST(ForkTest, AChildSharesTheMapsOfItsParent) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 4)).value();
  this->InChild([&] { static_cast<void>(map.Update(1, 2)); });
  EXPECT_EQ(map.Lookup(1).value(), 2U);
}

}  // namespace
}  // namespace strata
