#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "session_fixture.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {
namespace {

constexpr auto kAny = static_cast<std::uint64_t>(UpdateMode::kAny);
constexpr auto kNoExist = static_cast<std::uint64_t>(UpdateMode::kNoExist);
constexpr auto kExist = static_cast<std::uint64_t>(UpdateMode::kExist);

class HashTest : public RuntimeTest {
 protected:
  static long Put(MapView& map, std::uint64_t key, std::uint64_t value, std::uint64_t flags = kAny) {
    return map.ops->update(map, &key, &value, flags, 0);
  }
  static long Remove(MapView& map, std::uint64_t key) { return map.ops->erase(map, &key); }
  static std::uint64_t* Find(MapView& map, std::uint64_t key, std::uint32_t slot = 0) {
    return static_cast<std::uint64_t*>(map.ops->lookup(map, &key, slot));
  }
  static std::set<std::uint64_t> Keys(MapView& map) {
    std::set<std::uint64_t> keys;
    std::uint64_t key = 0;
    for (long error = map.ops->next_key(map, nullptr, &key); error == 0; error = map.ops->next_key(map, &key, &key)) {
      EXPECT_TRUE(keys.insert(key).second) << "twice: " << key;
    }
    return keys;
  }
  // The lock words of all buckets lie at the start of each 16 bytes after the free lists.
  static OwnerWord* BucketLocks(MapView& map) { return reinterpret_cast<OwnerWord*>(map.derived[0]); }
  static std::size_t BucketCount(MapView& map) { return map.derived[2] + 1; }
};

TEST_F(HashTest, FindsWhatWasPutAndLosesWhatWasRemoved) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 10);
  EXPECT_EQ(Find(map, 1), nullptr);
  ASSERT_EQ(Put(map, 1, 100), 0);
  ASSERT_EQ(Put(map, 1, 200), 0);
  ASSERT_NE(Find(map, 1), nullptr);
  EXPECT_EQ(*Find(map, 1), 200U);
  EXPECT_EQ(Remove(map, 1), 0);
  EXPECT_EQ(Remove(map, 1), -ENOENT);
  EXPECT_EQ(Find(map, 1), nullptr);
}

TEST_F(HashTest, KeepsToUpdateModes) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 10);
  EXPECT_EQ(Put(map, 1, 1, kExist), -ENOENT);
  EXPECT_EQ(Put(map, 1, 1, kNoExist), 0);
  EXPECT_EQ(Put(map, 1, 2, kNoExist), -EEXIST);
  EXPECT_EQ(Put(map, 1, 3, kExist), 0);
  EXPECT_EQ(Put(map, 1, 4, 3), -EINVAL);
  EXPECT_EQ(Put(map, 1, 4, kUpdateWithLock), -EINVAL);
  EXPECT_EQ(*Find(map, 1), 3U);
}

TEST_F(HashTest, HoldsExactlyMaxEntries) {
  for (const std::uint32_t size : {1U, 3U, 64U, 65U, 1000U, 5000U}) {
    MapView& map = MakeMap(MapType::kHash, 8, 8, size);
    for (std::uint64_t key = 0; key < size; ++key) ASSERT_EQ(Put(map, key, key), 0) << key << " of " << size;
    EXPECT_EQ(Put(map, size, 0), -E2BIG);
    EXPECT_EQ(Put(map, 0, 1, kExist), 0) << "an old key always fits";
    ASSERT_EQ(Remove(map, size / 2), 0);
    EXPECT_EQ(Put(map, size, 0), 0);
    EXPECT_EQ(Put(map, size + 1, 0), -E2BIG);
    EXPECT_EQ(Keys(map).size(), size);
  }
}

TEST_F(HashTest, DeletingOneKeyLosesNoOther) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 500);
  std::map<std::uint64_t, std::uint64_t> expected;
  for (std::uint64_t round = 0; round < 20; ++round) {
    for (std::uint64_t key = round; key < 500; key += 3)
      ASSERT_EQ(Put(map, key, expected[key] = round * 1000 + key), 0);
    for (std::uint64_t key = 0; key < 500; key += 7)
      EXPECT_EQ(Remove(map, key), expected.erase(key) == 1 ? 0 : -ENOENT);
  }
  for (const auto& [key, value] : expected) {
    ASSERT_NE(Find(map, key), nullptr) << key;
    EXPECT_EQ(*Find(map, key), value);
  }
  EXPECT_EQ(Keys(map).size(), expected.size());
}

