// Edge case 42: tables of function pointers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "reading.h"

namespace strata {
namespace {

using test::Read;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint32_t kAbsolute = 2;  // R_BPF_64_ABS64

TEST(StructOps, VariablesAreMaps) {
  const auto spec = Read(STRATA_BPF_STRUCT_OPS);
  const MapSpec& map = spec.maps.at("first");
  EXPECT_EQ(map.type, MapType::kStructOps);
  EXPECT_EQ(map.key_size, 4U);
  EXPECT_EQ(map.value_size, 48U);
  EXPECT_EQ(map.max_entries, 1U);
  EXPECT_EQ(spec.types->Describe(map.value_type), "struct tcp_congestion_ops");
  EXPECT_THAT(map.slots,
              ElementsAre(MapSlotInit{0, "on_ssthresh"}, MapSlotInit{8, "on_cong_avoid"}, MapSlotInit{16, "on_undo"}));
  ASSERT_EQ(map.contents.size(), 48U);
  EXPECT_STREQ(reinterpret_cast<const char*>(map.contents.data()) + 28, "strata_a");
}

TEST(StructOps, SectionsSayHowTheyAreAttachedAndMade) {
  const auto spec = Read(STRATA_BPF_STRUCT_OPS);
  EXPECT_FALSE(spec.maps.at("first").is_linkable);
  EXPECT_TRUE(spec.maps.at("first").autocreate);
  EXPECT_TRUE(spec.maps.at("second").is_linkable);
  EXPECT_TRUE(spec.maps.at("second").autocreate);
  EXPECT_TRUE(spec.maps.at("optional").is_linkable);
  EXPECT_FALSE(spec.maps.at("optional").autocreate);
}

TEST(StructOps, SeveralVariablesOfASectionHaveTheirOwnBytes) {
  const auto spec = Read(STRATA_BPF_STRUCT_OPS);
  std::uint32_t flags = 0;
  std::memcpy(&flags, spec.maps.at("second").contents.data() + 24, sizeof(flags));
  EXPECT_EQ(flags, 3U);
  EXPECT_THAT(spec.maps.at("second").slots, ElementsAre(MapSlotInit{0, "on_ssthresh"}));
  EXPECT_STREQ(reinterpret_cast<const char*>(spec.maps.at("third").contents.data()) + 28, "strata_c");
}

TEST(StructOps, ProgramsKnowTheirMember) {
  const auto spec = Read(STRATA_BPF_STRUCT_OPS);
  EXPECT_EQ(spec.programs.at("on_ssthresh").type_of_program, ProgramType::kStructOps);
  EXPECT_EQ(spec.programs.at("on_ssthresh").attach_to, "ssthresh");
  EXPECT_TRUE(spec.programs.at("on_cong_avoid").is_sleepable);
}

// One table "t" of 16 bytes: a pointer and a number.
class MadeUpTable {
 public:
  explicit MadeUpTable(std::uint32_t variable_offset = 0, std::uint32_t kind = 4) {
    const auto number = types_.Int("long", 8, 1);
    const auto table =
        types_.Type(kind, "ops", 2, 16, {types_.String("run"), number, 0, types_.String("n"), number, 64});
    const auto variable = types_.Type(14, "t", 0, table, {1});
    types_.Type(15, ".struct_ops", 1, 16, {variable, variable_offset, 16});
    writer_.Code("struct_ops/run", "f", {{.opcode = 0xb7}, {.opcode = 0x95}})
        .Section(".struct_ops", std::vector<std::byte>(16))
        .Symbol("t", 0, 16);
  }
  test::ElfWriter& elf() { return writer_; }
  std::string Error() {
    writer_.Section(".BTF", types_.Bytes(), {.flags = 0});
    const auto spec = elf::ReadCollectionSpec(writer_.Bytes(), {.path = "a.o"});
    return spec ? "no error" : spec.error().message();
  }

 private:
  test::BtfWriter types_;
  test::ElfWriter writer_;
};

TEST(StructOps, RefuseWhatIsNoTable) {
  EXPECT_EQ(MadeUpTable().Error(), "no error");
  EXPECT_THAT(MadeUpTable(8).Error(),
              HasSubstr("section .struct_ops: symbol t: [8, +16) is outside of the section's 16"));
  EXPECT_THAT(MadeUpTable(0, 5).Error(), HasSubstr("symbol t: its type is no struct with a name"));
  MadeUpTable tail;
  tail.elf().Relocation(12, "f", kAbsolute);
  EXPECT_THAT(tail.Error(), HasSubstr("section .struct_ops: offset 12: a relocation of what is no pointer"));
  MadeUpTable data;
  data.elf().Relocation(0, "t", kAbsolute);
  EXPECT_THAT(data.Error(), HasSubstr("symbol t: refers to t, which is no function"));
  MadeUpTable type;
  type.elf().Relocation(0, "f", 1);
  EXPECT_THAT(type.Error(), HasSubstr("offset 0: a relocation of what is no pointer"));
}

TEST(StructOps, NeedTypes) {
  const auto bytes = test::ElfWriter().Section(".struct_ops", std::vector<std::byte>(8)).Symbol("t", 0, 8).Bytes();
  EXPECT_THAT(elf::ReadCollectionSpec(bytes).error().message(), HasSubstr("there is no .BTF (compile with -g)"));
}

}  // namespace
}  // namespace strata
