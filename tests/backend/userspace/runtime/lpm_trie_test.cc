#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "killed_at.h"
#include "session_fixture.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {
namespace {

struct Prefix {
  std::uint32_t bits;
  std::uint8_t data[4];
};
Prefix Of(std::uint32_t bits, std::uint8_t a, std::uint8_t b = 0, std::uint8_t c = 0, std::uint8_t d = 0) {
  return {bits, {a, b, c, d}};
}

class LpmTrieTest : public RuntimeTest {
 protected:
  MapView& MakeTrie(std::uint32_t max_entries) {
    return MakeMap(MapType::kLpmTrie, sizeof(Prefix), 8, max_entries, map_flags::kNoPrealloc);
  }
  static long Put(MapView& trie, const Prefix& prefix, std::uint64_t value, std::uint64_t flags = 0) {
    return trie.ops->update(trie, &prefix, &value, flags, 0);
  }
  static long Remove(MapView& trie, const Prefix& prefix) { return trie.ops->erase(trie, &prefix); }
  static std::uint64_t Find(MapView& trie, const Prefix& prefix) {
    const auto* found = static_cast<const std::uint64_t*>(trie.ops->lookup(trie, &prefix, 0));
    return found == nullptr ? 0 : *found;
  }
  static std::size_t Count(MapView& trie) {
    Prefix key{};
    std::size_t count = 0;
    for (const Prefix* last = nullptr; trie.ops->next_key(trie, last, &key) == 0; last = &key) ++count;
    return count;
  }
  // Fills what is left of it, so that a lost or doubled node or a wrong count shows.
  static void ExpectRoomFor(MapView& trie, std::size_t more) {
    for (std::uint32_t i = 0; i < more; ++i) {
      ASSERT_EQ(Put(trie, Of(32, 200, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1), i), 0) << i;
    }
    ASSERT_EQ(Put(trie, Of(32, 201), 1), -ENOSPC);
    ASSERT_EQ(Count(trie), trie.max_entries);
  }
  static void Empty(MapView& trie) {
    Prefix key{};
    while (trie.ops->next_key(trie, nullptr, &key) == 0) ASSERT_EQ(Remove(trie, key), 0);
  }
};

TEST_F(LpmTrieTest, AFullTrieOfAnyShapeHasNodesEnough) {
  MapView& trie = MakeTrie(256);
  for (std::uint32_t i = 0; i < 256; ++i) {
    ASSERT_EQ(Put(trie, Of(32, static_cast<std::uint8_t>(i), 1, 2, 3), i), 0);  // 255 intermediate nodes
  }
  EXPECT_EQ(Put(trie, Of(0, 0), 1), -ENOSPC);
  for (std::uint32_t i = 0; i < 256; ++i) ASSERT_EQ(Remove(trie, Of(32, static_cast<std::uint8_t>(i), 1, 2, 3)), 0);
  ExpectRoomFor(trie, 256);
}

// What is there before; one change; what else may be there after it.
struct Change {
  const char* name;
  std::vector<Prefix> before;
  Prefix changed;
  bool is_removed;
};

const Change kChanges[] = {
    {"into an empty trie", {}, Of(8, 10), false},
    {"below", {Of(8, 10)}, Of(16, 10, 1), false},
    {"above", {Of(16, 10, 1)}, Of(8, 10), false},
    {"beside", {Of(16, 10, 1)}, Of(16, 10, 2), false},
    {"in place of an intermediate node", {Of(16, 10, 0x40), Of(16, 10, 0x80)}, Of(8, 10), false},
    {"the only one", {Of(8, 10)}, Of(8, 10), true},
    {"with one child", {Of(8, 10), Of(16, 10, 1)}, Of(8, 10), true},
    {"with two children", {Of(8, 10), Of(16, 10, 0x40), Of(16, 10, 0x80)}, Of(8, 10), true},
    {"below an intermediate node", {Of(16, 10, 0x40), Of(16, 10, 0x80)}, Of(16, 10, 0x80), true},
    {"below an element", {Of(8, 10), Of(16, 10, 1)}, Of(16, 10, 1), true},
};

TEST_F(LpmTrieTest, AChangeKilledAnywhereHappensAsAWholeOrNotAtAll) {
  for (const Change& change : kChanges) {
    SCOPED_TRACE(change.name);
    MapView& trie = MakeTrie(6);
    const auto prepare = [&] {
      Empty(trie);
      for (const Prefix& prefix : change.before) ASSERT_EQ(Put(trie, prefix, prefix.bits), 0);
    };
    const auto operation = [&] { change.is_removed ? Remove(trie, change.changed) : Put(trie, change.changed, 99); };
    const int killed = KilledAtEachInstruction(
        prepare, operation,
        [&](int step) {
          SCOPED_TRACE(step);
          for (const Prefix& prefix : change.before) {
            const bool is_changed = std::memcmp(&prefix, &change.changed, sizeof(prefix)) == 0;
            const std::uint64_t found = Find(trie, prefix);
            if (!is_changed) {
              ASSERT_EQ(found, prefix.bits);
            }
          }
          // The next change takes the lock over, and finds all of the room.
          ASSERT_EQ(Put(trie, Of(32, 199), 1), 0);
          ExpectRoomFor(trie, trie.max_entries - Count(trie));
        },
        2);
    EXPECT_GT(killed, 25);
  }
}

TEST_F(LpmTrieTest, LookupsAmongChangesFindTheLongestPrefixThatStays) {
  MapView& trie = MakeTrie(64);
  ASSERT_EQ(Put(trie, Of(8, 10), 8), 0);
  ASSERT_EQ(Put(trie, Of(24, 10, 1, 2), 24), 0);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::uint32_t i = 0; !stop.load(); ++i) {
      const auto b = static_cast<std::uint8_t>(i * 37);
      Put(trie, Of(16, 10, b == 1 ? 2 : b), 16);
      Put(trie, Of(20, 10, 1, 0x80), 20);
      Put(trie, Of(12, 10, 0xf0), 12);
      Remove(trie, Of(16, 10, b == 1 ? 2 : b));
      Remove(trie, Of(20, 10, 1, 0x80));
      Remove(trie, Of(12, 10, 0xf0));
    }
  });
  for (int i = 0; i < 300'000; ++i) {
    ASSERT_EQ(Find(trie, Of(32, 10, 1, 2, 3)), 24U);
    ASSERT_EQ(Find(trie, Of(32, 10, 1, 1, 3)), 8U);
    ASSERT_EQ(Find(trie, Of(32, 11)), 0U);
  }
  stop.store(true);
  writer.join();
}

