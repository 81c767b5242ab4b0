#include "strata/btf/format_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "support/elf_writer.h"

namespace strata::btf {
namespace {

using test::ByteWriter;

struct Types {
  explicit Types(std::endian order = std::endian::little) : writer(order) {
    number = writer.Int("int", 4, 1);
    character = writer.Int("char", 1, 1);
    byte = writer.Int("unsigned char", 1);
    truth = writer.Int("_Bool", 1, 4);
    wide = writer.Int("unsigned long", 8);
    name = writer.Type(3, "", 0, 0, {character, number, 8});
    counts = writer.Type(3, "", 0, 0, {wide, number, 4});
    color = writer.Type(6, "color", 2, 4, {writer.String("RED"), 0, writer.String("BLUE"), 0xffffffff}, true);
  }
  std::uint32_t Struct(std::string_view type_name, std::uint32_t size, std::uint32_t members,
                       const std::vector<std::uint32_t>& words, bool has_bitfields = false) {
    return writer.Type(4, type_name, members, size, words, has_bitfields);
  }
  std::string Text(std::uint32_t type, const std::vector<std::byte>& bytes) const {
    return FormatValue(*Btf::Parse(writer.Bytes()).value(), TypeId{type}, bytes);
  }
  std::string Json(std::uint32_t type, const std::vector<std::byte>& bytes) const {
    return FormatValueJson(*Btf::Parse(writer.Bytes()).value(), TypeId{type}, bytes);
  }

