// Longest prefix match tries, from user space and in programs.
#include "map_kinds_fixture.h"

namespace strata {
namespace {

using namespace strata::testing;  // NOLINT: its helpers are this file's vocabulary
using Prefix = PrefixKey<4>;
using Trie = LpmTrie<Prefix, std::uint64_t>;

Prefix Of(std::uint32_t bits, std::uint8_t a, std::uint8_t b = 0, std::uint8_t c = 0, std::uint8_t d = 0) {
  return {bits, {a, b, c, d}};
}

template <typename T>
class LpmTrieTest : public MapKindsTest<T> {
 protected:
  Trie MakeTrie(std::uint32_t max_entries = 16) {
    return Trie::From(this->CreateMap(MapType::kLpmTrie, 8, 8, max_entries, map_flags::kNoPrealloc)).value();
  }
};
TYPED_TEST_SUITE(LpmTrieTest, BackendKinds, BackendNames);

TYPED_TEST(LpmTrieTest, FindsTheLongestPrefix) {
  Trie trie = this->MakeTrie();
  EXPECT_FALSE(trie.Lookup(Of(32, 10))->has_value());
  for (const Prefix& prefix : {Of(0, 0), Of(8, 10), Of(16, 10, 1), Of(17, 10, 1, 0x80), Of(32, 10, 1, 2, 3)})
    ASSERT_TRUE(trie.Update(prefix, prefix.prefix_bits));
  EXPECT_EQ(**trie.Lookup(Of(32, 9)), 0U);
  EXPECT_EQ(**trie.Lookup(Of(32, 10, 2)), 8U);
  EXPECT_EQ(**trie.Lookup(Of(32, 10, 1, 2)), 16U);
  EXPECT_EQ(**trie.Lookup(Of(32, 10, 1, 0x81)), 17U);
  EXPECT_EQ(**trie.Lookup(Of(32, 10, 1, 2, 3)), 32U);
  EXPECT_EQ(**trie.Lookup(Of(16, 10, 1, 2, 3)), 16U) << "bits behind the prefix do not count";
  EXPECT_FALSE(trie.Lookup(Of(33, 10))->has_value());
}

TYPED_TEST(LpmTrieTest, KeepsToUpdateModesAndSizes) {
  Trie trie = this->MakeTrie(2);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 10), 1, UpdateMode::kExist)), ENOENT);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 10), 1, UpdateMode::kNoExist)), 0);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 10), 2, UpdateMode::kNoExist)), EEXIST);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 10), 3, UpdateMode::kExist)), 0);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 10), 3, static_cast<UpdateMode>(3))), EINVAL);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(33, 10), 3)), EINVAL);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(33, 10), 3, UpdateMode::kNoExist)), EINVAL);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 11), 4)), 0);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 12), 5)), ENOSPC);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 12), 5, UpdateMode::kExist)), ENOENT);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 11), 6)), 0);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(7, 10), 6)), ENOSPC) << "an intermediate node is no element";
}

TYPED_TEST(LpmTrieTest, DeletesExactlyThePrefix) {
  Trie trie = this->MakeTrie();
  for (const Prefix& prefix : {Of(8, 10), Of(16, 10, 0x40), Of(16, 10, 0x80)})
    ASSERT_TRUE(trie.Update(prefix, prefix.prefix_bits));
  EXPECT_EQ(ErrnoOf(trie.Delete(Of(9, 10))), ENOENT);
  EXPECT_EQ(ErrnoOf(trie.Delete(Of(33, 10))), EINVAL);
  EXPECT_EQ(ErrnoOf(trie.Delete(Of(8, 10))), 0);
  EXPECT_EQ(ErrnoOf(trie.Delete(Of(8, 10))), ENOENT) << "its node stays for the two below";
  EXPECT_FALSE(trie.Lookup(Of(32, 10, 1))->has_value());
  EXPECT_EQ(**trie.Lookup(Of(32, 10, 0x40)), 16U);
  EXPECT_EQ(ErrnoOf(trie.Update(Of(8, 10), 5, UpdateMode::kNoExist)), 0);
  EXPECT_EQ(**trie.Lookup(Of(32, 10, 1)), 5U);
}

TYPED_TEST(LpmTrieTest, HasNoOtherOperations) {
  Map map = this->CreateMap(MapType::kLpmTrie, 8, 8, 4, map_flags::kNoPrealloc);
  std::uint64_t value = 1;
  const Prefix key = Of(8, 10);
  ASSERT_TRUE(map.Update(Bytes(key), Bytes(value)));
  EXPECT_EQ(ErrnoOf(map.LookupAndDelete(Bytes(key), Writable(value))), 524);
  EXPECT_EQ(ErrnoOf(map.Update(Bytes(key), Bytes(value), UpdateMode::kLock)), EINVAL);
}

