#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/elf/reader.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const CollectionSpec& Maps() {
  static const CollectionSpec spec =
      elf::ReadCollectionSpec(test::ReadFile(STRATA_BPF_MAPS), {.path = "maps.bpf.o"}).value();
  return spec;
}

TEST(MapDefinitions, ReadTagsOfTheValueTypeAndOfTheVariable) {
  EXPECT_THAT(Maps().maps.at("by_type").tags, ElementsAre("of_bytes", "log2_hist"));
  EXPECT_THAT(Maps().maps.at("by_variable").tags, ElementsAre("log2_hist"));
  EXPECT_TRUE(Maps().maps.at("ring").tags.empty());
}

TEST(MapDefinitions, ReadTypesAndSizes) {
  const MapSpec& map = Maps().maps.at("by_type");
  EXPECT_EQ(map.type, MapType::kPerCpuArray);
  EXPECT_EQ(map.max_entries, 4U);
  EXPECT_EQ(map.key_size, 4U);
  EXPECT_EQ(map.value_size, 256U);
  EXPECT_EQ(Maps().types->Describe(map.value_type), "histogram_t");
  EXPECT_EQ(Maps().maps.at("by_variable").value_size, 256U);
  EXPECT_FALSE(Maps().maps.at("by_variable").value_type);
}

TEST(MapDefinitions, ReadThroughTypedefs) {
  const MapSpec& map = Maps().maps.at("by_typedef");
  EXPECT_EQ(map.type, MapType::kHash);
  EXPECT_EQ(map.flags, map_flags::kNoPrealloc);
  EXPECT_EQ(map.pinning, PinType::kByName);
  EXPECT_EQ(map.key_size, 8U);
}

TEST(MapDefinitions, ReadNumbersThatNeedAnEnum) {
  const MapSpec& map = Maps().maps.at("with_extra");
  EXPECT_EQ(map.numa_node, 1U);
  EXPECT_NE(map.map_extra, 0U);
}

TEST(MapDefinitions, ReadInnerMapsAndSlotsWithHoles) {
  const MapSpec& map = Maps().maps.at("outer");
  ASSERT_EQ(map.inner.size(), 1U);
  EXPECT_EQ(map.inner[0].type, MapType::kArray);
  EXPECT_EQ(map.inner[0].max_entries, 2U);
  EXPECT_EQ(map.value_size, 4U);
  EXPECT_THAT(map.slots, ElementsAre(MapSlotInit{0, "first"}, MapSlotInit{2, "third"}));
  EXPECT_TRUE(Maps().maps.contains("first"));
}

TEST(MapDefinitions, ReadProgramSlots) {
  EXPECT_THAT(Maps().maps.at("jumps").slots, ElementsAre(MapSlotInit{1, "tail"}));
  EXPECT_TRUE(Maps().programs.at("main_program").has_xdp_frags);
}

const CollectionSpec& MapForms() {
  static const CollectionSpec spec =
      elf::ReadCollectionSpec(test::ReadFile(STRATA_BPF_MAP_FORMS), {.path = "map_forms.bpf.o"}).value();
  return spec;
}

// Edge cases 13 and 15.
TEST(MapDefinitions, ReadThroughQualifiersAndSeveralTypedefs) {
  EXPECT_EQ(MapForms().maps.at("qualified").type, MapType::kArray);
  EXPECT_EQ(MapForms().maps.at("qualified").value_size, 8U);
}

TEST(MapDefinitions, ReadInnerMapsByTypedefAndWithoutName) {
  const MapSpec& by_typedef = MapForms().maps.at("of_typedef");
  ASSERT_EQ(by_typedef.inner.size(), 1U);
  EXPECT_EQ(by_typedef.type, MapType::kHashOfMaps);
  EXPECT_EQ(by_typedef.value_size, 4U);
  EXPECT_EQ(by_typedef.inner[0].name, "of_typedef.inner");
  EXPECT_EQ(by_typedef.inner[0].value_size, 8U);
  const MapSpec& anonymous = MapForms().maps.at("of_anonymous");
  ASSERT_EQ(anonymous.inner.size(), 1U);
  EXPECT_EQ(anonymous.inner[0].type, MapType::kRingBuf);
  EXPECT_TRUE(anonymous.slots.empty());
}

