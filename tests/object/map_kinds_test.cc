// Maps of every kind that this kernel has, and what is refused before it is asked.
#include <cerrno>

#include "kernel_fixture.h"
#include "strata/spec/map_rules.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MapKinds : public testing::KernelTest {
 protected:
  // What an object says of a map of that kind when it says as little as possible.
  static MapSpec LeastSpec(const MapRules& rules) {
    MapSpec spec;
    spec.name = "least";
    spec.type = rules.type;
    if (rules.key.kind == SizeRule::Kind::kAny) spec.key_size = 4;
    if (rules.key.kind == SizeRule::Kind::kAtLeast) spec.key_size = 8;
    if (rules.value.kind == SizeRule::Kind::kAny) spec.value_size = 4;
    if (rules.value.kind == SizeRule::Kind::kMultipleOf) spec.value_size = 16;
    if (rules.entries == EntriesRule::kAny || rules.entries == EntriesRule::kOne) spec.max_entries = 1;
    if (rules.entries == EntriesRule::kRingBytes) spec.max_entries = 100;
    if (HasTrait(rules.type, map_traits::kHoldsMaps)) spec.inner = {LeastSpec(*FindMapRules(MapType::kHash))};
    return spec;
  }

  Result<std::shared_ptr<BackendMap>> Create(MapSpec spec) {
    if (!HasTrait(spec.type, map_traits::kTypesRequired)) return STRATA_TRY(Map::Create(backend_, spec))
    .backend_map();
    const auto objects = STRATA_TRY(LoadCollectionSpec(STRATA_BPF_MAPS));
    const MapSpec& storage = objects.maps.at("storage");
    spec.key_type = storage.key_type;
    spec.value_type = storage.value_type;
    spec.key_size = 4;
    spec.value_size = 8;
    spec.flags = map_flags::kNoPrealloc;
    return backend_->CreateMap(spec, STRATA_TRY(backend_->LoadTypes(objects.types->bytes())));
  }

  std::string Refusal(const MapSpec& spec) {
    const auto map = backend_->CreateMap(spec, nullptr);
    if (map) return "it was created";
    EXPECT_EQ(map.error().code(), ErrorCode::kInvalidArgument);
    return map.error().message();
  }
};

TEST_F(MapKinds, AllCanBeCreated) {
  // struct_ops maps need a type of the kernel's (struct_ops_test.cc); instruction arrays are of Linux 6.19.
  const bool has_instruction_arrays = backend_->kernel().Version().value() >= (6U << 16 | 19U << 8);
  int created = 0;
  for (const MapRules& rules : AllMapRules()) {
    if (rules.type == MapType::kStructOps) continue;
    if (rules.type == MapType::kInsnArray && !has_instruction_arrays) continue;
    const auto map = Create(LeastSpec(rules));
    ASSERT_TRUE(map) << MapTypeName(rules.type) << ": " << map.error().message();
    EXPECT_EQ((*map)->info().type, rules.type);
    EXPECT_NE((*map)->info().id, 0U);
    ++created;
  }
  EXPECT_GE(created, 32);
}

TEST_F(MapKinds, SizesComeBackAsTheKernelHasThem) {
  const MapSpec least = LeastSpec(*FindMapRules(MapType::kPerCpuHash));
  const MapInfo info = Create(least).value()->info();
  EXPECT_EQ(info.value_size, 4U);
  EXPECT_EQ(info.element_size, 8 * backend_->possible_cpus());
  const MapInfo ring = Create(LeastSpec(*FindMapRules(MapType::kRingBuf))).value()->info();
  EXPECT_EQ(ring.max_entries, 4096U);
  EXPECT_EQ(Create(LeastSpec(*FindMapRules(MapType::kArrayOfMaps))).value()->info().value_size, 4U);
}

TEST_F(MapKinds, PerCpuKindsOfEventsAndCpusHaveAsManyAsThereCanBe) {
  for (const MapType type : {MapType::kPerfEventArray, MapType::kCpuMap}) {
    MapSpec spec = LeastSpec(*FindMapRules(type));
    EXPECT_EQ(Create(spec).value()->info().max_entries, backend_->possible_cpus());
    spec.max_entries = 100'000;
    EXPECT_EQ(Create(spec).value()->info().max_entries, backend_->possible_cpus());
    spec.max_entries = 1;
    EXPECT_EQ(Create(spec).value()->info().max_entries, 1U);
  }
}

