// Tables of ELF that lie about themselves, by one header each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "strata/elf/reader.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using test::ElfWriter;
using testing::HasSubstr;

const std::vector<isa::Instruction> kLoadMap = {{.opcode = 0x18, .dst = 1}, {}, {.opcode = 0x95}};

template <typename Record>
Record Load(const std::vector<std::byte>& bytes, std::uint64_t offset) {
  Record record;
  std::memcpy(&record, bytes.data() + offset, sizeof(record));
  return record;
}
template <typename Record>
void Store(std::vector<std::byte>& bytes, std::uint64_t offset, const Record& record) {
  std::memcpy(bytes.data() + offset, &record, sizeof(record));
}

// An object of one program with a variable that it refers to.
class BrokenTables : public testing::Test {
 protected:
  BrokenTables() {
    ElfWriter writer;
    writer.Section(".data", std::vector<std::byte>(8)).Symbol("value", 0, 8);
    writer.Code("xdp", "f", kLoadMap).Relocation(0, "value", 1);
    bytes_ = writer.Bytes();
    header_ = Load<Elf64_Ehdr>(bytes_, 0);
  }

  // Changes the first section header of a type.
  template <typename Change>
  void ChangeSection(std::uint32_t type, Change change) {
    for (std::uint16_t i = 0; i < header_.e_shnum; ++i) {
      const std::uint64_t at = header_.e_shoff + i * sizeof(Elf64_Shdr);
      auto section = Load<Elf64_Shdr>(bytes_, at);
      if (section.sh_type != type) continue;
      change(section);
      Store(bytes_, at, section);
      return;
    }
    ADD_FAILURE() << "no section of type " << type;
  }

  template <typename Change>
  void ChangeSymbol(std::uint32_t index, Change change) {
    ChangeSection(SHT_SYMTAB, [&](const Elf64_Shdr& table) {
      const std::uint64_t at = table.sh_offset + index * sizeof(Elf64_Sym);
      auto symbol = Load<Elf64_Sym>(bytes_, at);
      change(symbol);
      Store(bytes_, at, symbol);
    });
  }

  std::string Error() const {
    const auto spec = elf::ReadCollectionSpec(bytes_, {.path = "a.o"});
    return spec ? "no error" : spec.error().message();
  }

  std::vector<std::byte> bytes_;
  Elf64_Ehdr header_;
};

TEST_F(BrokenTables, AreWholeBeforeTheyAreBroken) { EXPECT_EQ(Error(), "no error"); }

TEST_F(BrokenTables, SymbolsWithoutAStringTable) {
  ChangeSection(SHT_SYMTAB, [](Elf64_Shdr& table) { table.sh_link = 1; });
  EXPECT_EQ(Error(), "a.o: section .symtab: its string table, section number 1, is none");
  ChangeSection(SHT_SYMTAB, [](Elf64_Shdr& table) { table.sh_link = 0xffffffff; });
  EXPECT_EQ(Error(), "a.o: section .symtab: its string table, section number 4294967295, is none");
}

TEST_F(BrokenTables, EntriesOfAnotherSize) {
  ChangeSection(SHT_REL, [](Elf64_Shdr& table) { table.sh_entsize = 8; });
  EXPECT_EQ(Error(), "a.o: section .relxdp: its entries have 8 bytes, not 16");
  ChangeSection(SHT_SYMTAB, [](Elf64_Shdr& table) { table.sh_entsize = 25; });
  EXPECT_EQ(Error(), "a.o: section .symtab: its entries have 25 bytes, not 24");
}

TEST_F(BrokenTables, SizesThatAreNoWholeEntries) {
  ChangeSection(SHT_SYMTAB, [](Elf64_Shdr& table) { table.sh_size -= 1; });
  EXPECT_THAT(Error(), HasSubstr("section .symtab: 71 bytes are no multiple of a symbol's 24"));
}

TEST_F(BrokenTables, RelocationsOfNoSection) {
  ChangeSection(SHT_REL, [](Elf64_Shdr& table) { table.sh_info = 999; });
  EXPECT_EQ(Error(), "a.o: section .relxdp: relocates section number 999, which does not exist");
}

