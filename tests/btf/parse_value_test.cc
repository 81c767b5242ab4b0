#include "strata/btf/parse_value.h"

#include <gtest/gtest.h>

#include <bit>

#include "strata/btf/format_value.h"
#include "support/elf_writer.h"

namespace strata::btf {
namespace {

using test::ByteWriter;

struct Types {
  explicit Types(std::endian order = std::endian::little) : writer(order) {
    number = writer.Int("int", 4, 1);
    character = writer.Int("char", 1, 1);
    truth = writer.Int("_Bool", 1, 4);
    wide = writer.Int("unsigned long", 8);
    name = writer.Type(3, "", 0, 0, {character, number, 8});
    counts = writer.Type(3, "", 0, 0, {wide, number, 4});
    color = writer.Type(6, "color", 2, 4, {writer.String("RED"), 0, writer.String("BLUE"), 0xffffffff}, true);
    event = writer.Type(
        4, "event", 3, 48,
        {writer.String("pid"), number, 0, writer.String("comm"), name, 32, writer.String("slots"), counts, 128});
    flags =
        writer.Type(4, "flags", 2, 4,
                    {writer.String("low"), number, 3U << 24 | 0, writer.String("high"), number, 5U << 24 | 3}, true);
  }
  Result<std::vector<std::byte>> Parse(std::uint32_t type, std::string_view text) const {
    return ParseValue(*Btf::Parse(writer.Bytes()).value(), TypeId{type}, text);
  }
  std::string RoundTrip(std::uint32_t type, std::string_view json) const {
    const auto types = Btf::Parse(writer.Bytes()).value();
    return FormatValueJson(*types, TypeId{type}, ParseValue(*types, TypeId{type}, json).value());
  }
  std::string ErrorOf(std::uint32_t type, std::string_view text) const {
    const auto parsed = Parse(type, text);
    return parsed ? "" : parsed.error().message();
  }

  test::BtfWriter writer;
  std::uint32_t number, character, truth, wide, name, counts, color, event, flags;
};

TEST(ParseValue, IsTheWayBackFromJson) {
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    const Types types(order);
    for (const auto& [type, json] : std::initializer_list<std::pair<std::uint32_t, const char*>>{
             {types.event, R"({"pid":-12,"comm":"sort","slots":[0,3,18446744073709551615,0]})"},
             {types.flags, R"({"low":-4,"high":15})"},
             {types.color, R"("BLUE")"},
             {types.truth, "true"},
             {types.number, "-2147483648"}}) {
      EXPECT_EQ(types.RoundTrip(type, json), json);
    }
  }
}

TEST(ParseValue, WhatIsNotNamedIsZero) {
  const Types types;
  EXPECT_EQ(types.RoundTrip(types.event, R"({"slots":[7]})"), R"({"pid":0,"comm":"","slots":[7,0,0,0]})");
}

TEST(ParseValue, ScalarsNeedNoQuotes) {
  const Types types;
  EXPECT_EQ(types.RoundTrip(types.number, "0x1f"), "31");
  EXPECT_EQ(types.RoundTrip(types.color, "RED"), R"("RED")");
  EXPECT_EQ(types.RoundTrip(types.name, "sort"), R"("sort")");
  EXPECT_EQ(types.RoundTrip(types.name, "123"), R"("123")");
  EXPECT_EQ(types.RoundTrip(types.character, "R"), "82");
}

TEST(ParseValue, ErrorsNameTheMemberAndWhatItExpects) {
  const Types types;
  EXPECT_EQ(types.ErrorOf(types.event, R"({"pid":"x"})"), ".pid: expected a whole number, got \"x\"");
  EXPECT_EQ(types.ErrorOf(types.event, R"({"nothing":1})"), ".nothing: there is no such member");
  EXPECT_EQ(types.ErrorOf(types.event, R"({"comm":"123456789"})"),
            ".comm: \"123456789\" has 9 bytes, there is room for 8");
  EXPECT_EQ(types.ErrorOf(types.event, R"({"slots":[0,0,-1]})"), ".slots: [2]: -1 does not fit into 64 unsigned bits");
  EXPECT_EQ(types.ErrorOf(types.event, R"({"slots":[0,0,0,0,0]})"),
            ".slots: 5 elements are given, there is room for 4");
  EXPECT_EQ(types.ErrorOf(types.flags, R"({"low":8})"), ".low: 8 does not fit into 3 signed bits");
  EXPECT_EQ(types.ErrorOf(types.number, "4294967296"), "4294967296 does not fit into 32 signed bits");
  EXPECT_EQ(types.ErrorOf(types.color, "GREEN"), "GREEN is no value of enum color");
  EXPECT_EQ(types.ErrorOf(types.event, "{"), "{ is no valid JSON");
  EXPECT_EQ(types.ErrorOf(types.event, "7"), "expected an object with members, got 7");
}

TEST(ParseValue, HexBytesHaveTheSizeOfTheValue) {
  EXPECT_EQ(ParseHexBytes("0x01ff", 2).value(), (std::vector{std::byte{1}, std::byte{255}}));
  EXPECT_EQ(ParseHexBytes("01 ff", 2).value(), (std::vector{std::byte{1}, std::byte{255}}));
  EXPECT_FALSE(ParseHexBytes("01", 2));
  EXPECT_FALSE(ParseHexBytes("0g", 1));
  EXPECT_FALSE(ParseHexBytes("1", 1));
}

}  // namespace
}  // namespace strata::btf