TEST_F(HashTest, TakesKeysAndValuesOfAnySize) {
  for (const std::uint32_t key_size : {1U, 3U, 4U, 5U, 8U, 13U, 16U, 64U, 300U}) {
    MapView& map = MakeMap(MapType::kHash, key_size, 7, 50);
    for (unsigned i = 0; i < 50; ++i) {
      std::string key(key_size, static_cast<char>('A' + i));
      const std::string value = "value" + std::to_string(10 + i);
      ASSERT_EQ(map.ops->update(map, key.data(), value.data(), 0, 0), 0);
    }
    for (unsigned i = 0; i < 50; ++i) {
      std::string key(key_size, static_cast<char>('A' + i));
      const auto* value = static_cast<const char*>(map.ops->lookup(map, key.data(), 0));
      ASSERT_NE(value, nullptr) << key_size;
      EXPECT_EQ(std::string(value, 7), "value" + std::to_string(10 + i));
    }
  }
}

TEST_F(HashTest, NextKeyOfAnUnknownKeyIsTheFirstOne) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 10);
  std::uint64_t key = 77;
  std::uint64_t next = 0;
  EXPECT_EQ(map.ops->next_key(map, nullptr, &next), -ENOENT);
  EXPECT_EQ(map.ops->next_key(map, &key, &next), -ENOENT);
  ASSERT_EQ(Put(map, 5, 5), 0);
  EXPECT_EQ(map.ops->next_key(map, &key, &next), 0);
  EXPECT_EQ(next, 5U);
  EXPECT_EQ(map.ops->next_key(map, &next, &key), -ENOENT);
}

TEST_F(HashTest, TakeGivesTheValueAndRemoves) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 10);
  ASSERT_EQ(Put(map, 5, 50), 0);
  const std::uint64_t key = 5;
  std::uint64_t value = 0;
  EXPECT_EQ(map.ops->take(map, &key, &value, 0), 0);
  EXPECT_EQ(value, 50U);
  EXPECT_EQ(map.ops->take(map, &key, &value, 0), -ENOENT);
}

TEST_F(HashTest, ForEachMayDeleteWhatItVisits) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 300);
  for (std::uint64_t key = 0; key < 300; ++key) ASSERT_EQ(Put(map, key, key), 0);
  const auto visit = [](const void* key, void*, void* argument) noexcept -> long {
    auto& view = *static_cast<MapView*>(argument);
    const auto copy = *static_cast<const std::uint64_t*>(key);
    return view.ops->erase(view, &copy) == 0 ? 0 : 1;
  };
  EXPECT_EQ(map.ops->for_each(map, 0, visit, &map), 0);
  EXPECT_TRUE(Keys(map).empty());
}

TEST_F(HashTest, PerCpuUpdateFromAProgramClearsTheOtherSlotsOfANewKey) {
  MapView& map = MakeMap(MapType::kPerCpuHash, 8, 8, 4);
  const std::uint64_t key = 1;
  const std::uint64_t ones[kTestSlots] = {1, 1, 1, 1};
  ASSERT_EQ(map.ops->copy_in(map, &key, ones, 0), 0);
  ASSERT_EQ(map.ops->erase(map, &key), 0);
  const std::uint64_t value = 9;  // into the element that was just freed
  ASSERT_EQ(map.ops->update(map, &key, &value, 0, 2), 0);
  std::uint64_t all[kTestSlots];
  ASSERT_EQ(map.ops->copy_out(map, &key, all, 0), 0);
  EXPECT_EQ((std::vector<std::uint64_t>(all, all + kTestSlots)), (std::vector<std::uint64_t>{0, 0, 9, 0}));
  const std::uint64_t other = 4;
  ASSERT_EQ(map.ops->update(map, &key, &other, 0, 0), 0);
  ASSERT_EQ(map.ops->take(map, &key, all, 0), 0);
  EXPECT_EQ((std::vector<std::uint64_t>(all, all + kTestSlots)), (std::vector<std::uint64_t>{4, 0, 9, 0}));
}

TEST_F(HashTest, FourThreadsChangeDisjointKeysWithoutLoss) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 256);
  constexpr std::uint64_t kRounds = 3000;
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        const std::uint64_t key = thread + 4 * (round % 64);
        long error = Put(map, key, round);
        while (error == -EBUSY) error = Put(map, key, round);
        if (error != 0) ++failures;
        if (round % 3 == 0) {
          error = Remove(map, key);
          while (error == -EBUSY) error = Remove(map, key);
          if (error != 0) ++failures;
        } else if (const std::uint64_t* value = Find(map, key); value == nullptr || *value != round) {
          ++failures;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures.load(), 0);
  // Whatever is left, all elements are accounted for: the map can be emptied and filled to the brim.
  for (const std::uint64_t key : Keys(map)) ASSERT_EQ(Remove(map, key), 0);
  for (std::uint64_t key = 1000; key < 1256; ++key) ASSERT_EQ(Put(map, key, 0), 0);
  EXPECT_EQ(Put(map, 5000, 0), -E2BIG);
}

