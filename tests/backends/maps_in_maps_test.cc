// Arrays and hashes of maps: what user space puts in, and what programs reach through them.
#include <cerrno>

#include "objects_fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;
using strata::testing::EngineKinds;
using strata::testing::EngineNames;
using strata::testing::EngineTest;
using ::testing::UnorderedElementsAre;

struct Context {
  std::uint64_t outer = 0;
  std::uint64_t inner = 0;
  std::uint64_t amount = 0;
};

template <typename T>
class MapsInMapsTest : public EngineTest<T> {
 protected:
  void SetUp() override {
    EngineTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_MAPS_IN_MAPS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }

  int Run(const char* program, Context context) {
    const auto result =
        (*objects_->FindProgram(program))->TestRun({.context_in = std::as_bytes(std::span(&context, 1))});
    EXPECT_TRUE(result) << result.error().message();
    return result ? static_cast<int>(result->return_value) : -1000;
  }
  template <typename View>
  View Find(const char* map) {
    return objects_->template FindMap<View>(map).value();
  }
  std::uint64_t ValueIn(const char* array, std::uint32_t index) {
    return **Find<Array<std::uint64_t>>(array).Lookup(index);
  }
  const Map& MapOf(const char* name) { return **objects_->FindMap(name); }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(MapsInMapsTest, EngineKinds, EngineNames);

TYPED_TEST(MapsInMapsTest, ProgramsReachTheMapThatIsThere) {
  EXPECT_EQ(this->Run("add_in_array", {1, 2, 10}), 0);
  EXPECT_EQ(this->Run("add_at_constant", {0, 2, 5}), 0);
  EXPECT_EQ(this->ValueIn("first", 2), 15U);
  EXPECT_EQ(this->Run("add_in_array", {1, 4, 10}), 2) << "no such element in the inner map";
  EXPECT_EQ(this->Run("add_in_array", {0, 0, 10}), 1) << "an empty slot";
  EXPECT_EQ(this->Run("add_in_array", {3, 0, 10}), 1) << "past the end";
  EXPECT_EQ(this->Run("add_in_array", {0xffffffff, 0, 10}), 1);
}

TYPED_TEST(MapsInMapsTest, ProgramsSeeReplacedMaps) {
  auto arrays = this->template Find<ArrayOfMaps>("arrays");
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(arrays.Update(1, this->MapOf(i % 2 == 0 ? "second" : "first")));
    EXPECT_EQ(this->Run("add_at_constant", {0, 0, 1}), 0);
  }
  EXPECT_EQ(this->ValueIn("first", 0), 5U);
  EXPECT_EQ(this->ValueIn("second", 0), 5U);
  EXPECT_TRUE(*arrays.Delete(1));
  EXPECT_EQ(this->Run("add_at_constant", {0, 0, 1}), 1);
}

TYPED_TEST(MapsInMapsTest, ByKeysOfAHash) {
  auto by_key = this->template Find<HashOfMaps<std::uint64_t>>("by_key");
  const std::uint64_t key = 0x1234567890;
  EXPECT_EQ(this->Run("add_by_key", {key, 1, 3}), 1);
  ASSERT_TRUE(by_key.Update(key, this->MapOf("first")));
  ASSERT_TRUE(by_key.Update(7, this->MapOf("second")));
  EXPECT_EQ(this->Run("add_by_key", {key, 1, 3}), 0);
  EXPECT_EQ(this->Run("add_by_key", {7, 1, 4}), 0);
  EXPECT_EQ(this->ValueIn("first", 1), 3U);
  EXPECT_EQ(this->ValueIn("second", 1), 4U);
  ASSERT_TRUE(by_key.Update(7, this->MapOf("first")));
  EXPECT_EQ(this->Run("add_by_key", {7, 1, 4}), 0);
  EXPECT_EQ(this->ValueIn("first", 1), 7U);
  EXPECT_TRUE(*by_key.Delete(key));
  EXPECT_EQ(this->Run("add_by_key", {key, 1, 3}), 1);
}