TEST_F(LpmTrieTest, ThreadsThatChangeItLoseNoNode) {
  MapView& trie = MakeTrie(128);
  std::vector<std::thread> threads;
  for (std::uint8_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint32_t i = 0; i < 20'000; ++i) {
        const Prefix prefix = Of(8 + i * 7 % 25, static_cast<std::uint8_t>(i * 13 % 32), thread);
        while (Put(trie, prefix, i) == -EBUSY || Remove(trie, prefix) == -EBUSY) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Empty(trie);
  ExpectRoomFor(trie, 128);
}

TEST_F(LpmTrieTest, ReentryIsBusyAtOnceAndLookupsDoNotWait) {
  MapView& trie = MakeTrie(4);
  ASSERT_EQ(Put(trie, Of(8, 10), 8), 0);
  auto* lock = reinterpret_cast<OwnerWord*>(trie.header->kind_state);
  ASSERT_EQ(Take(process(), lock, CurrentOwner(process())), Taken::kFree);
  EXPECT_EQ(Put(trie, Of(8, 11), 1), -EBUSY);
  EXPECT_EQ(Remove(trie, Of(8, 10)), -EBUSY);
  EXPECT_EQ(Find(trie, Of(32, 10)), 8U);
  Drop(lock);
}

TEST_F(LpmTrieTest, ATreeThatWasMadeACircleHoldsNobody) {
  MapView& trie = MakeTrie(4);
  ASSERT_EQ(Put(trie, Of(8, 10), 8), 0);
  ASSERT_EQ(Put(trie, Of(16, 10, 1), 16), 0);
  const std::size_t node_size = trie.derived[0];
  for (std::size_t node = 0; node < 2; ++node) {
    auto* children = reinterpret_cast<std::uint64_t*>(trie.table + node * node_size);
    children[0] = children[1] = 1;  // the first node
  }
  EXPECT_EQ(Find(trie, Of(32, 10, 2)), 8U);
  EXPECT_EQ(Find(trie, Of(32, 11)), 0U);
  Prefix next{};
  const Prefix key = Of(16, 10, 1);
  trie.ops->next_key(trie, &key, &next);
  Put(trie, Of(24, 10, 1, 1), 1);
  Remove(trie, Of(24, 10, 1, 1));
  for (int i = 0; i < 8; ++i) reinterpret_cast<std::uint64_t*>(trie.table)[i] = ~0ULL;
  EXPECT_EQ(Find(trie, Of(32, 10)), 0U);
}

}  // namespace
}  // namespace strata::runtime