TEST_F(HashTest, ReadersNeverSeeAForeignKeysValueWhileElementsAreReused) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 2);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread reader([&] {
    while (!stop.load()) {
      const std::uint64_t key = 7;
      std::uint64_t value = 0;
      if (map.ops->copy_out(map, &key, &value, 0) == 0 && value != 7) ++wrong;
    }
  });
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const std::uint64_t key = i % 2 == 0 ? 7 : 8 + i % 5;
    Put(map, key, key);
    Remove(map, key);
  }
  stop.store(true);
  reader.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(HashTest, ReentryOnTheSameThreadIsBusyAtOnce) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 1);
  ASSERT_EQ(Put(map, 1, 1), 0);
  ASSERT_EQ(BucketCount(map), 1U);
  OwnerWord* lock = BucketLocks(map);
  ASSERT_EQ(Take(process(), lock, CurrentOwner(process())), Taken::kFree);
  EXPECT_EQ(Put(map, 1, 2), -EBUSY);
  EXPECT_EQ(Remove(map, 1), -EBUSY);
  EXPECT_EQ(*Find(map, 1), 1U) << "lookups do not wait";
  Drop(lock);
  EXPECT_EQ(Put(map, 1, 2), 0);
}

TEST_F(HashTest, ALivingHolderThatSleepsMakesOthersBusyAfterABound) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 1);
  ASSERT_EQ(Put(map, 1, 1), 0);
  std::atomic<int> step{0};
  std::thread holder([&] {
    EXPECT_EQ(Take(process(), BucketLocks(map), CurrentOwner(process())), Taken::kFree);
    step.store(1);
    while (step.load() == 1) std::this_thread::yield();
    Drop(BucketLocks(map));
  });
  while (step.load() == 0) std::this_thread::yield();
  EXPECT_EQ(Put(map, 1, 2), -EBUSY);
  step.store(2);
  holder.join();
  EXPECT_EQ(Put(map, 1, 2), 0);
}

TEST_F(HashTest, AKilledHolderOfEveryBucketBlocksNobody) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 64);
  for (std::uint64_t key = 0; key < 32; ++key) ASSERT_EQ(Put(map, key, key), 0);
  RunAndKill([&](const std::function<void()>& die) {
    for (std::size_t i = 0; i < BucketCount(map); ++i) BucketLocks(map)[2 * i] = CurrentOwner(process());
    die();
  });
  for (std::uint64_t key = 0; key < 64; ++key) EXPECT_EQ(Put(map, key, key + 1), 0) << key;
  for (std::uint64_t key = 0; key < 64; ++key) EXPECT_EQ(*Find(map, key), key + 1);
  EXPECT_EQ(Put(map, 64, 0), -E2BIG);
}

TEST_F(HashTest, AHolderKilledAtAnyMomentLosesNoElement) {
  MapView& map = MakeMap(MapType::kHash, 8, 32, 128);
  const auto put = [&](std::uint64_t key) {
    const std::uint64_t value[4] = {key, key, key, key};
    return map.ops->update(map, &key, value, 0, 0);
  };
  for (int round = 0; round < 60; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (std::uint64_t i = 0;; ++i) {
        put(i * 2654435761U % 128);
        Remove(map, (i * 40503U + 17) % 128);
      }
    }
    ::usleep(static_cast<unsigned>(300 + round * 37));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    // Emptied and filled to the brim: nothing is locked, nothing is lost, nothing is there twice.
    for (std::uint64_t key = 0; key < 128; ++key) {
      const long error = Remove(map, key);
      ASSERT_TRUE(error == 0 || error == -ENOENT) << error;
    }
    ASSERT_TRUE(Keys(map).empty());
    for (std::uint64_t key = 1000; key < 1128; ++key)
      ASSERT_EQ(put(key), 0) << "round " << round << ", element " << key - 1000;
    ASSERT_EQ(put(5000), -E2BIG);
    ASSERT_EQ(Keys(map).size(), 128U);
    for (std::uint64_t key = 1000; key < 1128; ++key) ASSERT_EQ(Remove(map, key), 0);
  }
}

TEST_F(HashTest, AChainThatWasMadeACircleHoldsNobody) {
  MapView& map = MakeMap(MapType::kHash, 8, 8, 4);
  ASSERT_EQ(Put(map, 1, 1), 0);
  // Behind each element's stamp is its link: all lead to element 0.
  for (std::uint32_t i = 0; i < 4; ++i) *reinterpret_cast<std::uint32_t*>(map.derived[1] + i * map.derived[3] + 8) = 1;
  EXPECT_EQ(*Find(map, 1), 1U);
  for (std::uint64_t key = 2; key < 50; ++key) EXPECT_EQ(Find(map, key), nullptr);
}

}  // namespace
}  // namespace strata::runtime
