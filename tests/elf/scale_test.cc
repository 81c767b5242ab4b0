// Files with many parts: nothing in the reader walks over all of them for each of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"

namespace strata {
namespace {

using isa::Instruction;
using testing::HasSubstr;

const std::vector<Instruction> kReturnZero = {{.opcode = 0xb7}, {.opcode = 0x95}};

std::string Name(std::size_t number) { return "f" + std::to_string(number); }

TEST(Scale, ManyFunctionsOfOneSection) {
  constexpr std::size_t kCount = 60'000;
  std::vector<Instruction> code;
  for (std::size_t i = 0; i < kCount; ++i) code.insert(code.end(), kReturnZero.begin(), kReturnZero.end());
  test::ElfWriter writer;
  writer.Section("xdp", test::BytesOf(code), {.flags = SHF_EXECINSTR});
  for (std::size_t i = kCount; i-- > 0;) writer.Symbol(Name(i), i * 16, 16, {.type = STT_FUNC});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_EQ(spec.programs.size(), kCount);
}

// A symbol has 16 bits for the number of its section.
TEST(Scale, MoreSectionsThanASymbolCanCount) {
  constexpr std::size_t kCount = 66'000;
  test::ElfWriter writer;
  for (std::size_t i = 0; i < kCount; ++i) writer.Section("xdp", {}, {.flags = SHF_EXECINSTR});
  writer.Code("tc", "f", kReturnZero);
  const auto spec = elf::ReadCollectionSpec(writer.Bytes());
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->programs.at("f").instructions, kReturnZero);
}

TEST(Scale, ManyVariablesAndRelocations) {
  constexpr std::size_t kCount = 30'000;
  std::vector<Instruction> code;
  for (std::size_t i = 0; i < kCount; ++i) code.insert(code.end(), {{.opcode = 0x18, .dst = 1}, {}});
  code.push_back({.opcode = 0x95});
  test::ElfWriter writer;
  writer.Section(".data", std::vector<std::byte>(8 * kCount));
  for (std::size_t i = 0; i < kCount; ++i) writer.Symbol(Name(i), 8 * i, 8);
  writer.Code("xdp", "f", code);
  for (std::size_t i = 0; i < kCount; ++i) writer.Relocation(16 * i, Name(i * 7919 % kCount), 1);
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_EQ(spec.variables.size(), kCount);
  ASSERT_EQ(spec.programs.at("f").references.size(), kCount);
  EXPECT_EQ(spec.programs.at("f").references[1].addend, 8 * 7919);
}

// Names overlap in their table: each of these would be as long as all of them.
TEST(Scale, LongNamesAreRefused) {
  test::ElfWriter writer;
  writer.Section(".data", std::vector<std::byte>(8)).Symbol(std::string(5000, 'x'), 0, 8);
  EXPECT_THAT(elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"}).error().message(),
              HasSubstr("a.o: section .symtab: symbol 1: string at 1 has no end"));
}

}  // namespace
}  // namespace strata
