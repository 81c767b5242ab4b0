// Files that are broken on purpose: each gives one error that names the place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "strata/elf/reader.h"
#include "strata/isa/builder.h"
#include "strata/spec/flatten.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using isa::Instruction;
using test::ElfWriter;
using testing::HasSubstr;

constexpr std::uint32_t kLoadImm64Relocation = 1;
constexpr std::uint32_t kCallRelocation = 10;
const std::vector<Instruction> kReturnZero = {{.opcode = 0xb7}, {.opcode = 0x95}};
const std::vector<Instruction> kLoadMap = {{.opcode = 0x18, .dst = 1}, {}, {.opcode = 0x95}};

std::string ErrorOf(const ElfWriter& writer) {
  const auto result = elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"});
  return result ? "no error" : result.error().message();
}

// Why the function "f" of an object that is read cannot run.
std::string ReasonOf(const ElfWriter& writer) {
  const auto spec = elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"});
  if (!spec) return "refused: " + spec.error().message();
  const ProgramSpec& program = spec->programs.at("f");
  const auto flat = Flatten(*spec, program);
  EXPECT_EQ(flat.has_value(), program.unusable.empty());
  EXPECT_EQ(flat ? "" : flat.error().message(), program.unusable.empty() ? "" : "function f: " + program.unusable);
  return program.unusable;
}

TEST(ElfReader, RefusesWhatIsNoBpfObject) {
  const auto error = [](const std::vector<std::byte>& bytes) {
    return elf::ReadCollectionSpec(bytes, {.path = "a.o"}).error().message();
  };
  EXPECT_EQ(error({}), "a.o: is no ELF file");
  EXPECT_EQ(error(test::BytesOf("#!/bin/sh\n")), "a.o: is no ELF file");
  EXPECT_THAT(error(test::ReadFile("/proc/self/exe")), HasSubstr("a.o: is no BPF object"));
  EXPECT_THAT(ErrorOf(ElfWriter(ET_REL, EM_X86_64)), HasSubstr("is no BPF object"));
}

TEST(ElfReader, AcceptsAnObjectWithoutTypes) {
  const auto bytes = ElfWriter().Code("uprobe/a:b", "program", kReturnZero).Bytes();
  const auto spec = elf::ReadCollectionSpec(bytes).value();
  EXPECT_EQ(spec.programs.at("program").instructions, kReturnZero);
  EXPECT_EQ(spec.types, nullptr);
}

TEST(ElfReader, RejectsSymbolPastSectionEnd) {
  ElfWriter writer;
  writer.Section("xdp", test::BytesOf(kReturnZero), {.flags = SHF_EXECINSTR}).Symbol("f", 0, 9999, {.type = STT_FUNC});
  EXPECT_EQ(ErrorOf(writer), "a.o: section xdp: symbol f: [0, +9999) is outside of the section's 16 bytes");
}

TEST(ElfReader, RejectsFunctionsThatAreNoWholeInstructions) {
  for (const auto& [value, size] : {std::pair{0U, 0U}, std::pair{0U, 12U}, std::pair{4U, 8U}}) {
    ElfWriter writer;
    writer.Section("xdp", test::BytesOf(kReturnZero), {.flags = SHF_EXECINSTR})
        .Symbol("f", value, size, {.type = STT_FUNC});
    EXPECT_THAT(ErrorOf(writer), HasSubstr("section xdp: symbol f: ")) << value;
  }
}

TEST(ElfReader, RejectsOverlapsOfFunctions) {
  ElfWriter overlap;
  overlap.Code("xdp", "f", kReturnZero).Symbol("g", 8, 8, {.type = STT_FUNC});
  EXPECT_EQ(ErrorOf(overlap), "a.o: section xdp: symbol g: overlaps f");
  ElfWriter shorter;
  shorter.Code("xdp", "f", kReturnZero).Symbol("g", 0, 8, {.type = STT_FUNC});
  EXPECT_EQ(ErrorOf(shorter), "a.o: section xdp: symbol g: overlaps f");
}

