// Sections of data: those that a source names, those that the compiler makes, and arenas.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"

namespace strata {
namespace {

using test::Read;
using test::References;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

// Edge cases 18 and 19.
TEST(DataSections, OfTheirOwnNameAreMapsOfTheirOwn) {
  const auto spec = Read(STRATA_BPF_CONSTANTS);
  EXPECT_EQ(spec.maps.at(".data.custom").name, ".data.custom");
  EXPECT_EQ(spec.maps.at(".rodata.custom").flags, map_flags::kReadOnlyProgram);
  EXPECT_TRUE(spec.maps.at(".rodata.custom").freeze);
  EXPECT_EQ(spec.maps.at(".bss.custom").name, ".bss.custom");
  EXPECT_TRUE(spec.maps.at(".bss.custom").contents.empty());
  EXPECT_EQ(spec.variables.at("custom_data").Get<int>().value(), 3);
  EXPECT_EQ(spec.variables.at("custom_zero").map_name, ".bss.custom");
  EXPECT_TRUE(spec.variables.at("custom_constant").is_constant);
}

// Edge case 20: strings have a section without BTF, and are referred to by section and addend.
TEST(DataSections, OfStringsNeedNoTypes) {
  const auto spec = Read(STRATA_BPF_CONSTANTS);
  const MapSpec& strings = spec.maps.at(".rodata.str1.1");
  EXPECT_EQ(strings.name, ".rodata.str1.1");
  EXPECT_FALSE(strings.value_type);
  EXPECT_TRUE(strings.freeze);
  EXPECT_THAT(References(spec.programs.at("uses_strings")), Contains(StartsWith("value .rodata.str1.1")));
  EXPECT_THAT(References(spec.programs.at("uses_strings")), Contains(StartsWith("value .rodata.str1.1+")));
}

// Edge case 24, and row 23: static variables are referred to by section and addend; two may have one name.
TEST(DataSections, OfStaticVariablesKeepEachOfThem) {
  const auto spec = Read(STRATA_BPF_CONSTANTS);
  const VariableSpec& first = spec.variables.at("uses_sections.counted");
  const VariableSpec& second = spec.variables.at("uses_also.counted");
  EXPECT_EQ(first.Get<int>().value(), 6);
  EXPECT_EQ(second.Get<int>().value(), 7);
  EXPECT_EQ(spec.types->Describe(second.type), "int");
  const auto reference =
      second.offset_bytes == 0 ? std::string("value .data") : "value .data+" + std::to_string(second.offset_bytes);
  EXPECT_THAT(References(spec.programs.at("uses_also")), Contains(reference));
}

TEST(DataSections, AreReadWithoutTypes) {
  const auto spec = Read(STRATA_BPF_WITHOUT_TYPES);
  EXPECT_EQ(spec.types, nullptr);
  EXPECT_EQ(spec.variables.at("custom_data").Get<int>().value(), 3);
  EXPECT_FALSE(spec.variables.at("custom_data").type);
}

// Edge case 21.
TEST(DataSections, WithoutBytesAreNoMaps) {
  test::ElfWriter writer;
  writer.Section(".data")
      .Section(".bss", {}, {.type = SHT_NOBITS})
      .Section(".rodata.cst16", test::BytesOf("0123456789abcdef"));
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_THAT(spec.maps, testing::ElementsAre(testing::Key(".rodata.cst16")));
}

// Relocated pointers in data stay zero: the kernel has nothing to put there.
TEST(DataSections, KeepTheirBytesWherePointersWouldBe) {
  test::ElfWriter writer;
  writer.Section(".data.rel.ro", std::vector<std::byte>(8)).Symbol("table", 0, 8).Relocation(0, "f", 2);
  writer.Code("xdp", "f", {{.opcode = 0xb7}, {.opcode = 0x95}});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_EQ(spec.maps.at(".data.rel.ro").contents, std::vector<std::byte>(8));
}

TEST(DataSections, ThatAreZeroAreBoundedAllTogether) {
  test::ElfWriter writer;
  for (int i = 0; i < 3; ++i) {
    writer.Section(".bss." + std::to_string(i), {}, {.type = SHT_NOBITS, .claimed_size = std::uint64_t{100} << 20});
  }
  const auto spec = elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"});
  EXPECT_EQ(spec.error().message(), "a.o: section .bss.2: 104857600 bytes are too many");
}

#ifdef STRATA_BPF_ARENA
// Edge case 48.
TEST(Arena, HoldsTheVariablesOfItsAddressSpace) {
  const auto spec = Read(STRATA_BPF_ARENA);
  const MapSpec& arena = spec.maps.at("arena");
  EXPECT_EQ(arena.type, MapType::kArena);
  EXPECT_EQ(arena.map_extra, 0x100000000000U);
  EXPECT_EQ(spec.variables.at("first").map_name, "arena");
  EXPECT_EQ(spec.variables.at("first").Get<int>().value(), 5);
  EXPECT_EQ(spec.types->Describe(spec.variables.at("second").type), "long[4]");
  EXPECT_EQ(arena.contents.size(), spec.variables.at("second").offset_bytes + 32U);
  const auto references = References(spec.programs.at("uses_arena"));
  EXPECT_THAT(references, Contains("value arena"));
  EXPECT_THAT(references, Contains("map arena"));
  EXPECT_FALSE(spec.maps.contains(".addr_space.1"));
}
#endif

std::vector<std::byte> ObjectWithArenas(int count) {
  test::BtfWriter types;
  const auto number = types.Int("int", 4, 1);
  const auto type = types.Pointer(types.Type(3, "", 0, 0, {number, number, 33}));
  const auto definition = types.Type(4, "", 1, 8, {types.String("type"), type, 0});
  std::vector<std::uint32_t> words;
  test::ElfWriter writer;
  writer.Section(".maps", std::vector<std::byte>(16));
  for (int i = 0; i < count; ++i) {
    const std::string name = "arena" + std::to_string(i);
    const auto offset = static_cast<std::uint32_t>(8 * i);
    words.insert(words.end(), {types.Type(14, name, 0, definition, {1}), offset, 8});
    writer.Symbol(name, offset, 8);
  }
  types.Type(15, ".maps", static_cast<std::uint32_t>(count), 0, words);
  writer.Section(".addr_space.1", test::BytesOf("abcd")).Symbol("global", 0, 4);
  writer.Code("syscall", "f", {{.opcode = 0x18, .dst = 1}, {}, {.opcode = 0x95}}).Relocation(0, "global", 1);
  return writer.Section(".BTF", types.Bytes(), {.flags = 0}).Bytes();
}

TEST(Arena, IsOneOfAnObject) {
  EXPECT_EQ(elf::ReadCollectionSpec(ObjectWithArenas(1))->maps.at("arena0").contents, test::BytesOf("abcd"));
  const auto two = elf::ReadCollectionSpec(ObjectWithArenas(2), {.path = "a.o"});
  EXPECT_EQ(two.error().message(), "a.o: section .maps: map arena1: is a second arena, beside arena0");
  EXPECT_EQ(two.error().code(), ErrorCode::kNotSupported);
}

TEST(Arena, ThatIsMissingMakesItsUsersUnusable) {
  test::ElfWriter writer;
  writer.Section(".addr_space.1", test::BytesOf("abcd")).Symbol("global", 0, 4);
  writer.Code("syscall", "f", {{.opcode = 0x18, .dst = 1}, {}, {.opcode = 0x95}}).Relocation(0, "global", 1);
  EXPECT_THAT(elf::ReadCollectionSpec(writer.Bytes())->programs.at("f").unusable,
              HasSubstr("refers to global of section .addr_space.1, and the object has no arena"));
}

}  // namespace
}  // namespace strata