TYPED_TEST(LpmTrieTest, CreationChecksSizesAndFlags) {
  constexpr std::uint32_t kFlags = map_flags::kNoPrealloc;
  const MapSpec bad[] = {this->SpecOf(MapType::kLpmTrie, 8, 8, 1),
                         this->SpecOf(MapType::kLpmTrie, 4, 8, 1, kFlags),
                         this->SpecOf(MapType::kLpmTrie, 261, 8, 1, kFlags),
                         this->SpecOf(MapType::kLpmTrie, 8, 0, 1, kFlags),
                         this->SpecOf(MapType::kLpmTrie, 8, 8, 0, kFlags),
                         this->SpecOf(MapType::kLpmTrie, 8, 5 << 20, 1, kFlags),
                         this->SpecOf(MapType::kLpmTrie, 8, 8, 1, kFlags | map_flags::kZeroSeed)};
  for (const MapSpec& spec : bad) EXPECT_EQ(this->CreationErrno(spec), EINVAL);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kLpmTrie, 260, 1, 1, kFlags)), 0);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kLpmTrie, 8, (4 << 20) - 280, 1, kFlags)), 0);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(MapType::kLpmTrie, 8, (4 << 20) - 279, 1, kFlags)), EINVAL);
}

TYPED_TEST(LpmTrieTest, ProgramsLookUpUpdateAndDelete) {
  this->LoadObjects(STRATA_BPF_MAP_KINDS);
  Request request{.operation = Request::kUpdate, .prefix_bits = 8, .value = 80, .data = {10}};
  EXPECT_EQ(this->ResultOf("use_trie", request), 0);
  request.flags = 1;
  EXPECT_EQ(this->ResultOf("use_trie", request), -EEXIST);
  request.flags = 4;
  EXPECT_EQ(this->ResultOf("use_trie", request), -EINVAL);
  const Request found = this->Run("use_trie", {.operation = Request::kLookup, .prefix_bits = 32, .data = {10, 1, 2}});
  EXPECT_EQ(found.result, 0);
  EXPECT_EQ(found.value, 80U);
  EXPECT_EQ(this->ResultOf("use_trie", {.operation = Request::kDelete, .prefix_bits = 16, .data = {10}}), -ENOENT);
  EXPECT_EQ(this->ResultOf("use_trie", {.operation = Request::kDelete, .prefix_bits = 8, .data = {10}}), 0);
}

class LpmTrieOnBoth : public BothBackends {
 protected:
  // All keys, in the map's order, and after each unknown key the one that follows.
  static std::vector<std::vector<std::byte>> KeysOf(const Map& map) {
    std::vector<std::vector<std::byte>> keys;
    std::vector<std::byte> key(map.info().key_size);
    std::optional<std::span<const std::byte>> last;
    while (*map.backend_map()->NextKey(last, key)) {
      keys.push_back(key);
      last = keys.back();
      if (keys.size() > 1000) break;
    }
    return keys;
  }
};

TEST_F(LpmTrieOnBoth, RandomOperationsHaveTheSameResults) {
  std::mt19937_64 random(11'2720'26);
  for (const std::uint32_t data_size : {1U, 4U, 11U, 16U}) {
    MapSpec spec;
    spec.name = "same";
    spec.type = MapType::kLpmTrie;
    spec.key_size = 4 + data_size;
    spec.value_size = 8;
    spec.max_entries = 40;
    spec.flags = map_flags::kNoPrealloc;
    std::vector<Map> maps = CreateMaps(spec);
    for (int i = 0; i < 25'000; ++i) {
      // Few different bytes, so that prefixes meet; bits behind the prefix are random, too.
      std::vector<std::byte> key(spec.key_size);
      const auto bits = static_cast<std::uint32_t>(random() % (data_size * 8 + (i % 50 == 0 ? 2 : 1)));
      std::memcpy(key.data(), &bits, sizeof(bits));
      for (std::size_t byte = 4; byte < key.size(); ++byte) key[byte] = static_cast<std::byte>(random() % 4 << 6);
      key.back() |= static_cast<std::byte>(random() % 4);
      const std::uint64_t choice = random() % 10;
      const std::uint64_t pushed = random();
      std::uint64_t values[2] = {};
      int errors[2] = {};
      for (std::size_t side = 0; side < 2; ++side) {
        if (choice < 4) {
          errors[side] = ErrnoOf(maps[side].Update(key, Bytes(pushed), static_cast<UpdateMode>(choice)));
        } else if (choice < 7) {
          errors[side] = ErrnoOf(maps[side].Delete(key));
        } else {
          errors[side] = ErrnoOf(maps[side].Lookup(key, Writable(values[side])));
        }
      }
      ASSERT_EQ(errors[0], errors[1]) << "operation " << i << " " << choice;
      ASSERT_EQ(values[0], values[1]) << "operation " << i;
      if (i % 100 == 0) {
        ASSERT_EQ(KeysOf(maps[0]), KeysOf(maps[1])) << "operation " << i;
      }
    }
    EXPECT_FALSE(KeysOf(maps[0]).empty());
  }
}

}  // namespace
}  // namespace strata