TYPED_TEST(MapsInMapsTest, InnerHashes) {
  EXPECT_EQ(this->Run("put_in_hash", {0, 5, 50}), 0);
  EXPECT_EQ(this->Run("put_in_hash", {0, 5, 51}), -EEXIST);
  EXPECT_EQ(this->Run("put_in_hash", {1, 5, 51}), 1);
  auto hash = this->template Find<HashMap<std::uint64_t, std::uint64_t>>("hash");
  EXPECT_EQ(**hash.Lookup(5), 50U);
  EXPECT_EQ(this->Run("remove_from_hash", {0, 5}), 0);
  EXPECT_EQ(this->Run("remove_from_hash", {0, 5}), -ENOENT);
  EXPECT_EQ(*hash.Lookup(5), std::nullopt);
}

TYPED_TEST(MapsInMapsTest, InnerPerCpuMapsCountExactly) {
  for (int i = 0; i < 100; ++i) ASSERT_EQ(this->Run("add_per_cpu", {0, 1, 2}), 0);
  const auto values = this->template Find<PerCpuArray<std::uint64_t>>("per_cpu").Lookup(1).value().value();
  std::uint64_t sum = 0;
  for (const std::uint64_t value : values) sum += value;
  EXPECT_EQ(sum, 200U);
}

TYPED_TEST(MapsInMapsTest, InnerRingBuffers) {
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(this->Run("put_in_ring", {0, 0, i}), 0);
  EXPECT_EQ(this->Run("put_in_ring", {1, 0, 9}), 1);
  auto reader = RingReader::Open(this->MapOf("ring")).value();
  std::vector<std::uint64_t> read;
  ASSERT_TRUE(reader.Consume([&](std::span<const std::byte> record) {
    std::uint64_t value;
    std::memcpy(&value, record.data(), sizeof(value));
    read.push_back(value);
    return true;
  }));
  EXPECT_THAT(read, ::testing::ElementsAre(0, 1, 2));
}

TYPED_TEST(MapsInMapsTest, MapsOutliveTheirHandles) {
  const Program add = (*this->objects_->FindProgram("add_at_constant"))->Clone();
  {
    MapSpec spec = this->MapOf("first").spec();
    const Map inner = Map::Create(this->backend_, spec).value();
    ASSERT_TRUE(this->template Find<ArrayOfMaps>("arrays").Update(1, inner));
  }
  EXPECT_EQ(this->Run("add_at_constant", {0, 3, 1}), 0);
  EXPECT_EQ(this->Run("add_at_constant", {0, 3, 1}), 0);
}

// --- without programs
template <typename T>
class MapsInMapsRulesTest : public BackendTest<T> {
 protected:
  static MapSpec Spec(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries,
                      std::uint32_t flags = 0) {
    MapSpec spec;
    spec.name = "map";
    spec.type = type;
    spec.key_size = key_size;
    spec.value_size = value_size;
    spec.max_entries = max_entries;
    spec.flags = flags;
    return spec;
  }
  static MapSpec Outer(const MapSpec& inner, MapType type = MapType::kArrayOfMaps) {
    MapSpec spec = Spec(type, 4, 4, 3);
    spec.inner = {inner};
    return spec;
  }
  int CreationError(const MapSpec& spec) {
    const auto made = this->backend_->CreateMap(spec, nullptr);
    return made ? 0 : made.error().sys_errno();
  }
  std::shared_ptr<BackendMap> Make(const MapSpec& spec) { return this->backend_->CreateMap(spec, nullptr).value(); }
  // Of putting a map made from `stored` into a map whose template is `wanted`.
  int StoreError(const MapSpec& wanted, const MapSpec& stored, MapType type = MapType::kArrayOfMaps) {
    const std::uint32_t key = 1;
    const auto result = Make(Outer(wanted, type))->UpdateMap(std::as_bytes(std::span(&key, 1)), Make(stored));
    return result ? 0 : result.error().sys_errno();
  }
};
TYPED_TEST_SUITE(MapsInMapsRulesTest, BackendKinds, BackendNames);

