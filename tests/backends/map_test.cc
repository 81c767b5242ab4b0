// Element operations of every map kind, with the kernel's results.
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using ::testing::Each;

template <typename T>
class MapTest : public BackendTest<T> {};
TYPED_TEST_SUITE(MapTest, BackendKinds, BackendNames);

int ErrnoOf(const Result<void>& result) { return result ? 0 : result.error().sys_errno(); }

TYPED_TEST(MapTest, HashUpdatesLooksUpAndDeletes) {
  auto map = HashMap<std::uint64_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 8, 4, 10)).value();
  EXPECT_FALSE(map.Lookup(1)->has_value());
  ASSERT_TRUE(map.Update(1, 100));
  ASSERT_TRUE(map.Update(1, 200));
  EXPECT_EQ(**map.Lookup(1), 200U);
  EXPECT_TRUE(*map.Delete(1));
  EXPECT_FALSE(*map.Delete(1));
  EXPECT_FALSE(map.Lookup(1)->has_value());
}

TYPED_TEST(MapTest, HashKeepsToUpdateModes) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 10)).value();
  EXPECT_EQ(ErrnoOf(map.Update(1, 1, UpdateMode::kExist)), ENOENT);
  EXPECT_EQ(ErrnoOf(map.Update(1, 1, UpdateMode::kNoExist)), 0);
  EXPECT_EQ(ErrnoOf(map.Update(1, 2, UpdateMode::kNoExist)), EEXIST);
  EXPECT_EQ(ErrnoOf(map.Update(1, 3, UpdateMode::kExist)), 0);
  EXPECT_EQ(ErrnoOf(map.Update(1, 4, static_cast<UpdateMode>(99))), EINVAL);
  EXPECT_EQ(**map.Lookup(1), 3U);
}

TYPED_TEST(MapTest, FullHashRefusesANewKeyAndTakesAnOldOne) {
  auto map = HashMap<std::uint32_t, std::uint64_t>::From(this->CreateMap(MapType::kHash, 4, 8, 4)).value();
  for (std::uint32_t key = 0; key < 4; ++key) ASSERT_TRUE(map.Update(key, key));
  EXPECT_EQ(ErrnoOf(map.Update(4, 4)), E2BIG);
  EXPECT_EQ(ErrnoOf(map.Update(3, 30)), 0);
  ASSERT_TRUE(*map.Delete(0));
  EXPECT_EQ(ErrnoOf(map.Update(4, 4)), 0);
  EXPECT_EQ(map.Snapshot()->size(), 4U);
}

TYPED_TEST(MapTest, HashIteratesOverEachKeyOnce) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 1000)).value();
  for (std::uint32_t key = 0; key < 1000; ++key) ASSERT_TRUE(map.Update(key * 3, key));
  std::set<std::uint32_t> seen;
  ASSERT_TRUE(map.ForEach([&](std::uint32_t key, std::uint32_t value) {
    EXPECT_EQ(key, value * 3);
    EXPECT_TRUE(seen.insert(key).second) << key;
  }));
  EXPECT_EQ(seen.size(), 1000U);
}

TYPED_TEST(MapTest, HashEntriesMayBeDeletedWhileIterating) {
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(this->CreateMap(MapType::kHash, 4, 4, 100)).value();
  for (std::uint32_t key = 0; key < 100; ++key) ASSERT_TRUE(map.Update(key, key));
  ASSERT_TRUE(map.ForEach([&](std::uint32_t key, std::uint32_t) { EXPECT_TRUE(*map.Delete(key)); }));
  EXPECT_TRUE(map.Snapshot()->empty());
}

TYPED_TEST(MapTest, NextKeyOfAMissingKeyIsTheFirstOne) {
  const Map map = this->CreateMap(MapType::kHash, 4, 4, 10);
  const std::uint32_t missing = 77;
  std::uint32_t next = 0;
  EXPECT_FALSE(*map.backend_map()->NextKey(std::nullopt, internal::WritableBytesOf(next)));
  Map writable = map.Clone();
  const std::uint32_t key = 5;
  ASSERT_TRUE(writable.Update(internal::BytesOf(key), internal::BytesOf(key)));
  EXPECT_TRUE(*map.backend_map()->NextKey(internal::BytesOf(missing), internal::WritableBytesOf(next)));
  EXPECT_EQ(next, 5U);
  EXPECT_FALSE(*map.backend_map()->NextKey(internal::BytesOf(key), internal::WritableBytesOf(next)));
}

