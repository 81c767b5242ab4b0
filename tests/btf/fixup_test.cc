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

TEST(BtfFixup, NamesVariablesOutsideOfTheirSection) {
  const auto raw = Btf::Parse(FromCompiler().Bytes()).value();
  ObjectLayout outside = Layout();
  outside.sections[".data"].variable_offsets["first"] = 9;
  EXPECT_THAT(FixUpForKernel(*raw, outside).error().message(), HasSubstr("variable first (4 bytes at 9) is outside"));
}

TEST(BtfFixup, LeavesVariablesWithoutSymbolWhereTheyAre) {
  const auto raw = Btf::Parse(FromCompiler().Bytes()).value();
  ObjectLayout missing = Layout();
  missing.sections[".data"].variable_offsets.erase("second");
  const auto fixed = Btf::Parse(FixUpForKernel(*raw, missing).value()).value();
  EXPECT_EQ(fixed->Get<DataSec>(TypeId{4})->variables[0].offset_bytes, 0U);
}

// Two static variables of one name have no symbols that tell them apart.
TEST(BtfFixup, KeepsTheOffsetsOfStaticVariables) {
  test::BtfWriter writer;
  const auto number = writer.Int("int", 4, 1);
  const auto second = writer.Type(14, "same", 0, number, {0});
  const auto first = writer.Type(14, "same", 0, number, {0});
  writer.Type(15, ".data", 2, 0, {second, 8, 4, first, 4, 4});
  const auto raw = Btf::Parse(writer.Bytes()).value();
  ObjectLayout layout;
  layout.sections[".data"] = {.size_bytes = 12, .variable_offsets = {{"same", 0}}};
  const auto fixed = Btf::Parse(FixUpForKernel(*raw, layout).value()).value();
  const auto section = fixed->Get<DataSec>(TypeId{4}).value();
  EXPECT_EQ(section.variables[0].type, TypeId{first});
  EXPECT_EQ(section.variables[0].offset_bytes, 4U);
  EXPECT_EQ(section.variables[1].offset_bytes, 8U);
}

TEST(BtfFixup, MakesConfigurationValuesVariablesOfAMap) {
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    test::BtfWriter writer(order);
    const auto number = writer.Int("int", 4, 1);
    const auto late = writer.Type(14, "LATE", 0, number, {2});
    const auto early = writer.Type(14, "EARLY", 0, number, {2});
    writer.Type(15, ".kconfig", 2, 0, {late, 0, 4, early, 0, 4});
    const auto raw = Btf::Parse(writer.Bytes()).value();
    ObjectLayout layout;
    layout.sections[".kconfig"] = {.size_bytes = 8, .variable_offsets = {{"EARLY", 0}, {"LATE", 4}}};
    const auto fixed = Btf::Parse(FixUpForKernel(*raw, layout).value()).value();
    const auto section = fixed->Get<DataSec>(TypeId{4}).value();
    EXPECT_EQ(section.size_bytes, 8U);
    EXPECT_EQ(section.variables[0].type, TypeId{early});
    EXPECT_EQ(section.variables[1].offset_bytes, 4U);
    EXPECT_EQ(fixed->Get<Var>(TypeId{late})->linkage, Linkage::kGlobal);
  }
}

// Edge case 30.
TEST(BtfFixup, ReplacesFunctionsInKsyms) {
  for (const bool has_int : {true, false}) {
    test::BtfWriter writer;
    const auto number = has_int ? writer.Int("int", 4, 1) : writer.Int("short", 2, 1);
    const auto pointer = writer.Pointer(0);
    const auto named = writer.String("given");
    const auto prototype = writer.Type(13, "", 3, 0, {0, pointer, named, number, 0, 0});
    const auto function = writer.Type(12, "kfunc", 2, prototype);
    const auto forward = writer.Type(7, "rq", 0, 0);
    const auto variable = writer.Type(14, "runqueues", 0, forward, {2});
    const auto section_id = writer.Type(15, ".ksyms", 2, 0, {function, 0, 0, variable, 0, 0});
    const auto raw = Btf::Parse(writer.Bytes()).value();
    const auto fixed = Btf::Parse(FixUpForKernel(*raw, {}).value()).value();

    const auto section = fixed->Get<DataSec>(TypeId{section_id}).value();
    EXPECT_EQ(section.size_bytes, 8U);
    for (std::uint32_t i = 0; i < 2; ++i) {
      const auto entry = fixed->Get<Var>(section.variables[i].type).value();
      EXPECT_EQ(section.variables[i].offset_bytes, 4 * i);
      EXPECT_EQ(section.variables[i].size_bytes, 4U);
      EXPECT_EQ(entry.linkage, Linkage::kGlobal);
      EXPECT_EQ(fixed->Describe(entry.type), "int");
    }
    EXPECT_EQ(fixed->NameOf(section.variables[0].type), "dummy_ksym");
    EXPECT_EQ(fixed->NameOf(section.variables[1].type), "runqueues");
    EXPECT_EQ(fixed->Get<Func>(TypeId{function})->linkage, Linkage::kStatic);
    const auto parameters = fixed->Get<FuncProto>(TypeId{prototype})->parameters;
    EXPECT_EQ(parameters[0].name, "dummy_ksym");
    EXPECT_EQ(parameters[1].name, "given");
    EXPECT_EQ(parameters[2].name, "") << "the dots of a variadic function";
    EXPECT_EQ(fixed->type_count(), raw->type_count() + (has_int ? 1 : 2));
  }
}

TEST(BtfFixup, RefusesWhatIsNoVariableInASection) {
  for (const char* name : {".ksyms", ".data"}) {
    test::BtfWriter writer;
    const auto number = writer.Int("int", 4, 1);
    const auto pointer = writer.Pointer(number);
    writer.Type(15, name, 1, 0, {pointer, 0, 4});
    const auto raw = Btf::Parse(writer.Bytes()).value();
    ObjectLayout layout;
    layout.sections[".data"] = {.size_bytes = 12, .variable_offsets = {}};
    EXPECT_THAT(FixUpForKernel(*raw, layout).error().message(), HasSubstr(name));
  }
}

}  // namespace
}  // namespace strata::btf
