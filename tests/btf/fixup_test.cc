#include "strata/btf/fixup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/elf_writer.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

// As clang writes it: a section of size 0 whose variables all have offset 0.
test::BtfWriter FromCompiler(std::endian order = std::endian::little, std::uint32_t section_size = 0) {
  test::BtfWriter writer(order);
  const auto number = writer.Int("int", 4, 1);
  const auto second = writer.Type(14, "second", 0, number, {1});
  const auto first = writer.Type(14, "first", 0, number, {1});
  writer.Type(15, ".data", 2, section_size, {second, 0, 4, first, 0, 4});
  const auto prototype = writer.Type(13, "", 0, number);
  writer.Type(12, "hidden", 1, prototype);
  writer.Type(12, "visible", 1, prototype);
  return writer;
}

ObjectLayout Layout() {
  ObjectLayout layout;
  layout.sections[".data"] = {.size_bytes = 12, .variable_offsets = {{"first", 0}, {"second", 8}}};
  layout.hidden_functions = {"hidden"};
  return layout;
}

TEST(BtfFixup, PlacesAndSortsVariablesInBothByteOrders) {
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    const auto raw = Btf::Parse(FromCompiler(order).Bytes()).value();
    const auto fixed = Btf::Parse(FixUpForKernel(*raw, Layout()).value()).value();
    const auto section = fixed->Get<DataSec>(TypeId{4}).value();
    EXPECT_EQ(section.size_bytes, 12U);
    EXPECT_EQ(fixed->NameOf(section.variables[0].type), "first");
    EXPECT_EQ(section.variables[0].offset_bytes, 0U);
    EXPECT_EQ(fixed->NameOf(section.variables[1].type), "second");
    EXPECT_EQ(section.variables[1].offset_bytes, 8U);
  }
}

TEST(BtfFixup, KeepsWhatALinkerFilledIn) {
  const auto raw = Btf::Parse(FromCompiler(std::endian::little, 8).Bytes()).value();
  const auto fixed = Btf::Parse(FixUpForKernel(*raw, Layout()).value()).value();
  EXPECT_EQ(fixed->Get<DataSec>(TypeId{4})->size_bytes, 8U);
}

TEST(BtfFixup, MakesHiddenFunctionsStatic) {
  const auto raw = Btf::Parse(FromCompiler().Bytes()).value();
  const auto fixed = Btf::Parse(FixUpForKernel(*raw, Layout()).value()).value();
  EXPECT_EQ(fixed->Get<Func>(TypeId{6})->linkage, Linkage::kStatic);
  EXPECT_EQ(fixed->Get<Func>(TypeId{7})->linkage, Linkage::kGlobal);
}

TEST(BtfFixup, NamesVariablesWithoutSymbolOrOutsideOfTheirSection) {
  const auto raw = Btf::Parse(FromCompiler().Bytes()).value();
  ObjectLayout missing = Layout();
  missing.sections[".data"].variable_offsets.erase("first");
  EXPECT_THAT(FixUpForKernel(*raw, missing).error().message(), HasSubstr("section .data: variable first"));
  ObjectLayout outside = Layout();
  outside.sections[".data"].variable_offsets["first"] = 9;
  EXPECT_THAT(FixUpForKernel(*raw, outside).error().message(), HasSubstr("variable first (4 bytes at 9) is outside"));
}

}  // namespace
}  // namespace strata::btf