TYPED_TEST(MapTest, LookupAndDeleteTakesTheElementOut) {
  Map map = this->CreateMap(MapType::kHash, 4, 4, 10);
  const std::uint32_t key = 5;
  std::uint32_t value = 50;
  ASSERT_TRUE(map.Update(internal::BytesOf(key), internal::BytesOf(value)));
  value = 0;
  EXPECT_TRUE(*map.LookupAndDelete(internal::BytesOf(key), internal::WritableBytesOf(value)));
  EXPECT_EQ(value, 50U);
  EXPECT_FALSE(*map.LookupAndDelete(internal::BytesOf(key), internal::WritableBytesOf(value)));
}

TYPED_TEST(MapTest, HashTakesKeysAndValuesOfOddSizes) {
  Map map = this->CreateMap(MapType::kHash, 13, 5, 10);
  std::vector<std::byte> key(13, std::byte{7});
  std::vector<std::byte> value(5, std::byte{9});
  ASSERT_TRUE(map.Update(key, value));
  key[12] = std::byte{8};
  ASSERT_TRUE(map.Update(key, std::vector<std::byte>(5, std::byte{1})));
  std::vector<std::byte> read(5);
  key[12] = std::byte{7};
  ASSERT_TRUE(*map.Lookup(key, read));
  EXPECT_EQ(read, value);
}

TYPED_TEST(MapTest, ArrayElementsExistFromTheStart) {
  auto map = Array<std::uint64_t>::From(this->CreateMap(MapType::kArray, 4, 8, 3)).value();
  EXPECT_THAT(*map.Snapshot(), Each(0U));
  ASSERT_TRUE(map.Update(2, 22));
  EXPECT_EQ(**map.Lookup(2), 22U);
  EXPECT_FALSE(map.Lookup(3)->has_value());
  EXPECT_EQ(ErrnoOf(map.Update(3, 1)), E2BIG);
}

TYPED_TEST(MapTest, ArrayElementsCannotBeDeletedOrMade) {
  Map map = this->CreateMap(MapType::kArray, 4, 4, 3);
  const std::uint32_t key = 1;
  const auto deleted = map.Delete(internal::BytesOf(key));
  ASSERT_FALSE(deleted);
  EXPECT_EQ(deleted.error().sys_errno(), EINVAL);
  EXPECT_EQ(ErrnoOf(map.Update(internal::BytesOf(key), internal::BytesOf(key), UpdateMode::kNoExist)), EEXIST);
}

TYPED_TEST(MapTest, ArrayIteratesInOrder) {
  const Map map = this->CreateMap(MapType::kArray, 4, 4, 5);
  std::vector<std::uint32_t> keys;
  ASSERT_TRUE(map.ForEach([&](std::span<const std::byte> key, std::span<const std::byte>) {
    std::uint32_t index = 0;
    std::memcpy(&index, key.data(), sizeof(index));
    keys.push_back(index);
    return true;
  }));
  EXPECT_THAT(keys, ::testing::ElementsAre(0, 1, 2, 3, 4));
}

TYPED_TEST(MapTest, PerCpuArrayHoldsOneValuePerPossibleCpu) {
  auto map = PerCpuArray<std::uint32_t>::From(this->CreateMap(MapType::kPerCpuArray, 4, 4, 2)).value();
  const std::uint32_t cpus = this->backend_->possible_cpus();
  std::vector<std::uint32_t> values(cpus);
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) values[cpu] = 10 + cpu;
  ASSERT_TRUE(map.Update(1, values));
  EXPECT_EQ(**map.Lookup(1), values);
  EXPECT_THAT(**map.Lookup(0), Each(0U));
  EXPECT_FALSE(map.Lookup(2)->has_value());
}

TYPED_TEST(MapTest, PerCpuHashHoldsOneValuePerPossibleCpu) {
  auto map = PerCpuHashMap<std::uint64_t, std::uint64_t>::From(this->CreateMap(MapType::kPerCpuHash, 8, 8, 2)).value();
  const std::uint32_t cpus = this->backend_->possible_cpus();
  std::vector<std::uint64_t> values(cpus, 5);
  ASSERT_TRUE(map.Update(1, values));
  ASSERT_TRUE(map.Update(2, values));
  EXPECT_EQ(ErrnoOf(map.Update(3, values)), E2BIG);
  EXPECT_EQ(**map.Lookup(1), values);
  EXPECT_TRUE(*map.Delete(1));
  EXPECT_FALSE(map.Lookup(1)->has_value());
  EXPECT_EQ(map.Snapshot()->size(), 1U);
}