// Edge cases 17 and 18: sizes are as written (backends round them), and rings have no elements.
TEST(MapDefinitions, DropTheSizesOfRingsAndKeepTheirTypes) {
  const MapSpec& ring = MapForms().maps.at("ring_with_types");
  EXPECT_EQ(ring.max_entries, 5000U);
  EXPECT_EQ(ring.key_size, 0U);
  EXPECT_EQ(ring.value_size, 0U);
  EXPECT_TRUE(ring.value_type);  // of its records
  const MapSpec& events = MapForms().maps.at("perf_with_types");
  EXPECT_EQ(events.key_size, 4U);
  EXPECT_EQ(events.value_size, 4U);
  EXPECT_TRUE(events.value_type);
  EXPECT_EQ(MapForms().maps.at("unpinned").pinning, PinType::kNone);
}

// A .maps section with one map, "m", whose struct has the members given.
class MadeUpMap {
 public:
  std::uint32_t Number(std::uint32_t value) {  // __uint
    return types_.Pointer(types_.Type(3, "", 0, 0, {number_, number_, value}));
  }
  std::uint32_t PointerTo(std::uint32_t type) { return types_.Pointer(type); }
  std::uint32_t int_type() const { return number_; }
  test::BtfWriter& types() { return types_; }

  MadeUpMap& Member(std::string_view name, std::uint32_t type) {
    words_.insert(words_.end(), {types_.String(name), type, static_cast<std::uint32_t>(words_.size() / 3 * 64)});
    return *this;
  }

  std::string ErrorOfReading(std::vector<std::byte> content = std::vector<std::byte>(32)) {
    const auto count = static_cast<std::uint32_t>(words_.size() / 3);
    const auto type = types_.Type(4, "", count, 8 * count, words_);
    const auto variable = types_.Type(14, "m", 0, type, {1});
    types_.Type(15, ".maps", 1, 0, {variable, 0, 8 * count});
    const auto bytes = test::ElfWriter()
                           .Section(".maps", std::move(content))
                           .Symbol("m", 0, 8 * count)
                           .Section(".BTF", types_.Bytes(), {.flags = 0})
                           .Bytes();
    const auto result = elf::ReadCollectionSpec(bytes, {.path = "m.o"});
    return result ? "no error" : result.error().message();
  }

 private:
  test::BtfWriter types_;
  std::uint32_t number_ = types_.Int("int", 4, 1);
  std::vector<std::uint32_t> words_;
};

TEST(MapDefinitions, AcceptASizeGivenTwiceAlike) {
  MadeUpMap map;
  map.Member("type", map.Number(1)).Member("key_size", map.Number(4)).Member("key", map.PointerTo(map.int_type()));
  EXPECT_EQ(map.ErrorOfReading(), "no error");
}

TEST(MapDefinitions, RefuseContradictingSizes) {
  MadeUpMap map;
  map.Member("type", map.Number(1)).Member("key_size", map.Number(8)).Member("key", map.PointerTo(map.int_type()));
  EXPECT_EQ(map.ErrorOfReading(), "m.o: section .maps: map m: field key: 4 bytes contradict the 8 given before");
}

TEST(MapDefinitions, RefuseUnknownFields) {
  MadeUpMap map;
  map.Member("type", map.Number(1)).Member("colour", map.Number(4));
  EXPECT_EQ(map.ErrorOfReading(), "m.o: section .maps: map m: field colour: is not known");
}

TEST(MapDefinitions, RefuseAMapWithoutType) {
  MadeUpMap map;
  map.Member("max_entries", map.Number(1));
  EXPECT_THAT(map.ErrorOfReading(), HasSubstr("map m: field type: is missing"));
}