  test::BtfWriter writer;
  std::uint32_t number, character, byte, truth, wide, name, counts, color;
};

TEST(FormatValue, PrintsStructsStringsAndNestedArrays) {
  Types types;
  const auto event = types.Struct("event", 48, 3,
                                  {types.writer.String("pid"), types.number, 0, types.writer.String("comm"), types.name,
                                   32, types.writer.String("slots"), types.counts, 128});
  ByteWriter bytes;
  bytes.Put(-12).Append(test::BytesOf(std::string_view("sort\0abc", 8))).Put(0U);
  bytes.Put(std::uint64_t{0}).Put(std::uint64_t{3}).Put(std::uint64_t{1}).Put(std::uint64_t{0});
  EXPECT_EQ(types.Text(event, bytes.bytes()), R"({.pid = -12, .comm = "sort", .slots = {0, 3, 1}})");
  EXPECT_EQ(types.Json(event, bytes.bytes()), R"({"pid":-12,"comm":"sort","slots":[0,3,1,0]})");
}

TEST(FormatValue, PrintsScalars) {
  Types types;
  EXPECT_EQ(types.Text(types.wide, ByteWriter().Put(~std::uint64_t{0}).bytes()), "18446744073709551615");
  EXPECT_EQ(types.Json(types.wide, ByteWriter().Put(~std::uint64_t{0}).bytes()), "18446744073709551615");
  EXPECT_EQ(types.Text(types.truth, {std::byte{1}}), "true");
  EXPECT_EQ(types.Json(types.truth, {std::byte{0}}), "false");
  EXPECT_EQ(types.Text(types.character, {std::byte{'R'}}), "'R'");
  EXPECT_EQ(types.Text(types.character, {std::byte{0xff}}), "-1");
  EXPECT_EQ(types.Text(types.byte, {std::byte{0xff}}), "255");
  const auto pointer = types.writer.Pointer(types.number);
  EXPECT_EQ(types.Text(pointer, ByteWriter().Put(std::uint64_t{0x1000}).bytes()), "0x1000");
  const auto real = types.writer.Type(16, "double", 0, 8);
  EXPECT_EQ(types.Text(real, ByteWriter().Put(std::bit_cast<std::uint64_t>(1.5)).bytes()), "1.5");
}

TEST(FormatValue, PrintsEnumsByName) {
  Types types;
  EXPECT_EQ(types.Text(types.color, ByteWriter().Put(-1).bytes()), "BLUE");
  EXPECT_EQ(types.Json(types.color, ByteWriter().Put(0).bytes()), "\"RED\"");
  EXPECT_EQ(types.Text(types.color, ByteWriter().Put(-9).bytes()), "-9");
}

TEST(FormatValue, PrintsBitfieldsInBothByteOrders) {
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    Types types(order);
    const auto word = [&](std::string_view text) { return types.writer.String(text); };
    const auto flags = types.Struct("flags", 4, 3,
                                    {word("low"), types.byte, 3U << 24 | 0, word("middle"), types.number, 5U << 24 | 3,
                                     word("high"), types.wide, 24U << 24 | 8},
                                    true);
    const std::uint32_t value =
        order == std::endian::little ? (0xabcdefU << 8 | (0x1eU << 3) | 5U) : (5U << 29 | 0x1eU << 24 | 0xabcdefU);
    EXPECT_EQ(types.Text(flags, ByteWriter(order).Put(value).bytes()), "{.low = 5, .middle = -2, .high = 11259375}");
  }
}

TEST(FormatValue, ShowsMembersOfAnonymousUnionsAsTheirParents) {
  Types types;
  const auto choice = types.writer.Type(
      5, "", 2, 8, {types.writer.String("all"), types.wide, 0, types.writer.String("low"), types.number, 0});
  const auto outer = types.Struct("outer", 8, 1, {0, choice, 0});
  EXPECT_EQ(types.Text(outer, ByteWriter().Put(std::uint64_t{7}).bytes()), "{.all = 7, .low = 7}");
  EXPECT_EQ(types.Json(outer, ByteWriter().Put(std::uint64_t{7}).bytes()), R"({"all":7,"low":7})");
}

TEST(FormatValue, PrintsDataSectionsByVariable) {
  Types types;
  const auto variable = types.writer.Type(14, "counter", 0, types.number, {1});
  const auto section = types.writer.Type(15, ".bss", 1, 8, {variable, 4, 4});
  EXPECT_EQ(types.Text(section, ByteWriter().Put(0).Put(5).bytes()), "{.counter = 5}");
}

TEST(FormatValue, MarksWhatTheBytesDoNotReach) {
  Types types;
  const auto pair = types.Struct(
      "pair", 8, 2, {types.writer.String("a"), types.number, 0, types.writer.String("b"), types.number, 32});
  EXPECT_EQ(types.Text(pair, ByteWriter().Put(1).Put(std::uint16_t{2}).bytes()), "{.a = 1, .b = ?}");
  EXPECT_EQ(types.Json(pair, ByteWriter().Put(1).bytes()), R"({"a":1,"b":null})");
}

TEST(FormatValue, PrintsBytesWithoutTypeInHexadecimal) {
  EXPECT_EQ(Types().Text(0, {std::byte{0x01}, std::byte{0xab}}), "01 ab");
}

TEST(FormatValue, EscapesTextAndReplacesWhatIsNoUtf8) {
  Types types;
  const auto bytes = test::BytesOf(std::string_view("a\"\n\xff\0\0\0\0", 8));
  EXPECT_EQ(types.Text(types.name, bytes), "\"a\\\"\\n\xff\"");
  EXPECT_EQ(types.Json(types.name, bytes), "\"a\\\"\\n\xef\xbf\xbd\"");
}

TEST(FormatValue, EndsOnTypesThatContainThemselves) {
  Types types;
  const std::uint32_t own_id = 9;
  std::vector<std::uint32_t> members;
  for (int i = 0; i < 40; ++i) members.insert(members.end(), {types.writer.String("m"), own_id, 0});
  ASSERT_EQ(types.Struct("endless", 8, 40, members), own_id);
  EXPECT_THAT(types.Text(own_id, ByteWriter().Put(std::uint64_t{0}).bytes()), testing::StartsWith("{.m = "));
}

}  // namespace
}  // namespace strata::btf