// Linkers leave weak functions that another file overrides.
TEST(ElfReader, SkipsCodeBetweenFunctionsAndItsRelocations) {
  std::vector<Instruction> code = kLoadMap;
  code.insert(code.end(), kReturnZero.begin(), kReturnZero.end());
  ElfWriter writer;
  writer.Section("xdp", test::BytesOf(code), {.flags = SHF_EXECINSTR})
      .Symbol("f", 24, 16, {.type = STT_FUNC})
      .UndefinedSymbol("lost")
      .Relocation(0, "lost", kLoadImm64Relocation);
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_EQ(spec.programs.at("f").instructions, kReturnZero);
  EXPECT_TRUE(spec.programs.at("f").references.empty());
}

TEST(ElfReader, RejectsCodeWithoutAnyFunction) {
  ElfWriter writer;
  writer.Section("xdp", test::BytesOf(kReturnZero), {.flags = SHF_EXECINSTR});
  EXPECT_THAT(ErrorOf(writer), HasSubstr("section xdp: has code, and no symbol says which functions"));
}

TEST(ElfReader, AcceptsFunctionsOfOldCompilersWithoutTypeAndSize) {
  ElfWriter writer;
  writer.Section("xdp", test::BytesOf(kReturnZero), {.flags = SHF_EXECINSTR})
      .Symbol("f", 0, 0, {.type = STT_NOTYPE})
      .Symbol("LBB0_1", 8, 0, {.type = STT_NOTYPE, .binding = STB_LOCAL});
  EXPECT_EQ(elf::ReadCollectionSpec(writer.Bytes())->programs.at("f").instructions.size(), 2U);
}

TEST(ElfReader, GivesStaticFunctionsOfOneNameDistinctKeys) {
  const std::vector<Instruction> call = {{.opcode = 0x85, .src = 1, .imm = 1}, {.opcode = 0x95}};
  auto text = test::BytesOf(kReturnZero);
  text.insert(text.end(), text.begin(), text.begin() + 16);
  ElfWriter both;
  both.Section(".text", text, {.flags = SHF_EXECINSTR})
      .Symbol("same", 0, 16, {.type = STT_FUNC, .binding = STB_LOCAL})
      .Symbol("same", 16, 16, {.type = STT_FUNC, .binding = STB_LOCAL})
      .Section("xdp", test::BytesOf(call), {.flags = SHF_EXECINSTR})
      .Symbol("main", 0, 16, {.type = STT_FUNC})
      .Relocation(0, "same", kCallRelocation);
  const auto spec = elf::ReadCollectionSpec(both.Bytes()).value();
  ASSERT_TRUE(spec.functions.contains("same@.text+16"));
  EXPECT_EQ(spec.functions.at("same@.text+16").name, "same");
  EXPECT_EQ(spec.programs.at("main").references[0].symbol, "same@.text+16");
}

TEST(ElfReader, RejectsBroken64BitLoads) {
  const std::vector<Instruction> truncated = {{.opcode = 0x18}};
  EXPECT_EQ(ErrorOf(ElfWriter().Code("xdp", "f", truncated)),
            "a.o: section xdp: offset 0: a 64-bit load without its second half");
  const std::vector<Instruction> dirty = {{.opcode = 0x18}, {.dst = 1}, {.opcode = 0x95}};
  EXPECT_THAT(ErrorOf(ElfWriter().Code("xdp", "f", dirty)),
              HasSubstr("offset 0: the second half of a 64-bit load has"));
}

TEST(ElfReader, RejectsRelocationsThatFitNothing) {
  EXPECT_THAT(ErrorOf(ElfWriter().Code("xdp", "f", kLoadMap).Relocation(4, "f", 1)),
              HasSubstr("offset 4: a relocation of what"));
  EXPECT_THAT(ErrorOf(ElfWriter().Code("xdp", "f", kLoadMap).Relocation(8000, "f", 1)),
              HasSubstr("offset 8000: a relocation"));
  EXPECT_THAT(ErrorOf(ElfWriter().Code("xdp", "f", kLoadMap).Relocation(0, "nobody", 1)),
              HasSubstr("section .relxdp: relocation 0: there is no symbol 1001"));
  EXPECT_THAT(ErrorOf(ElfWriter().Code("xdp", "f", kLoadMap).Relocation(0, "f", 1).Relocation(0, "f", 1)),
              HasSubstr("offset 0: two relocations of one instruction"));
}

