// Timers of the userspace backend alone: started by a probe, and run by the interpreter.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "fixture.h"
#include "strata/backend/userspace/userspace_backend.h"
#include "targets.h"

namespace strata {
namespace {

struct Element {
  std::uint64_t fired;
  std::uint64_t timer[2];
};

// What the element of key 21 counted, waited for.
std::uint64_t Fired(Collection& objects) {
  auto timers = objects.FindMap<HashMap<std::uint32_t, Element>>("timers").value();
  for (int i = 0; i < 10'000; ++i) {
    const auto element = timers.Lookup(21).value();
    if (element && element->fired != 0) return element->fired;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return 0;
}

TEST(TimerOfAProbe, IsRunByTheProcessThatMadeTheMap) {
  const strata::testing::SessionFolder folder;
  auto backend = OpenBackend("userspace", {.session = "test", .runtime_folder = folder.path(), .agent_path = {}});
  ASSERT_TRUE(backend) << backend.error().message();
  auto objects = LoadCollection(*backend, std::string(STRATA_BPF_TIMER_PROBE));
  ASSERT_TRUE(objects) << objects.error().message();
  auto self = OpenExecutable("/proc/self/exe").value();
  const auto probe = self.AttachUprobe("strata_test_add", **objects->FindProgram("start"), {.pid = ::getpid()});
  ASSERT_TRUE(probe) << probe.error().message();
  strata_test_add(1, 2, 3);
  EXPECT_EQ(Fired(*objects), 21U);
}

TEST(TimerOfAProbe, IsInterpretedWhereNothingIsCompiled) {
  const strata::testing::SessionFolder folder;
  UserspaceOptions options;
  options.session = "test";
  options.runtime_folder = folder.path();
  options.engine = UserspaceEngine::kInterpreted;
  auto backend = OpenUserspaceBackend(std::move(options));
  ASSERT_TRUE(backend) << backend.error().message();
  auto objects = LoadCollection(*backend, std::string(STRATA_BPF_TIMER_PROBE));
  ASSERT_TRUE(objects) << objects.error().message();
  ASSERT_TRUE((*objects->FindProgram("start"))->TestRun());
  EXPECT_EQ(Fired(*objects), 21U);
}

TEST(TimerOfAProbe, ItsThreadEndsWithTheMap) {
  const strata::testing::SessionFolder folder;
  auto backend = OpenBackend("userspace", {.session = "test", .runtime_folder = folder.path(), .agent_path = {}});
  ASSERT_TRUE(backend) << backend.error().message();
  for (int i = 0; i < 20; ++i) {
    auto objects = LoadCollection(*backend, std::string(STRATA_BPF_TIMER_PROBE));
    ASSERT_TRUE(objects) << objects.error().message();
    ASSERT_TRUE((*objects->FindProgram("start"))->TestRun());
  }
  int threads = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) ++threads;
  EXPECT_EQ(threads, 1);
}

}  // namespace
}  // namespace strata
