// Edge case 10: maps from before BTF.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"

namespace strata {
namespace {

using test::Read;
using test::References;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::byte> Words(std::initializer_list<std::uint32_t> words) {
  test::ByteWriter writer;
  for (const std::uint32_t word : words) writer.Put(word);
  return writer.bytes();
}

TEST(LegacyMaps, AreReadFromTheirNumbers) {
  const auto spec = Read(STRATA_BPF_LEGACY_MAPS);
  const MapSpec& array = spec.maps.at("old_map");
  EXPECT_EQ(array.type, MapType::kArray);
  EXPECT_EQ(array.key_size, 4U);
  EXPECT_EQ(array.value_size, 8U);
  EXPECT_EQ(array.max_entries, 1U);
  EXPECT_TRUE(array.extra.empty());
  EXPECT_EQ(spec.maps.at("old_hash").flags, map_flags::kNoPrealloc);
  EXPECT_THAT(References(spec.programs.at("uses_old_map")), ElementsAre("map old_map"));
}

TEST(LegacyMaps, TakeTheTypesOfTheirAnnotation) {
  const auto spec = Read(STRATA_BPF_LEGACY_MAPS);
  EXPECT_EQ(spec.types->SizeOf(spec.maps.at("old_hash").key_type).value(), 8U);
  EXPECT_EQ(spec.types->SizeOf(spec.maps.at("old_hash").value_type).value(), 16U);
  EXPECT_FALSE(spec.maps.at("old_map").key_type);
}

TEST(LegacyMaps, KeepWhatOnlyAnotherLoaderUnderstands) {
  const auto spec = Read(STRATA_BPF_LEGACY_MAPS_OF_IPROUTE2);
  EXPECT_EQ(spec.maps.at("pinned").max_entries, 16U);
  EXPECT_EQ(spec.maps.at("pinned").extra, Words({7, 2, 0, 0}));
  EXPECT_TRUE(spec.maps.at("plain").extra.empty()) << "zeros mean nothing";
}

TEST(LegacyMaps, MayBeOfTheOldestKindWithoutFlags) {
  const auto bytes =
      test::ElfWriter().Section("maps", Words({1, 4, 8, 2, 2, 4, 4, 3})).Symbol("a", 0, 16).Symbol("b", 16, 16).Bytes();
  const auto spec = elf::ReadCollectionSpec(bytes).value();
  EXPECT_EQ(spec.maps.at("b").type, MapType::kArray);
  EXPECT_EQ(spec.maps.at("b").max_entries, 3U);
}

TEST(LegacyMaps, MayEachHaveASection) {
  const auto bytes = test::ElfWriter().Section("maps/counts", Words({1, 4, 8, 2, 0})).Symbol("counts", 0, 20).Bytes();
  EXPECT_EQ(elf::ReadCollectionSpec(bytes)->maps.at("counts").value_size, 8U);
}

TEST(LegacyMaps, RefuseWhatIsNoWholeDefinition) {
  const auto error = [](test::ElfWriter& writer) {
    return elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"}).error().message();
  };
  test::ElfWriter uneven;
  uneven.Section("maps", std::vector<std::byte>(41)).Symbol("a", 0, 20).Symbol("b", 20, 20);
  EXPECT_EQ(error(uneven), "a.o: section maps: 41 bytes for 2 maps: no whole definitions of at least 16 bytes");
  test::ElfWriter small;
  small.Section("maps", std::vector<std::byte>(8)).Symbol("a", 0, 8);
  EXPECT_THAT(error(small), HasSubstr("8 bytes for 1 maps"));
  test::ElfWriter outside;
  outside.Section("maps", std::vector<std::byte>(40)).Symbol("a", 0, 20).Symbol("b", 30, 20);
  EXPECT_THAT(error(outside), HasSubstr("section maps: map b: "));
  test::ElfWriter is_static;
  is_static.Section("maps", std::vector<std::byte>(20)).Symbol("a", 0, 20, {.binding = STB_LOCAL});
  EXPECT_THAT(error(is_static), HasSubstr("map a: is static; a map is a global variable: remove \"static\""));
  test::ElfWriter twice;
  twice.Section("maps", std::vector<std::byte>(40)).Symbol("a", 0, 20).Symbol("a", 20, 20);
  EXPECT_THAT(error(twice), HasSubstr("map a: is defined twice"));
}

}  // namespace
}  // namespace strata