// Edge case 41, and what else one function may have that no other suffers from.
TEST(ElfReader, MakesAFunctionUnusableThatHasUnknownRelocations) {
  EXPECT_EQ(ReasonOf(ElfWriter().Code("xdp", "f", kReturnZero).Relocation(0, "f", kLoadImm64Relocation)),
            "a.o: section xdp: offset 0: relocation type 1 does not fit opcode 0xb7");
  for (const std::uint32_t type : {2U, 3U, 4U, 5U, 8U, 10U, 77U}) {
    EXPECT_THAT(ReasonOf(ElfWriter().Code("xdp", "f", kLoadMap).Relocation(0, "f", type)),
                HasSubstr("offset 0: relocation type " + std::to_string(type) + " does not fit opcode 0x18"));
  }
  EXPECT_EQ(ReasonOf(ElfWriter().Code("xdp", "f", kLoadMap).Relocation(0, "f", 0)), "") << "R_BPF_NONE";
}

TEST(ElfReader, MakesAFunctionUnusableThatRefersToNothing) {
  EXPECT_THAT(ReasonOf(ElfWriter().Code("xdp", "f", kLoadMap).UndefinedSymbol("lost").Relocation(0, "lost", 1)),
              HasSubstr("section xdp: offset 0: refers to lost, which no section defines"));
  ElfWriter common;
  common.Code("xdp", "f", kLoadMap).Symbol("shared", 0, 8, {.section = SHN_COMMON}).Relocation(0, "shared", 1);
  EXPECT_THAT(ReasonOf(common), HasSubstr("common symbol shared; compile with -fno-common"));
  ElfWriter debug;
  debug.Section(".debug_str", std::vector<std::byte>(8), {.flags = 0}).Symbol("text", 0, 8);
  debug.Code("xdp", "f", kLoadMap).Relocation(0, "text", 1);
  EXPECT_THAT(ReasonOf(debug),
              HasSubstr("refers to text of section .debug_str, which is no map, variable or function"));
  ElfWriter empty;
  empty.Section(".data").Symbol("nothing", 0, 0);
  empty.Code("xdp", "f", kLoadMap).Relocation(0, "nothing", 1);
  EXPECT_THAT(ReasonOf(empty), HasSubstr("refers to section .data, which is empty"));
}

// Edge case 48.
TEST(ElfReader, MakesAFunctionUnusableThatJumpsThroughATable) {
  ElfWriter writer;
  writer.Section(".jumptables", std::vector<std::byte>(32)).Symbol("BPF.JT.0.0", 0, 32);
  writer.Code("tc", "other", kReturnZero).Code("xdp", "f", kLoadMap).Relocation(0, "BPF.JT.0.0", 1);
  EXPECT_THAT(ReasonOf(writer), HasSubstr("jumps through a table (gotox), which is not supported; compile with "
                                          "-fno-jump-tables"));
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_TRUE(Flatten(spec, spec.programs.at("other")).has_value());
}

TEST(ElfReader, RejectsReferencesPastTheEndOfData) {
  std::vector<Instruction> code = kLoadMap;
  const auto with_addend = [&](std::int32_t addend) {
    code[0].imm = addend;
    ElfWriter writer;
    writer.Section(".data", std::vector<std::byte>(8)).Symbol("value", 4, 4);
    writer.Code("xdp", "f", code).Relocation(0, "value", kLoadImm64Relocation);
    return ErrorOf(writer);
  };
  EXPECT_EQ(with_addend(4), "no error");  // one past the end, as C allows
  EXPECT_THAT(with_addend(5), HasSubstr("refers to offset 9 of section .data, which has 8 bytes"));
  EXPECT_THAT(with_addend(-5), HasSubstr("refers to offset -1 of section .data"));
}

TEST(ElfReader, MakesAFunctionUnusableThatCallsIntoTheMiddleOfAnother) {
  const std::vector<Instruction> call = {{.opcode = 0x85, .src = 1, .imm = 0}, {.opcode = 0x95}};
  EXPECT_THAT(ReasonOf(ElfWriter().Code("xdp", "f", call)),
              HasSubstr("offset 0: calls offset 8, where no function starts"));
}

TEST(ElfReader, RejectsVariablesOutsideOfTheirSection) {
  ElfWriter writer;
  writer.Section(".data", std::vector<std::byte>(8)).Symbol("value", 4, 5);
  EXPECT_EQ(ErrorOf(writer), "a.o: section .data: symbol value: [4, +5) is outside of the section's 8 bytes");
}

