// Many threads and processes on one map: nothing of anybody is lost, and in the end every element is accounted for.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "session_fixture.h"
#include "support/sanitizers.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kOwnKeys = 16;     // by thread: what nobody else touches
constexpr std::uint64_t kSharedKeys = 24;  // of all threads
constexpr std::uint64_t kThreads = 4;

struct Stress {
  const char* name;
  MapType type;
  bool may_evict;
};

class HashStressTest : public RuntimeTest, public ::testing::WithParamInterface<Stress> {
 protected:
  static bool IsPerCpu() {
    return GetParam().type == MapType::kPerCpuHash || GetParam().type == MapType::kLruPerCpuHash;
  }

  long Put(MapView& map, std::uint64_t key, std::uint64_t value, std::uint32_t slot) {
    long error = 0;
    do {
      error = map.ops->update(map, &key, &value, 0, slot);
    } while (error == -EBUSY);
    return error;
  }
  long Remove(MapView& map, std::uint64_t key) {
    long error = 0;
    do {
      error = map.ops->erase(map, &key);
    } while (error == -EBUSY);
    return error;
  }

  // How often a key of the own was not what this thread had made it.
  int Run(MapView& map, std::uint64_t thread, int rounds) {
    std::mt19937_64 random(thread);
    const std::uint32_t slot = IsPerCpu() ? static_cast<std::uint32_t>(thread % kTestSlots) : 0;
    int failures = 0;
    for (int round = 0; round < rounds; ++round) {
      const std::uint64_t own = 1000 + thread * kOwnKeys + random() % kOwnKeys;
      const std::uint64_t value = random();
      if (Put(map, own, value, slot) != 0) ++failures;
      const auto* found = static_cast<const std::uint64_t*>(map.ops->lookup(map, &own, slot));
      if (!GetParam().may_evict && (found == nullptr || *found != value)) ++failures;
      const long removed = Remove(map, own);
      if (removed != 0 && !GetParam().may_evict) ++failures;
      const std::uint64_t shared = random() % kSharedKeys;
      if (Put(map, shared, shared, slot) != 0) ++failures;
      if (random() % 2 == 0) Remove(map, random() % kSharedKeys);
    }
    return failures;
  }

  int RunThreads(MapView& map, std::uint64_t first, int rounds, std::uint64_t thread_count = kThreads) {
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < thread_count; ++i)
      threads.emplace_back([&, i] { failures += Run(map, first + i, rounds); });
    for (std::thread& thread : threads) thread.join();
    return failures;
  }

  // Emptied, then filled to the brim.
  void CheckCapacity(MapView& map) {
    std::vector<std::uint64_t> keys;
    std::uint64_t key = 0;
    for (long error = map.ops->next_key(map, nullptr, &key); error == 0; error = map.ops->next_key(map, &key, &key))
      keys.push_back(key);
    for (const std::uint64_t present : keys) ASSERT_EQ(Remove(map, present), 0) << present;
    for (key = 0; key < map.max_entries; ++key) ASSERT_EQ(Put(map, 1 << 20 | key, key, 0), 0) << key;
    std::uint32_t count = 0;
    for (long error = map.ops->next_key(map, nullptr, &key); error == 0; error = map.ops->next_key(map, &key, &key))
      ++count;
    EXPECT_EQ(count, map.max_entries);
  }
};

TEST_P(HashStressTest, FourThreadsLoseNothing) {
  MapView& map = MakeMap(GetParam().type, 8, 8, kSharedKeys + kThreads);
  EXPECT_EQ(RunThreads(map, 0, 5000), 0);
  CheckCapacity(map);
}

TEST_P(HashStressTest, EightProcessesOfFourThreadsLoseNothing) {
  constexpr std::uint64_t kProcesses = 8;
  constexpr std::uint64_t kThreadsOfEach = test::kHasThreadSanitizer ? 1 : kThreads;
  MapView& map = MakeMap(GetParam().type, 8, 8, kSharedKeys + kProcesses * kThreads);
  std::vector<pid_t> children;
  for (std::uint64_t i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(RunThreads(map, i * kThreads, 400, kThreadsOfEach) == 0 ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  CheckCapacity(map);
}

INSTANTIATE_TEST_SUITE_P(Hash, HashStressTest,
                         ::testing::Values(Stress{"hash", MapType::kHash, false},
                                           Stress{"percpu_hash", MapType::kPerCpuHash, false},
                                           Stress{"lru_hash", MapType::kLruHash, true},
                                           Stress{"lru_percpu_hash", MapType::kLruPerCpuHash, true}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace strata::runtime
