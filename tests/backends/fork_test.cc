// fork(): what a child does with its copies of its parent's handles is the child's own affair.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

std::set<int> OpenDescriptors() {
  std::set<int> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    open.insert(std::stoi(entry.path().filename()));
  }
  std::erase_if(open, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });  // the listing's own
  return open;
}

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

  const std::set<int> before_ = OpenDescriptors();  // before the backend is opened
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

TYPED_TEST(ForkTest, NoDescriptorIsInheritedByAProgramThatIsExecuted) {
  auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_VARIABLES)).value();
  const Map ring = this->CreateMap(MapType::kRingBuf, 0, 0, 4096);
  const auto reader = RingReader::Open(ring).value();
  const auto poller = EventPoller::Make().value();
  const auto self = OpenExecutable("/proc/self/exe").value();
  const auto probe =
      self.AttachUprobe("strata_test_call", **objects.FindProgram("on_call"), {.pid = ::getpid()}).value();
  int made = 0;
  for (const int fd : OpenDescriptors()) {
    if (this->before_.contains(fd)) continue;
    ++made;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << fd;
  }
  EXPECT_GE(made, 5);
}

TYPED_TEST(ForkTest, AChildSharesTheMapsOfItsParent) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 4)).value();
  this->InChild([&] { static_cast<void>(map.Update(1, 2)); });
  EXPECT_EQ(map.Lookup(1).value(), 2U);
}

}  // namespace
}  // namespace strata