TEST(ElfReader, AcceptsVariablesThatShareAPlaceUpToABound) {
  ElfWriter aliases;
  aliases.Section(".data", std::vector<std::byte>(8)).Symbol("a", 0, 8).Symbol("b", 0, 8).Symbol("c", 0, 4);
  const auto spec = elf::ReadCollectionSpec(aliases.Bytes()).value();
  EXPECT_EQ(spec.variables.at("b").offset_bytes, 0U);
  EXPECT_EQ(spec.variables.at("c").value.size(), 4U);
  for (int i = 0; i < 3; ++i) aliases.Symbol("more" + std::to_string(i), 0, 8);
  EXPECT_THAT(ErrorOf(aliases), HasSubstr("overlaps other variables"));
}

TEST(ElfReader, GivesStaticVariablesOfOneNameDistinctKeys) {
  ElfWriter writer;
  writer.Section(".data", test::BytesOf("aaaabbbbcccc"))
      .Symbol("same", 0, 4, {.binding = STB_LOCAL})
      .Symbol("same", 4, 4, {.binding = STB_LOCAL})
      .Symbol("same", 8, 4);
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  ASSERT_EQ(spec.variables.size(), 3U);
  EXPECT_EQ(spec.variables.at("same").offset_bytes, 8U) << "the global one";
  EXPECT_EQ(spec.variables.at("same@.data+4").value, test::BytesOf("bbbb"));
}

TEST(ElfReader, RejectsSectionsThatShareBytes) {
  ElfWriter writer;
  writer.Section(".data.a", std::vector<std::byte>(600), {.claimed_size = 900});
  writer.Section(".data.b", std::vector<std::byte>(600), {.claimed_size = 900});
  writer.Section(".data.c", std::vector<std::byte>(600), {.claimed_size = 900});
  EXPECT_THAT(ErrorOf(writer), HasSubstr("overlaps other sections"));
}

TEST(ElfReader, RejectsSectionsOutsideOfTheFile) {
  ElfWriter writer;
  writer.Section("xdp", test::BytesOf(kReturnZero), {.flags = SHF_EXECINSTR, .claimed_size = std::uint64_t{1} << 40});
  EXPECT_THAT(ErrorOf(writer), HasSubstr("a.o: section number 1: ["));
}

TEST(ElfReader, RejectsHugeZeroData) {
  ElfWriter writer;
  writer.Section(".bss", {}, {.type = SHT_NOBITS, .claimed_size = std::uint64_t{1} << 40});
  EXPECT_THAT(ErrorOf(writer), HasSubstr("section .bss: 1099511627776 bytes are too many"));
}

TEST(ElfReader, RejectsCompressedSections) {
  ElfWriter writer;
  writer.Section(".data", std::vector<std::byte>(64), {.flags = SHF_COMPRESSED}).Symbol("value", 0, 4);
  EXPECT_THAT(ErrorOf(writer), HasSubstr("section .data: is compressed"));
}

TEST(ElfReader, RejectsASecondSymbolTable) {
  ElfWriter writer;
  writer.Section(".other", std::vector<std::byte>(24), {.type = SHT_SYMTAB, .flags = 0});
  EXPECT_THAT(ErrorOf(writer), HasSubstr("section .symtab: is a second symbol table"));
}

TEST(ElfReader, ReadsLicensesWithoutEndAndBoundsThem) {
  const auto license = [](const std::string& text) {
    const auto bytes = ElfWriter().Section("license", test::BytesOf(text)).Code("xdp", "f", kReturnZero).Bytes();
    return elf::ReadCollectionSpec(bytes)->programs.at("f").license;
  };
  EXPECT_EQ(license("GPL"), "GPL");
  EXPECT_EQ(license(std::string(5000, 'x')).size(), 128U);
  EXPECT_THAT(ErrorOf(ElfWriter().Section("version", std::vector<std::byte>(2))),
              HasSubstr("section version: offset 0"));
}

TEST(ElfReader, RefusesEveryTruncation) {
  for (const char* path : {STRATA_BPF_PROGRAMS, STRATA_BPF_MAPS, STRATA_BPF_KSYMS, STRATA_BPF_STRUCT_OPS}) {
    const auto bytes = test::ReadFile(path);
    ASSERT_GT(bytes.size(), 1000U);
    for (std::size_t size = 0; size < bytes.size(); size += size < 4096 ? 1 : 13) {
      // A copy of exactly this size, so that a sanitizer sees every byte read behind it.
      const std::vector<std::byte> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const auto result = elf::ReadCollectionSpec(part, {.path = "a.o"});
      ASSERT_FALSE(result) << size;
      ASSERT_THAT(result.error().message(), testing::StartsWith("a.o: ")) << size;
    }
  }
}