TYPED_TEST(MapsInMapsRulesTest, InnerMapsEqualTheTemplate) {
  const MapSpec array = this->Spec(MapType::kArray, 4, 8, 4);
  for (const MapType outer : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    EXPECT_EQ(this->StoreError(array, array, outer), 0);
    EXPECT_EQ(this->StoreError(array, this->Spec(MapType::kArray, 4, 8, 5), outer), EINVAL);
    EXPECT_EQ(this->StoreError(array, this->Spec(MapType::kArray, 4, 16, 4), outer), EINVAL);
    EXPECT_EQ(this->StoreError(array, this->Spec(MapType::kPerCpuArray, 4, 8, 4), outer), EINVAL);
    EXPECT_EQ(this->StoreError(array, this->Spec(MapType::kHash, 4, 8, 4), outer), EINVAL);
    EXPECT_EQ(this->StoreError(array, this->Spec(MapType::kArray, 4, 8, 4, map_flags::kMmapable), outer), EINVAL);
  }
}

TYPED_TEST(MapsInMapsRulesTest, SizesMatterForArraysOnly) {
  const auto store = [&](MapType type, std::uint32_t wanted, std::uint32_t stored, std::uint32_t flags = 0) {
    const std::uint32_t bytes = type == MapType::kRingBuf ? 0 : 4;
    return this->StoreError(this->Spec(type, bytes, bytes, wanted, flags),
                            this->Spec(type, bytes, bytes, stored, flags));
  };
  EXPECT_EQ(store(MapType::kArray, 4, 5), EINVAL);
  EXPECT_EQ(store(MapType::kArray, 4, 5, map_flags::kInnerMap), 0);
  EXPECT_EQ(store(MapType::kPerCpuArray, 4, 5), 0);
  EXPECT_EQ(store(MapType::kHash, 4, 5), 0);
  EXPECT_EQ(store(MapType::kPerCpuHash, 4, 5), 0);
  EXPECT_EQ(store(MapType::kRingBuf, 4096, 8192), 0);
}

TYPED_TEST(MapsInMapsRulesTest, TemplatesThatAreInNoMap) {
  EXPECT_EQ(this->CreationError(this->Outer(this->Spec(MapType::kArray, 4, 4, 1))), 0);
  EXPECT_EQ(this->CreationError(this->Outer(this->Outer(this->Spec(MapType::kArray, 4, 4, 1)))), EINVAL);
  EXPECT_EQ(this->CreationError(this->Outer(this->Spec(MapType::kProgArray, 4, 4, 1))), 524);
  EXPECT_NE(this->CreationError(this->Outer(this->Spec(MapType::kArray, 8, 4, 1))), 0) << "cannot be made itself";
}

TYPED_TEST(MapsInMapsRulesTest, CreationChecksSizesAndFlags) {
  const MapSpec inner = this->Spec(MapType::kArray, 4, 4, 1);
  const auto error = [&](MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries,
                         std::uint32_t flags) {
    MapSpec spec = this->Spec(type, key_size, value_size, entries, flags);
    spec.inner = {inner};
    return this->CreationError(spec);
  };
  for (const MapType type : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    EXPECT_EQ(error(type, 4, 8, 1, 0), EINVAL);
    EXPECT_EQ(error(type, 4, 4, 0, 0), EINVAL);
    EXPECT_EQ(error(type, 0, 4, 1, 0), EINVAL);
    EXPECT_EQ(error(type, 4, 4, 1, map_flags::kMmapable), EINVAL);
    EXPECT_EQ(error(type, 4, 4, 1, map_flags::kInnerMap), EINVAL);
    EXPECT_EQ(error(type, 4, 4, 1, map_flags::kReadOnly | map_flags::kWriteOnly), EINVAL);
  }
  EXPECT_EQ(error(MapType::kArrayOfMaps, 4, 4, 1, map_flags::kReadOnlyProgram), EINVAL);
  EXPECT_EQ(error(MapType::kArrayOfMaps, 8, 4, 1, 0), EINVAL);
  EXPECT_EQ(error(MapType::kHashOfMaps, 8, 4, 1, map_flags::kNoPrealloc), 0);
  EXPECT_EQ(error(MapType::kHashOfMaps, 8, 4, 1, map_flags::kReadOnlyProgram), 0);
}

