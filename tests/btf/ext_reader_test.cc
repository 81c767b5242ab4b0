#include "strata/btf/ext_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/elf_writer.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

// One function, two lines and a CO-RE relocation in the section "uprobe".
class ExtReader : public testing::Test {
 protected:
  ExtReader() {
    writer_.Int("int", 4, 1);
    writer_.Type(13, "", 0, 1);
    writer_.Type(12, "program", 1, 2);
    section_ = writer_.String("uprobe");
    file_ = writer_.String("a.c");
    line_ = writer_.String("return 0;");
    access_ = writer_.String("0:1");
    types_ = Btf::Parse(writer_.Bytes()).value();
  }

  std::vector<std::byte> Bytes(std::uint32_t function_offset = 0, std::uint32_t function_type = 3) const {
    test::ByteWriter functions;
    functions.Put(8U).Put(section_).Put(1U).Put(function_offset).Put(function_type);
    test::ByteWriter lines;  // records of a newer format are longer
    lines.Put(20U).Put(section_).Put(2U);
    lines.Put(16U).Put(file_).Put(line_).Put(8U << 10 | 3).Put(0U);
    lines.Put(0U).Put(file_).Put(line_).Put(7U << 10 | 1).Put(0U);
    test::ByteWriter relocations;
    relocations.Put(16U).Put(section_).Put(1U).Put(8U).Put(1U).Put(access_).Put(2U);

    const auto size = [](test::ByteWriter& part) { return static_cast<std::uint32_t>(part.size()); };
    test::ByteWriter all;
    all.Put(std::uint16_t{0xeb9f}).Put(std::uint8_t{1}).Put(std::uint8_t{0}).Put(32U);
    all.Put(0U).Put(size(functions)).Put(size(functions)).Put(size(lines));
    all.Put(size(functions) + size(lines)).Put(size(relocations));
    all.Append(functions.bytes()).Append(lines.bytes()).Append(relocations.bytes());
    return all.bytes();
  }

  test::BtfWriter writer_;
  std::shared_ptr<const Btf> types_;
  std::uint32_t section_ = 0, file_ = 0, line_ = 0, access_ = 0;
};

TEST_F(ExtReader, ReadsAllTablesSortedByInstruction) {
  const auto info = ReadExtInfo(Bytes(), *types_).value();
  const SectionExtInfo& section = info.at("uprobe");
  ASSERT_EQ(section.functions.size(), 1U);
  EXPECT_EQ(section.functions[0].type, TypeId{3});
  ASSERT_EQ(section.lines.size(), 2U);
  EXPECT_EQ(section.lines[0].index.value, 0U);
  EXPECT_EQ(section.lines[0].line(), 7U);
  EXPECT_EQ(section.lines[1].index.value, 2U);
  EXPECT_EQ(section.lines[1].column(), 3U);
  EXPECT_EQ(types_->StringAt(section.lines[1].line_offset).value(), "return 0;");
  ASSERT_EQ(section.core_relocations.size(), 1U);
  EXPECT_EQ(section.core_relocations[0], (CoreRelocation{{1}, TypeId{1}, "0:1", 2}));
}

TEST_F(ExtReader, RefusesFunctionsOfAnotherKind) {
  EXPECT_THAT(ReadExtInfo(Bytes(0, 1), *types_).error().message(), HasSubstr("type 1 is a INT and no FUNC"));
  EXPECT_THAT(ReadExtInfo(Bytes(0, 99), *types_).error().message(), HasSubstr("there is no type 99"));
}

TEST_F(ExtReader, RefusesOffsetsInsideAnInstruction) {
  EXPECT_THAT(ReadExtInfo(Bytes(3), *types_, "a.o: .BTF.ext").error().message(),
              HasSubstr("a.o: .BTF.ext: func_info: offset 16: instruction offset 3 is no multiple of 8"));
}

TEST_F(ExtReader, ToleratesALongerHeaderOnlyWhereItIsZero) {
  auto bytes = Bytes();
  bytes[4] = std::byte{40};
  bytes.insert(bytes.begin() + 32, 8, std::byte{0});
  EXPECT_EQ(ReadExtInfo(bytes, *types_).value().at("uprobe").lines.size(), 2U);
  bytes[36] = std::byte{1};
  EXPECT_THAT(ReadExtInfo(bytes, *types_, "a.o").error().message(),
              HasSubstr("a.o: offset 40: the header has fields that are not known"));
}

TEST_F(ExtReader, ReadsOneSectionWithoutTheOthers) {
  const auto bytes = Bytes();
  auto reader = ExtInfoReader::Open(bytes, *types_, "a.o").value();
  EXPECT_EQ(reader.Sections(), std::set<std::string_view>{"uprobe"});
  EXPECT_EQ(reader.Read("uprobe")->core_relocations.size(), 1U);
  EXPECT_TRUE(reader.Read("kprobe")->functions.empty());
  EXPECT_TRUE(reader.Read("uprobe")->line_records.empty()) << "its records are longer than those we know";
}

TEST_F(ExtReader, RefusesEveryTruncation) {
  const auto bytes = Bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadExtInfo(std::span(bytes).first(size), *types_).has_value()) << size;
  }
}

}  // namespace
}  // namespace strata::btf