// Where the header of a section stands, and the header.
std::pair<std::size_t, Elf64_Shdr> HeaderOf(const std::vector<std::byte>& bytes, std::string_view name) {
  Elf64_Ehdr file;
  std::memcpy(&file, bytes.data(), sizeof(file));
  const auto header = [&](std::size_t number) {
    Elf64_Shdr section;
    std::memcpy(&section, bytes.data() + file.e_shoff + number * sizeof(section), sizeof(section));
    return section;
  };
  const char* names = reinterpret_cast<const char*>(bytes.data()) + header(file.e_shstrndx).sh_offset;
  for (std::size_t i = 1; i < file.e_shnum; ++i) {
    if (names + header(i).sh_name == name) return {file.e_shoff + i * sizeof(Elf64_Shdr), header(i)};
  }
  ADD_FAILURE() << "no section " << name;
  return {};
}

TEST(ElfReader, RefusesEveryTruncationOfTypes) {
  for (const char* path : {STRATA_BPF_KCONFIG, STRATA_BPF_KSYMS, STRATA_BPF_STRUCT_OPS}) {
    for (const std::string section : {".BTF", ".BTF.ext"}) {
      auto bytes = test::ReadFile(path);
      auto [place, header] = HeaderOf(bytes, section);
      for (std::uint64_t size = header.sh_size; size-- > 0;) {
        header.sh_size = size;
        std::memcpy(bytes.data() + place, &header, sizeof(header));
        const auto result = elf::ReadCollectionSpec(bytes, {.path = "a.o"});
        ASSERT_FALSE(result) << section << " of " << size << " bytes";
        ASSERT_THAT(result.error().message(), testing::StartsWith("a.o: section " + section + ": "));
      }
    }
  }
}

TEST(ElfReader, SurvivesEveryFlippedByteOfTypes) {
  for (const char* path : {STRATA_BPF_KCONFIG, STRATA_BPF_KSYMS, STRATA_BPF_STRUCT_OPS}) {
    for (const std::string section : {".BTF", ".BTF.ext"}) {
      auto bytes = test::ReadFile(path);
      const auto [place, header] = HeaderOf(bytes, section);
      std::size_t refused = 0;
      for (std::size_t at = header.sh_offset; at < header.sh_offset + header.sh_size; ++at) {
        const std::byte good = bytes[at];
        bytes[at] = ~good;
        const auto result = elf::ReadCollectionSpec(bytes, {.path = "a.o"});
        bytes[at] = good;
        if (result) continue;
        ++refused;
        ASSERT_THAT(result.error().message(), testing::StartsWith("a.o: ")) << section << " at " << at;
      }
      EXPECT_GT(refused, 0U) << path << " " << section;
    }
  }
}

TEST(ElfReader, SurvivesFlippedBytes) {
  std::mt19937 random(4711);
  for (const char* path : {STRATA_BPF_PROGRAMS, STRATA_BPF_MAPS, STRATA_BPF_CORE, STRATA_BPF_KCONFIG, STRATA_BPF_KSYMS,
                           STRATA_BPF_STRUCT_OPS, STRATA_BPF_LEGACY_MAPS}) {
    const auto good = test::ReadFile(path);
    std::size_t refused = 0;
    for (int round = 0; round < 1500; ++round) {
      auto bytes = good;
      // Headers and tables stand at both ends; the middle is mostly debug information.
      for (int flips = 0; flips < 3; ++flips) {
        const std::size_t at = random() % bytes.size();
        bytes[at] = static_cast<std::byte>(random());
      }
      const std::size_t header = bytes.size() - 1 - random() % 2500;
      if (round % 2 == 0) bytes[header] = static_cast<std::byte>(random());
      const auto result = elf::ReadCollectionSpec(bytes, {.path = "a.o"});
      if (result) continue;
      ++refused;
      ASSERT_THAT(result.error().message(), testing::StartsWith("a.o: "));
    }
    EXPECT_GT(refused, 0U) << path;
  }
}

}  // namespace
}  // namespace strata