TYPED_TEST(MapsInMapsRulesTest, UserSpaceSeesIds) {
  const MapSpec inner_spec = this->Spec(MapType::kArray, 4, 4, 1);
  const Map one(this->backend_, this->Make(inner_spec), inner_spec);
  const MapSpec outer_spec = this->Outer(inner_spec, MapType::kHashOfMaps);
  const Map outer(this->backend_, this->Make(outer_spec), outer_spec);
  auto view = HashOfMaps<std::uint32_t>::From(outer).value();
  EXPECT_EQ(*view.LookupId(5), std::nullopt);
  for (const std::uint32_t key : {5U, 6U, 7U}) ASSERT_TRUE(view.Update(key, one));
  EXPECT_EQ(view.Update(8, one).error().sys_errno(), E2BIG);
  EXPECT_EQ(*view.LookupId(5), one.info().id);
  std::vector<std::uint32_t> keys;
  for (const auto& [key, id] : view.Entries()) {
    EXPECT_EQ(id, one.info().id);
    keys.push_back(key);
  }
  EXPECT_THAT(keys, UnorderedElementsAre(5, 6, 7));
  EXPECT_TRUE(*view.Delete(6));
  EXPECT_FALSE(*view.Delete(6));
}

TYPED_TEST(MapsInMapsRulesTest, BytesAreNoMaps) {
  const MapSpec inner = this->Spec(MapType::kArray, 4, 4, 1);
  const auto error = [&](MapType type, std::uint32_t key, UpdateMode mode) {
    const std::int32_t descriptor = -1;
    return this->Make(this->Outer(inner, type))
        ->Update(std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&descriptor, 1)), mode)
        .error()
        .sys_errno();
  };
  EXPECT_EQ(error(MapType::kArrayOfMaps, 0, UpdateMode::kAny), EBADF);
  EXPECT_EQ(error(MapType::kArrayOfMaps, 3, UpdateMode::kAny), E2BIG);
  EXPECT_EQ(error(MapType::kArrayOfMaps, 0, UpdateMode::kNoExist), EINVAL);
  EXPECT_EQ(error(MapType::kHashOfMaps, 0, UpdateMode::kAny), EBADF);
  EXPECT_EQ(error(MapType::kHashOfMaps, 0, static_cast<UpdateMode>(9)), EBADF);
}

TYPED_TEST(MapsInMapsRulesTest, WhatUserSpaceMayNotDo) {
  const MapSpec inner = this->Spec(MapType::kArray, 4, 4, 1);
  for (const MapType type : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    const auto outer = this->Make(this->Outer(inner, type));
    const std::uint32_t key = 1;
    std::uint32_t value = 0;
    const auto key_bytes = std::as_bytes(std::span(&key, 1));
    ASSERT_TRUE(outer->UpdateMap(key_bytes, this->Make(inner)));
    EXPECT_EQ(outer->LookupAndDelete(key_bytes, std::as_writable_bytes(std::span(&value, 1))).error().sys_errno(), 524);
    EXPECT_TRUE(*outer->Lookup(key_bytes, std::as_writable_bytes(std::span(&value, 1))));
    ASSERT_TRUE(outer->Freeze());
    EXPECT_EQ(outer->UpdateMap(key_bytes, this->Make(inner)).error().sys_errno(), EPERM);
    EXPECT_EQ(outer->Delete(key_bytes).error().sys_errno(), EPERM);
  }
}

}  // namespace
}  // namespace strata