struct BadMap {
  MapType type;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;
};

TYPED_TEST(MapTest, RefusesWhatTheKernelRefuses) {
  const BadMap bad_maps[] = {
      {MapType::kArray, 8, 4, 1},      {MapType::kArray, 4, 0, 1},      {MapType::kArray, 4, 4, 0},
      {MapType::kHash, 0, 4, 1},       {MapType::kHash, 4, 0, 1},       {MapType::kHash, 4, 4, 0},
      {MapType::kRingBuf, 0, 0, 5000}, {MapType::kRingBuf, 4, 4, 4096}, {MapType::kPerCpuArray, 4, 8, 0},
      {MapType::kPerCpuHash, 4, 4, 0}, {MapType::kRingBuf, 0, 0, 0},
  };
  for (const BadMap& bad : bad_maps) {
    MapSpec spec;
    spec.name = "bad";
    spec.type = bad.type;
    spec.key_size = bad.key_size;
    spec.value_size = bad.value_size;
    spec.max_entries = bad.max_entries;
    const auto map = this->backend_->CreateMap(spec, nullptr);
    ASSERT_FALSE(map) << static_cast<int>(bad.type) << " " << bad.key_size << " " << bad.value_size;
    EXPECT_EQ(map.error().sys_errno(), EINVAL) << map.error().message();
    EXPECT_THAT(map.error().message(), ::testing::StartsWith("map bad: "));
  }
}

TYPED_TEST(MapTest, AMapTooLargeIsAnErrorThatSaysSo) {
  MapSpec spec;
  spec.name = "huge";
  spec.type = MapType::kArray;
  spec.key_size = 4;
  spec.value_size = 1 << 20;
  spec.max_entries = 0x7fffffff;
  const auto map = this->backend_->CreateMap(spec, nullptr);
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().code(), ErrorCode::kNoSpace) << map.error().message();
  EXPECT_THAT(map.error().message(), ::testing::HasSubstr("huge"));
}

TYPED_TEST(MapTest, FrozenMapRefusesUpdates) {
  auto map = Array<std::uint32_t>::From(this->CreateMap(MapType::kArray, 4, 4, 1)).value();
  ASSERT_TRUE(map.Update(0, 5));
  Map raw = map.map().Clone();
  ASSERT_TRUE(raw.Freeze());
  EXPECT_EQ(ErrnoOf(map.Update(0, 6)), EPERM);
  EXPECT_EQ(**map.Lookup(0), 5U);
}

TYPED_TEST(MapTest, MappedArraySharesItsMemory) {
  auto map = Array<std::uint64_t>::From(this->CreateMap(MapType::kArray, 4, 8, 4, map_flags::kMmapable)).value();
  const auto memory = map.map().backend_map()->Memory();
  ASSERT_TRUE(memory) << memory.error().message();
  const std::uint64_t value = 99;
  std::memcpy((*memory)->bytes().data() + 8, &value, sizeof(value));
  EXPECT_EQ(**map.Lookup(1), 99U);
}

TYPED_TEST(MapTest, ViewsRefuseOtherKindsAndSizes) {
  const Map map = this->CreateMap(MapType::kHash, 4, 8, 4);
  using WrongKind = Array<std::uint64_t>;
  using WrongKey = HashMap<std::uint64_t, std::uint64_t>;
  using WrongValue = HashMap<std::uint32_t, std::uint32_t>;
  EXPECT_THAT(WrongKind::From(map).error().message(), ::testing::HasSubstr("test_map: type"));
  EXPECT_THAT(WrongKey::From(map).error().message(), ::testing::HasSubstr("test_map: key_size"));
  EXPECT_THAT(WrongValue::From(map).error().message(), ::testing::HasSubstr("test_map: value_size"));
  EXPECT_EQ(WrongValue::From(map).error().code(), ErrorCode::kMapIncompatible);
}

}  // namespace
}  // namespace strata
