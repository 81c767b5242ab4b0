// Operations in a signal handler that interrupts others of the same thread.
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <cerrno>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kKeys = 16;
constexpr std::uint64_t kFromHandler = 1'000'000;  // values that the handler writes begin here

struct HandlerState {
  MapView* map = nullptr;
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> busy{0};
  std::atomic<std::uint64_t> wrong{0};
};
HandlerState* handler_state = nullptr;

void ChangeFromHandler(int /*signal*/) {
  HandlerState& state = *handler_state;
  const std::uint64_t key = (state.done + state.busy) % kKeys;
  const std::uint64_t value = kFromHandler + key;
  switch (state.map->ops->update(*state.map, &key, &value, 0, 0)) {
    case 0:
      ++state.done;
      break;
    case -EBUSY:
      ++state.busy;
      break;
    default:
      ++state.wrong;
  }
}

// A timer that interrupts this process all the time, while it lives.
class Interruptions {
 public:
  Interruptions() {
    struct sigaction action {};
    action.sa_handler = ChangeFromHandler;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGALRM, &action, &before_);
    const itimerval often{{0, 50}, {0, 50}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
  }
  ~Interruptions() {
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
};

class ReentryTest : public RuntimeTest, public ::testing::WithParamInterface<MapType> {};

TEST_P(ReentryTest, IsDoneOrBusyAndNeverWaitsForItsOwnThread) {
  MapView& map = MakeMap(GetParam(), 8, 8, kKeys);
  HandlerState state;
  state.map = &map;
  handler_state = &state;
  {
    const Interruptions interruptions;
    for (std::uint64_t i = 0; state.done + state.busy < 300; ++i) {
      const std::uint64_t key = i % kKeys;
      ASSERT_EQ(map.ops->update(map, &key, &key, 0, 0), 0);
      if (i % 3 == 0) {
        ASSERT_EQ(map.ops->erase(map, &key), 0);
      }
    }
  }
  EXPECT_EQ(state.wrong, 0U);
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    std::uint64_t value = key;
    if (map.ops->copy_out(map, &key, &value, 0) == 0) {
      EXPECT_TRUE(value == key || value == kFromHandler + key) << value;
    }
    EXPECT_EQ(map.ops->update(map, &key, &key, 0, 0), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Hashes, ReentryTest, ::testing::Values(MapType::kHash, MapType::kLruHash),
                         [](const auto& kind) { return kind.param == MapType::kHash ? "hash" : "lru_hash"; });

// The element is another key's by now, as in the kernel's preallocated maps, but the memory is the map's.
TEST_F(RuntimeTest, AValueThatWasLookedUpStaysMemoryOfTheMap) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 1);
  std::uint64_t key = 1;
  std::uint64_t value = 11;
  ASSERT_EQ(map.ops->update(map, &key, &value, 0, 0), 0);
  const auto* found = static_cast<const std::uint64_t*>(map.ops->lookup(map, &key, 0));
  ASSERT_NE(found, nullptr);
  ASSERT_EQ(map.ops->erase(map, &key), 0);
  EXPECT_EQ(*found, 11U);
  key = 2;
  value = 22;
  ASSERT_EQ(map.ops->update(map, &key, &value, 0, 0), 0);
  EXPECT_EQ(*found, 22U);
}

}  // namespace
}  // namespace strata::runtime
