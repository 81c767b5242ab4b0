// Batches on the kinds beyond arrays and hashes: tries, LRU hashes, maps of maps.
#include <map>
#include <numeric>
#include <vector>

#include "map_kinds_fixture.h"

namespace strata {
namespace {

using namespace strata::testing;  // NOLINT: its helpers are this file's vocabulary
using Keys = std::vector<std::uint64_t>;

Keys Range(std::uint64_t first, std::size_t count) {
  Keys all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

// A key of eight bytes: the length, then an IPv4 prefix.
std::uint64_t PrefixOf(std::uint32_t bits, std::uint8_t first, std::uint8_t second = 0) {
  return bits | std::uint64_t{first} << 32 | std::uint64_t{second} << 40;
}

int ErrnoOf(const BatchResult& result) { return testing::ErrnoOf(result.status); }

// Keys and values of eight bytes, or what a per-CPU kind has of values.
template <typename T>
class BatchKindsTest : public BackendTest<T> {
 protected:
  using Elements = std::map<std::uint64_t, std::vector<std::uint64_t>>;

  static BatchResult Update(Map& map, const Keys& keys, UpdateMode mode = UpdateMode::kAny) {
    const std::size_t words = map.info().element_size / 8;
    std::vector<std::uint64_t> values;
    for (const std::uint64_t key : keys) {
      for (std::size_t word = 0; word < words; ++word) values.push_back(ValueOf(key, word));
    }
    return map.UpdateBatch(std::as_bytes(std::span(keys)), std::as_bytes(std::span(values)), mode);
  }
  static BatchResult Delete(Map& map, const Keys& keys) { return map.DeleteBatch(std::as_bytes(std::span(keys))); }
  static std::uint64_t ValueOf(std::uint64_t key, std::size_t word) { return key * 1000 + word; }

  // A walk from end to end, at most `room` elements at a time. Sees to it that no key comes twice.
  static Elements Read(Map& map, std::size_t room, BatchAction action = BatchAction::kCopy) {
    const std::size_t words = map.info().element_size / 8;
    Elements seen;
    for (BatchCursor cursor; !cursor.is_at_end;) {
      Keys keys(room);
      std::vector<std::uint64_t> values(room * words);
      const auto key_bytes = std::as_writable_bytes(std::span(keys));
      const auto value_bytes = std::as_writable_bytes(std::span(values));
      const BatchResult result = action == BatchAction::kTake ? map.LookupAndDeleteBatch(cursor, key_bytes, value_bytes)
                                                              : map.LookupBatch(cursor, key_bytes, value_bytes);
      EXPECT_TRUE(result) << result.error().message();
      if (!result) break;
      for (std::size_t i = 0; i < result.count; ++i) {
        const auto* value = values.data() + i * words;
        EXPECT_TRUE(seen.emplace(keys[i], std::vector(value, value + words)).second) << keys[i];
      }
    }
    return seen;
  }

  static Elements Expected(const Map& map, const Keys& keys) {
    Elements elements;
    for (const std::uint64_t key : keys) {
      for (std::size_t word = 0; word < map.info().element_size / 8; ++word)
        elements[key].push_back(ValueOf(key, word));
    }
    return elements;
  }

  Map MakeTrie(std::uint32_t max_entries) {
    return this->CreateMap(MapType::kLpmTrie, 8, 8, max_entries, map_flags::kNoPrealloc);
  }
};
TYPED_TEST_SUITE(BatchKindsTest, BackendKinds, BackendNames);

TYPED_TEST(BatchKindsTest, TriesAreWrittenReadAndEmptied) {
  Map trie = this->MakeTrie(100);
  Keys prefixes;
  for (std::uint8_t i = 1; i <= 20; ++i) prefixes.insert(prefixes.end(), {PrefixOf(8, i), PrefixOf(16, i, i)});
  EXPECT_EQ(this->Update(trie, prefixes).count, 40U);
  EXPECT_EQ(this->Read(trie, 7), this->Expected(trie, prefixes));
  const Keys some = {PrefixOf(8, 3), PrefixOf(16, 3, 3), PrefixOf(24, 3, 3), PrefixOf(8, 4)};
  const BatchResult deleted = this->Delete(trie, some);
  EXPECT_EQ(deleted.count, 2U);
  EXPECT_EQ(ErrnoOf(deleted), ENOENT);
  EXPECT_EQ(deleted.error().code(), ErrorCode::kKeyNotExist);
  EXPECT_EQ(this->Read(trie, 100).size(), 38U);
}

TYPED_TEST(BatchKindsTest, TriesStopWhereAnElementIsRefused) {
  Map trie = this->MakeTrie(3);
  const BatchResult impossible = this->Update(trie, {PrefixOf(8, 1), PrefixOf(33, 2), PrefixOf(8, 3)});
  EXPECT_EQ(impossible.count, 1U);
  EXPECT_EQ(ErrnoOf(impossible), EINVAL);
  const BatchResult full = this->Update(trie, {PrefixOf(8, 2), PrefixOf(8, 3), PrefixOf(8, 4), PrefixOf(8, 5)});
  EXPECT_EQ(full.count, 2U);
  EXPECT_EQ(ErrnoOf(full), ENOSPC);
  const BatchResult existing = this->Update(trie, {PrefixOf(8, 1)}, UpdateMode::kNoExist);
  EXPECT_EQ(existing.count, 0U);
  EXPECT_EQ(ErrnoOf(existing), EEXIST);
  EXPECT_EQ(this->Read(trie, 2).size(), 3U);
}

TYPED_TEST(BatchKindsTest, NothingIsTakenOutOfTries) {
  Map trie = this->MakeTrie(10);
  ASSERT_TRUE(this->Update(trie, {PrefixOf(8, 1), PrefixOf(8, 2)}));
  Keys keys(2);
  Keys values(2);
  BatchCursor cursor;
  const BatchResult result = trie.LookupAndDeleteBatch(cursor, std::as_writable_bytes(std::span(keys)),
                                                       std::as_writable_bytes(std::span(values)));
  EXPECT_EQ(result.count, 0U);
  EXPECT_EQ(ErrnoOf(result), 524);  // ENOTSUPP, the kernel's own
  EXPECT_EQ(this->Read(trie, 10).size(), 2U);
}

TYPED_TEST(BatchKindsTest, LruHashesAreWrittenReadTakenAndEmptied) {
  for (const MapType type : {MapType::kLruHash, MapType::kLruPerCpuHash}) {
    Map map = this->CreateMap(type, 8, 8, 4096);
    const Keys all = Range(1, 200);
    EXPECT_EQ(this->Update(map, all).count, 200U);
    EXPECT_EQ(this->Read(map, 64), this->Expected(map, all));
    const BatchResult existing = this->Update(map, {1000, 5, 1001}, UpdateMode::kNoExist);
    EXPECT_EQ(existing.count, 1U);
    EXPECT_EQ(ErrnoOf(existing), EEXIST);
    const BatchResult deleted = this->Delete(map, {1, 1000, 2000, 2});
    EXPECT_EQ(deleted.count, 2U);
    EXPECT_EQ(ErrnoOf(deleted), ENOENT);
    EXPECT_EQ(this->Read(map, 64, BatchAction::kTake), this->Expected(map, Range(2, 199)));
    EXPECT_TRUE(this->Read(map, 64).empty());
  }
}

TYPED_TEST(BatchKindsTest, LruHashesMakeRoomForABatch) {
  for (const MapType type : {MapType::kLruHash, MapType::kLruPerCpuHash}) {
    Map map = this->CreateMap(type, 8, 8, 512);
    const BatchResult result = this->Update(map, Range(0, 2000));
    EXPECT_TRUE(result) << result.error().message();
    EXPECT_EQ(result.count, 2000U);
    const auto left = this->Read(map, 512);
    EXPECT_LE(left.size(), 512U);
    EXPECT_TRUE(left.contains(1999));
    for (const auto& [key, value] : left) EXPECT_EQ(value.front(), this->ValueOf(key, 0));
  }
}

// --- Maps of maps ----------------------------------------------------------------------------------------------------
template <typename T>
class BatchedMapsTest : public BackendTest<T> {
 protected:
  using Numbers = std::vector<std::uint32_t>;
  struct Outer {
    std::vector<Map> inner;
    std::optional<Map> map;
  };

  // Three places, with the first two maps in the first two of them.
  Outer Make(MapType type) {
    MapSpec inner;
    inner.name = "inner";
    inner.type = MapType::kArray;
    inner.key_size = inner.value_size = 4;
    inner.max_entries = 1;
    MapSpec spec = inner;
    spec.name = "outer";
    spec.type = type;
    spec.max_entries = 3;
    spec.inner = {inner};
    Outer outer;
    outer.map.emplace(this->backend_, this->backend_->CreateMap(spec, nullptr).value(), spec);
    for (std::uint32_t key = 0; key < 2; ++key) {
      outer.inner.emplace_back(this->backend_, this->backend_->CreateMap(inner, nullptr).value(), inner);
      EXPECT_TRUE(outer.map->backend_map()->UpdateMap(Bytes(key), outer.inner.back().backend_map()));
    }
    return outer;
  }
  // What one batch reads: key and id.
  static std::map<std::uint32_t, std::uint32_t> Read(Map& map) {
    Numbers keys(3);
    Numbers ids(3);
    BatchCursor cursor;
    const BatchResult result =
        map.LookupBatch(cursor, std::as_writable_bytes(std::span(keys)), std::as_writable_bytes(std::span(ids)));
    EXPECT_TRUE(result) << result.error().message();
    EXPECT_TRUE(cursor.is_at_end);
    std::map<std::uint32_t, std::uint32_t> elements;
    for (std::uint32_t i = 0; i < result.count; ++i) elements[keys[i]] = ids[i];
    return elements;
  }
};
TYPED_TEST_SUITE(BatchedMapsTest, BackendKinds, BackendNames);

TYPED_TEST(BatchedMapsTest, IdsAreReadAndPlacesEmptied) {
  for (const MapType type : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    auto outer = this->Make(type);
    const std::map<std::uint32_t, std::uint32_t> expected = {{0, outer.inner[0].info().id},
                                                             {1, outer.inner[1].info().id}};
    EXPECT_EQ(this->Read(*outer.map), expected);
    const std::vector<std::uint32_t> keys = {1, 2, 0};
    const BatchResult deleted = outer.map->DeleteBatch(std::as_bytes(std::span(keys)));
    EXPECT_EQ(deleted.count, 1U);
    EXPECT_EQ(ErrnoOf(deleted), ENOENT) << "nothing is at 2";
    EXPECT_EQ(this->Read(*outer.map).size(), 1U);
  }
}

TYPED_TEST(BatchedMapsTest, MapsArePutInOneByOne) {
  for (const MapType type : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    auto outer = this->Make(type);
    const std::vector<std::uint32_t> keys = {2, 0};
    const std::vector<std::int32_t> descriptors = {-1, -1};
    const BatchResult result =
        outer.map->UpdateBatch(std::as_bytes(std::span(keys)), std::as_bytes(std::span(descriptors)));
    EXPECT_EQ(result.count, 0U);
    EXPECT_EQ(ErrnoOf(result), EBADF);
    EXPECT_EQ(this->Read(*outer.map).size(), 2U);
  }
}

// In batches alone, and of hashes alone.
TYPED_TEST(BatchedMapsTest, IdsAreTakenOutOfHashes) {
  for (const MapType type : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    const bool is_hash = type == MapType::kHashOfMaps;
    auto outer = this->Make(type);
    std::vector<std::uint32_t> keys(3);
    std::vector<std::uint32_t> ids(3);
    BatchCursor cursor;
    const BatchResult result = outer.map->LookupAndDeleteBatch(cursor, std::as_writable_bytes(std::span(keys)),
                                                               std::as_writable_bytes(std::span(ids)));
    EXPECT_EQ(ErrnoOf(result), is_hash ? 0 : 524);  // ENOTSUPP, the kernel's own
    ASSERT_EQ(result.count, is_hash ? 2U : 0U);
    for (std::uint32_t i = 0; i < result.count; ++i) EXPECT_EQ(ids[i], outer.inner.at(keys[i]).info().id);
    EXPECT_EQ(this->Read(*outer.map).size(), is_hash ? 0U : 2U);
  }
}

}  // namespace
}  // namespace strata