TEST_F(MapKinds, TypesOfKeysAndValuesAreKnown) {
  const MapInfo info = Create(LeastSpec(*FindMapRules(MapType::kTaskStorage))).value()->info();
  EXPECT_NE(info.btf_id, 0U);
  EXPECT_NE(info.key_type_id, 0U);
  EXPECT_NE(info.value_type_id, 0U);
  EXPECT_EQ(Create(LeastSpec(*FindMapRules(MapType::kHash))).value()->info().btf_id, 0U);
}

TEST_F(MapKinds, ExtraBitsReachTheKernel) {
  MapSpec bloom = LeastSpec(*FindMapRules(MapType::kBloomFilter));
  bloom.map_extra = 3;  // hash functions
  EXPECT_EQ(Create(bloom).value()->info().map_extra, 3U);
}

TEST_F(MapKinds, FieldsAreNamedBeforeTheKernelIsAsked) {
  struct Row {
    MapType type;
    std::uint32_t key_size, value_size, max_entries, flags;
    const char* expected;
  };
  const Row rows[] = {
      {MapType::kArray, 8, 4, 1, 0, "map bad: key_size: expected 4 bytes for a map of type array, got 8"},
      {MapType::kArray, 4, 0, 1, 0, "value_size: expected 1 byte or more"},
      {MapType::kHash, 4, 4, 0, 0, "max_entries: expected 1 or more for a map of type hash, got 0"},
      {MapType::kQueue, 4, 4, 1, 0, "key_size: expected 0 bytes for a map of type queue, got 4"},
      {MapType::kRingBuf, 0, 0, 5000, 0, "max_entries: expected a power of two and a multiple of the page size"},
      {MapType::kProgArray, 4, 8, 1, 0, "value_size: expected 4 bytes"},
      {MapType::kSockMap, 4, 5, 1, 0, "value_size: expected 4 or 8 bytes"},
      {MapType::kLpmTrie, 4, 4, 1, map_flags::kNoPrealloc, "key_size: expected 5 bytes or more"},
      {MapType::kLpmTrie, 8, 4, 1, 0, "flags: expected 0x1 to be set"},
      {MapType::kStackTrace, 4, 12, 1, 0, "value_size: expected a multiple of 8 bytes"},
      {MapType::kTaskStorage, 4, 4, 5, map_flags::kNoPrealloc, "max_entries: expected 0"},
      {MapType::kHashOfMaps, 4, 4, 1, 0, "inner: expected a template of the maps that it holds"},
      {MapType::kArray, 4, 4, 1, map_flags::kReadOnly | map_flags::kWriteOnly,
       "at most one of read-only and write-only"},
  };
  for (const Row& row : rows) {
    MapSpec spec;
    spec.name = "bad";
    spec.type = row.type;
    spec.key_size = row.key_size;
    spec.value_size = row.value_size;
    spec.max_entries = row.max_entries;
    spec.flags = row.flags;
    EXPECT_THAT(Refusal(spec), HasSubstr(row.expected));
  }
}

TEST_F(MapKinds, WhatOnlyTheKernelKnowsIsSaidWithAllSizes) {
  MapSpec spec = LeastSpec(*FindMapRules(MapType::kArray));
  spec.flags = 1U << 30;
  spec.key_size = 4;
  EXPECT_THAT(Refusal(spec), HasSubstr("map least: creating it: this kernel does not know the type, or not with "
                                       "key_size 4, value_size 4, max_entries 1, flags 0x40000000"));
  spec = LeastSpec(*FindMapRules(MapType::kTaskStorage));
  spec.key_size = 4;
  spec.flags = map_flags::kNoPrealloc;
  EXPECT_THAT(Refusal(spec), HasSubstr("needs the types of its keys and values (BTF)"));
}

}  // namespace
}  // namespace strata