TEST(MapDefinitions, RefuseFieldsOfAnotherShape) {
  MadeUpMap number;
  number.Member("type", number.int_type());
  EXPECT_THAT(number.ErrorOfReading(), HasSubstr("field type: is written neither with __uint nor with __ulong"));

  MadeUpMap key;
  key.Member("type", key.Number(1)).Member("key", key.int_type());
  EXPECT_THAT(key.ErrorOfReading(), HasSubstr("field key: is not written with __type"));

  MadeUpMap pinning;
  pinning.Member("type", pinning.Number(1)).Member("pinning", pinning.Number(7));
  EXPECT_THAT(pinning.ErrorOfReading(), HasSubstr("field pinning: 7 is not known"));
}

TEST(MapDefinitions, RefuseSlotsThatAreNotLastOrOfNoKind) {
  MadeUpMap map;
  const auto slots = map.types().Type(3, "", 0, 0, {map.PointerTo(map.int_type()), map.int_type(), 0});
  map.Member("values", slots).Member("type", map.Number(12));
  EXPECT_THAT(map.ErrorOfReading(), HasSubstr("field values: must be the last one"));

  MadeUpMap hash;
  const auto hash_slots = hash.types().Type(3, "", 0, 0, {hash.PointerTo(hash.int_type()), hash.int_type(), 0});
  hash.Member("type", hash.Number(1)).Member("values", hash_slots);
  EXPECT_THAT(hash.ErrorOfReading(), HasSubstr("a map of type 1 has no slots"));
}

TEST(MapDefinitions, RefuseSlotsOfAnotherSize) {
  MadeUpMap map;
  const auto inner = map.types().Type(4, "inner", 1, 8, {map.types().String("type"), map.Number(2), 0});
  const auto slots = map.types().Type(3, "", 0, 0, {map.PointerTo(inner), map.int_type(), 0});
  map.Member("type", map.Number(12)).Member("value_size", map.Number(8)).Member("values", slots);
  EXPECT_THAT(map.ErrorOfReading(), HasSubstr("field values: value_size: 4 bytes contradict the 8 given before"));
}

TEST(MapDefinitions, RefusePinnedAndNestedInnerMaps) {
  MadeUpMap pinned;
  auto& types = pinned.types();
  const auto inner = types.Type(
      4, "inner", 2, 16, {types.String("type"), pinned.Number(2), 0, types.String("pinning"), pinned.Number(1), 64});
  const auto slots = types.Type(3, "", 0, 0, {pinned.PointerTo(inner), pinned.int_type(), 0});
  pinned.Member("type", pinned.Number(12)).Member("values", slots);
  EXPECT_THAT(pinned.ErrorOfReading(), HasSubstr("field values: field pinning: an inner map cannot be pinned"));
}

// Edge case 12: both ways to write a number.
TEST(MapDefinitions, RefuseNumbersThatDoNotFit) {
  MadeUpMap map;
  const auto wide = map.types().Type(19, "", 1, 8, {map.types().String("n"), 0, 1});
  map.Member("type", map.Number(1)).Member("max_entries", wide);
  EXPECT_THAT(map.ErrorOfReading(), HasSubstr("field max_entries: 4294967296 is too large"));
}

TEST(MapDefinitions, RefuseInitialBytes) {
  MadeUpMap map;
  map.Member("type", map.Number(1));
  std::vector<std::byte> content(32);
  content[5] = std::byte{1};
  EXPECT_THAT(map.ErrorOfReading(content), HasSubstr("section .maps: offset 5: holds data"));
}

TEST(MapDefinitions, NeedTypes) {
  const std::vector<isa::Instruction> loads_map = {{.opcode = 0x18, .dst = 1}, {}, {.opcode = 0x95}};
  test::ElfWriter writer;
  writer.Section(".maps", std::vector<std::byte>(8))
      .Symbol("m", 0, 8)
      .Code("xdp", "f", loads_map)
      .Relocation(0, "m", 1);
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_THAT(spec.programs.at("f").unusable, HasSubstr("refers to map m, which types define, and there is no .BTF"));
}

}  // namespace
}  // namespace strata
