// All elements of a map, also while it changes.
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using ::testing::ElementsAre;
using ::testing::Pair;

template <typename T>
class IterationTest : public BackendTest<T> {
 protected:
  using Hash = HashMap<std::uint32_t, std::uint32_t>;
  Hash MakeHash(std::uint32_t max_entries) {
    return Hash::From(this->CreateMap(MapType::kHash, 4, 4, max_entries)).value();
  }
};
TYPED_TEST_SUITE(IterationTest, BackendKinds, BackendNames);

TYPED_TEST(IterationTest, EntriesAreARange) {
  auto map = this->MakeHash(4);
  ASSERT_TRUE(map.Update(1, 10));
  ASSERT_TRUE(map.Update(2, 20));
  std::map<std::uint32_t, std::uint32_t> seen;
  for (const auto& [key, value] : map.Entries()) seen.emplace(key, value);
  EXPECT_THAT(seen, ElementsAre(Pair(1, 10), Pair(2, 20)));
}

TYPED_TEST(IterationTest, EntriesOutliveTheViewAndTheBackendsName) {
  auto entries = [&] {
    auto map = this->MakeHash(4);
    EXPECT_TRUE(map.Update(1, 10));
    return map.Entries();
  }();
  this->backend_.reset();
  std::uint32_t sum = 0;
  for (const auto& [key, value] : entries) sum += key + value;
  EXPECT_EQ(sum, 11U);
  EXPECT_TRUE(entries.status());
}

TYPED_TEST(IterationTest, ArraysAndPerCpuMapsAreRangesToo) {
  auto array = Array<std::uint64_t>::From(this->CreateMap(MapType::kArray, 4, 8, 3)).value();
  ASSERT_TRUE(array.Update(2, 7));
  std::vector<std::pair<std::uint32_t, std::uint64_t>> seen;
  for (const auto& entry : array.Entries()) seen.push_back(entry);
  EXPECT_THAT(seen, ElementsAre(Pair(0, 0), Pair(1, 0), Pair(2, 7)));
  auto per_cpu =
      PerCpuHashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kPerCpuHash, 4, 4, 2)).value();
  ASSERT_TRUE(per_cpu.Update(5, std::vector<std::uint32_t>(this->backend_->possible_cpus(), 2)));
  EXPECT_THAT(*per_cpu.Sums(), ElementsAre(Pair(5, 2 * this->backend_->possible_cpus())));
  EXPECT_EQ(**per_cpu.Sum(5), 2 * this->backend_->possible_cpus());
  EXPECT_FALSE(per_cpu.Sum(6)->has_value());
}

TYPED_TEST(IterationTest, MoreElementsThanOneBatchAreSeenOnce) {
  constexpr std::uint32_t kCount = 50'000;
  auto map = this->MakeHash(kCount);
  for (std::uint32_t key = 0; key < kCount; ++key) ASSERT_TRUE(map.Update(key, ~key));
  std::vector<bool> seen(kCount);
  std::uint32_t count = 0;
  ASSERT_TRUE(map.ForEach([&](std::uint32_t key, std::uint32_t value) {
    EXPECT_EQ(value, ~key);
    EXPECT_FALSE(seen.at(key)) << key;
    seen[key] = true;
    ++count;
  }));
  EXPECT_EQ(count, kCount);
}

TYPED_TEST(IterationTest, AVisitorMayDeleteEveryElement) {
  constexpr std::uint32_t kCount = 20'000;
  auto map = this->MakeHash(kCount);
  for (std::uint32_t key = 0; key < kCount; ++key) ASSERT_TRUE(map.Update(key, key));
  std::uint32_t count = 0;
  const auto done = map.ForEach([&](std::uint32_t key, std::uint32_t) {
    EXPECT_TRUE(*map.Delete(key));
    ++count;
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(count, kCount);
  EXPECT_TRUE(map.Snapshot()->empty());
}

TYPED_TEST(IterationTest, AVisitorMayEndIt) {
  const Map map = this->CreateMap(MapType::kArray, 4, 4, 10);
  int count = 0;
  ASSERT_TRUE(map.ForEach([&](auto, auto) { return ++count < 3; }));
  EXPECT_EQ(count, 3);
}

// Even keys stay, odd ones come and go in another thread.
TYPED_TEST(IterationTest, ElementsThatStayAreSeenOnceWhileOthersComeAndGo) {
  constexpr std::uint32_t kCount = 4000;
  auto map = this->MakeHash(kCount);
  for (std::uint32_t key = 0; key < kCount; key += 2) ASSERT_TRUE(map.Update(key, key));
  std::atomic<bool> stop = false;
  std::thread other([&, churned = map]() mutable {
    for (std::uint32_t key = 1; !stop; key = (key + 2) % kCount) {
      EXPECT_TRUE(churned.Update(key, key));
      EXPECT_TRUE(churned.Delete((key + kCount - 20) % kCount | 1U));
    }
  });
  int complete = 0;
  for (int round = 0; round < 20; ++round) {
    std::set<std::uint32_t> seen;
    const auto done = map.ForEach([&](std::uint32_t key, std::uint32_t) {
      if (key % 2 == 0) {
        EXPECT_TRUE(seen.insert(key).second) << key;
      }
    });
    if (!done) {  // the only way out that is allowed
      EXPECT_EQ(done.error().code(), ErrorCode::kBusy) << done.error().message();
      continue;
    }
    EXPECT_EQ(seen.size(), kCount / 2);
    ++complete;
  }
  stop = true;
  other.join();
  EXPECT_GT(complete, 0);
}

TYPED_TEST(IterationTest, AnIteratorSaysWhatEndedIt) {
  const Map ring = this->CreateMap(MapType::kRingBuf, 0, 0, 4096);
  MapIterator elements(ring);
  EXPECT_FALSE(elements.Next());
  ASSERT_FALSE(elements.status());
  EXPECT_EQ(elements.status().error().code(), ErrorCode::kNotSupported) << elements.status().error().message();
}

}  // namespace
}  // namespace strata