TEST_F(BrokenTables, RelocationsOfAnotherSymbolTable) {
  ChangeSection(SHT_REL, [](Elf64_Shdr& table) { table.sh_link = 1; });
  EXPECT_EQ(Error(), "a.o: section .relxdp: its symbol table, section number 1, is none");
}

TEST_F(BrokenTables, SectionNamesFromNowhere) {
  for (const std::uint16_t number : {std::uint16_t{99}, std::uint16_t{0xff00}}) {
    header_.e_shstrndx = number;
    Store(bytes_, 0, header_);
    EXPECT_EQ(Error(), "a.o: the section name table's number is out of range") << number;
  }
  header_.e_shstrndx = 1;
  Store(bytes_, 0, header_);
  EXPECT_THAT(Error(), HasSubstr("section number 1: holds the section names and is no string table"));
}

TEST_F(BrokenTables, OffsetsAndSizesThatOverflow) {
  ChangeSection(SHT_SYMTAB, [](Elf64_Shdr& table) { table.sh_offset = UINT64_MAX - 7; });
  EXPECT_THAT(Error(), HasSubstr("[18446744073709551608, +72) is outside of the file's"));
  ChangeSection(SHT_SYMTAB, [](Elf64_Shdr& table) {
    table.sh_offset = 64;
    table.sh_size = UINT64_MAX;
  });
  EXPECT_THAT(Error(), HasSubstr("[64, +18446744073709551615) is outside of the file's"));
}

TEST_F(BrokenTables, AHeaderTableOutsideOfTheFile) {
  for (const std::uint64_t offset : {std::uint64_t{1} << 40, UINT64_MAX - 63}) {
    header_.e_shoff = offset;
    Store(bytes_, 0, header_);
    EXPECT_EQ(Error(), "a.o: the section header table is outside of the file") << offset;
  }
}

TEST_F(BrokenTables, SymbolsOfNoSection) {
  ChangeSymbol(1, [](Elf64_Sym& symbol) { symbol.st_shndx = 500; });
  EXPECT_EQ(Error(), "a.o: section .symtab: symbol 1: section number 500 is out of range");
}

TEST_F(BrokenTables, SymbolsWhoseNameIsPastTheTable) {
  ChangeSymbol(1, [](Elf64_Sym& symbol) { symbol.st_name = 0xfffffff0; });
  EXPECT_THAT(Error(), HasSubstr("a.o: section .symtab: symbol 1: string offset 4294967280 is past the end"));
}

TEST_F(BrokenTables, SymbolsWhoseEndOverflows) {
  ChangeSymbol(2, [](Elf64_Sym& symbol) { symbol.st_size = UINT64_MAX - 7; });
  EXPECT_THAT(Error(), HasSubstr("section xdp: symbol f: [0, +18446744073709551608) is outside of the section's"));
}

// The verifier would call its own handler where the program says another one.
TEST(ExceptionCallback, MakesItsProgramUnusable) {
  test::BtfWriter types;
  const auto number = types.Int("int", 4, 1);
  const auto prototype = types.Type(13, "", 0, number);
  const auto function = types.Type(12, "f", 1, prototype);
  types.Type(17, "exception_callback:on_throw", 0, function, {0xffffffff});
  test::ByteWriter records;
  records.Put(std::uint16_t{0xeb9f}).Put(std::uint8_t{1}).Put(std::uint8_t{0}).Put(24U);
  records.Put(0U).Put(20U).Put(20U).Put(0U);
  records.Put(8U).Put(types.String("xdp")).Put(1U).Put(0U).Put(function);
  ElfWriter writer;
  writer.Code("xdp", "f", {{.opcode = 0xb7}, {.opcode = 0x95}});
  writer.Section(".BTF", types.Bytes()).Section(".BTF.ext", records.bytes());
  const auto spec = elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"}).value();
  EXPECT_EQ(spec.programs.at("f").unusable,
            "a.o: section xdp: offset 0: has an exception callback, on_throw, which is not supported");
}

}  // namespace
}  // namespace strata
