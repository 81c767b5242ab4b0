#include "strata/elf/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "reading.h"
#include "strata/btf/format_value.h"
#include "strata/spec/flatten.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using test::ErrorOf;
using test::Read;
using test::References;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::UnorderedElementsAre;

TEST(ElfReader, NamesTheCollectionAfterItsFile) {
  EXPECT_EQ(Read(STRATA_BPF_PROGRAMS).name, "programs");
  EXPECT_EQ(elf::ReadCollectionSpec(test::ReadFile(STRATA_BPF_PROGRAMS), {.name = "mine"})->name, "mine");
}

TEST(ElfReader, ReadsProgramsByTheirSectionNames) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  EXPECT_THAT(spec.programs, UnorderedElementsAre(Key("on_malloc"), Key("on_malloc_too"), Key("on_return"),
                                                  Key("sleepable"), Key("of_no_kind")));
  const ProgramSpec& on_malloc = spec.programs.at("on_malloc");
  EXPECT_EQ(on_malloc.type_of_program, ProgramType::kKprobe);
  EXPECT_EQ(on_malloc.attach_kind, "uprobe");
  EXPECT_EQ(on_malloc.attach_to, "libc.so.6:malloc");
  EXPECT_TRUE(on_malloc.autoload);
  EXPECT_EQ(on_malloc.license, "Dual BSD/GPL");
  EXPECT_EQ(on_malloc.kernel_version, 0x060102U);

  const ProgramSpec& on_return = spec.programs.at("on_return");
  EXPECT_FALSE(on_return.autoload);
  EXPECT_EQ(on_return.attach_kind, "uretprobe");
  EXPECT_EQ(on_return.attach_to, "/usr/bin/sort:main+0x4");
  EXPECT_TRUE(spec.programs.at("sleepable").is_sleepable);
  EXPECT_EQ(spec.programs.at("of_no_kind").type_of_program, ProgramType::kUnspec);
}

TEST(ElfReader, SplitsSectionsIntoFunctions) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  EXPECT_THAT(spec.functions, UnorderedElementsAre(Key("twice"), Key("four_times"), Key("checked"),
                                                   Key("hidden_helper"), Key("on_element")));
  EXPECT_TRUE(spec.functions.at("twice").is_static);
  EXPECT_FALSE(spec.functions.at("checked").is_static);
  for (const auto& [name, function] : spec.functions) {
    ASSERT_FALSE(function.instructions.empty()) << name;
    EXPECT_EQ(function.instructions.back().opcode, 0x95) << name;
    EXPECT_EQ(spec.types->NameOf(function.type), name);
    ASSERT_FALSE(function.line_infos.empty()) << name;
    EXPECT_EQ(function.line_infos[0].index.value, 0U) << name;
  }
}

TEST(ElfReader, TurnsRelocationsAndLocalCallsIntoNames) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  EXPECT_THAT(References(spec.functions.at("four_times")), ElementsAre("call twice", "call twice"));
  EXPECT_THAT(References(spec.functions.at("twice")), ElementsAre("value .bss+8"));
  EXPECT_THAT(References(spec.programs.at("on_malloc")),
              ElementsAre("value .rodata", "map events", "call four_times", "value .data+8", "call hidden_helper",
                          "value .bss", "value .data.hits", "call checked"));
  const auto too = References(spec.programs.at("on_malloc_too"));
  EXPECT_THAT(too, testing::Contains("callback on_element"));
  EXPECT_THAT(too, testing::Contains("map events"));
}

TEST(ElfReader, HasOneFormOfWhatReferencesDescribe) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const FunctionSpec& function = spec.programs.at("on_malloc");
  const auto code = function.CanonicalCode();
  for (const Reference& reference : function.references) {
    const isa::Instruction& instruction = code[reference.index.value];
    if (reference.kind == ReferenceKind::kFunctionCall) {
      EXPECT_EQ(instruction.imm, -1);
    } else {
      EXPECT_EQ(instruction.imm, 0);
      EXPECT_EQ(code[reference.index.value + 1].imm, 0);
    }
  }
}

TEST(ElfReader, ReadsDataSectionsAsMaps) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  EXPECT_THAT(spec.maps,
              UnorderedElementsAre(Key("events"), Key(".bss"), Key(".data"), Key(".rodata"), Key(".data.hits")));
  const MapSpec& rodata = spec.maps.at(".rodata");
  EXPECT_EQ(rodata.name, "programs.rodata");
  EXPECT_EQ(rodata.type, MapType::kArray);
  EXPECT_EQ(rodata.max_entries, 1U);
  EXPECT_EQ(rodata.value_size, rodata.contents.size());
  EXPECT_EQ(rodata.flags, map_flags::kReadOnlyProgram);
  EXPECT_TRUE(rodata.freeze);
  EXPECT_TRUE(rodata.is_data_section);
  EXPECT_EQ(spec.types->NameOf(rodata.value_type), ".rodata");
  EXPECT_EQ(spec.maps.at(".data.hits").name, ".data.hits");
  const MapSpec& bss = spec.maps.at(".bss");
  EXPECT_EQ(bss.name, "programs.bss");
  EXPECT_EQ(bss.value_size, 12U);
  EXPECT_TRUE(bss.contents.empty());
  EXPECT_FALSE(bss.freeze);
}

TEST(ElfReader, ReadsVariablesWithTheirValues) {
  auto spec = Read(STRATA_BPF_PROGRAMS);
  EXPECT_EQ(spec.variables.at("threshold").Get<int>().value(), 42);
  EXPECT_EQ(spec.variables.at("weak_limit").Get<int>().value(), 7);
  EXPECT_EQ(spec.variables.at("target_pid").Get<int>().value(), 1234);
  EXPECT_EQ(spec.variables.at("counter").Get<std::uint64_t>().value(), 0U);
  EXPECT_EQ(spec.variables.at("hits").map_name, ".data.hits");
  EXPECT_TRUE(spec.variables.at("target_pid").is_constant);
  EXPECT_FALSE(spec.variables.at("threshold").is_constant);
  EXPECT_EQ(spec.variables.at("hidden_counter").offset_bytes, 8U);
  EXPECT_EQ(spec.types->Describe(spec.variables.at("last").type), "struct event");
  EXPECT_EQ(spec.variables.at("last").value.size(), 20U);
  EXPECT_FALSE(spec.variables.contains("events"));
}

TEST(ElfReader, FillsInWhatTheCompilerLeavesOpenInBtf) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const auto id = spec.types->FindByName(".data", btf::Kind::kDataSec).value();
  const auto section = spec.types->Get<btf::DataSec>(id).value();
  EXPECT_EQ(section.size_bytes, spec.maps.at(".data").value_size);
  std::uint32_t end = 0;
  for (const btf::SectionVariable variable : section.variables) {
    EXPECT_GE(variable.offset_bytes, end);
    end = variable.offset_bytes + variable.size_bytes;
  }
  EXPECT_GT(end, 0U);
  const auto hidden = spec.types->FindByName("hidden_helper", btf::Kind::kFunc).value();
  EXPECT_EQ(spec.types->Get<btf::Func>(hidden)->linkage, btf::Linkage::kStatic);
}

TEST(ElfReader, EqualBytesGiveEqualSpecs) { EXPECT_EQ(Read(STRATA_BPF_PROGRAMS), Read(STRATA_BPF_PROGRAMS)); }

TEST(ElfReader, ReadsBigEndianObjectsToTheSameMeaning) {
  const auto little = Read(STRATA_BPF_PROGRAMS);
  const auto big = Read(STRATA_BPF_PROGRAMS_BIG_ENDIAN);
  EXPECT_EQ(big.byte_order, std::endian::big);
  ASSERT_EQ(big.programs.size(), little.programs.size());
  for (const auto& [name, program] : little.programs) {
    const ProgramSpec& other = big.programs.at(name);
    EXPECT_EQ(other.attach_to, program.attach_to);
    EXPECT_EQ(References(other), References(program));
    EXPECT_EQ(other.line_infos.size(), program.line_infos.size());
  }
  // Without constants wider than a byte the code itself is the same.
  EXPECT_EQ(big.functions.at("four_times").CanonicalCode(), little.functions.at("four_times").CanonicalCode());
  EXPECT_EQ(big.maps.at("events").max_entries, 64U);
  EXPECT_EQ(big.programs.at("on_malloc").kernel_version, 0x060102U);
}

TEST(ElfReader, FlattensIntoWhatTheKernelTakes) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const auto flat = Flatten(spec, spec.programs.at("on_malloc")).value();
  std::vector<std::string> names;
  for (const FunctionStart& function : flat.functions) names.push_back(function.name);
  EXPECT_THAT(names, ElementsAre("on_malloc", "four_times", "twice", "hidden_helper", "checked"));
}

// The same types as in values.bpf.c, laid out by this compiler.
struct Everything {
  int number;
  unsigned char small;
  bool is_set;
  char letter;
  char name[8];
  int color;
  short points[4];
  unsigned low : 3;
  int middle : 5;
  unsigned high : 24;
  const void* address;
  std::uint32_t word;
  std::uint64_t counts[4];
  const char* text;
  double real;
};

TEST(ElfReader, ReadsTypesThatValuesArePrintedBy) {
  const auto spec = Read(STRATA_BPF_VALUES);
  const VariableSpec& variable = spec.variables.at("value");
  ASSERT_EQ(variable.value.size(), sizeof(Everything));
  Everything value{};
  value.number = -5;
  value.small = 200;
  value.is_set = true;
  value.letter = 'x';
  std::strcpy(value.name, "sort");
  value.color = -1;
  value.points[2] = 7;
  value.low = 5;
  value.middle = -2;
  value.high = 0xabcdef;
  value.word = 0x10002;
  value.counts[1] = 9;
  value.real = 0.5;
  EXPECT_EQ(btf::FormatValue(*spec.types, variable.type, std::as_bytes(std::span(&value, 1))),
            "{.number = -5, .small = 200, .is_set = true, .letter = 'x', .name = \"sort\", .color = BLUE, "
            ".points = {{.x = 0, .y = 0}, {.x = 7, .y = 0}}, .low = 5, .middle = -2, .high = 11259375, .address = 0x0, "
            ".word = 65538, .half = 2, .counts = {0, 9}, .text = 0x0, .real = 0.5}");
  EXPECT_EQ(btf::FormatValueJson(*spec.types, variable.type, std::as_bytes(std::span(&value, 1))),
            R"({"number":-5,"small":200,"is_set":true,"letter":120,"name":"sort","color":"BLUE",)"
            R"("points":[{"x":0,"y":0},{"x":7,"y":0}],"low":5,"middle":-2,"high":11259375,"address":"0x0",)"
            R"("word":65538,"half":2,"counts":[0,9,0,0],"text":"0x0","real":0.5})");
}

TEST(ElfReader, KeepsCoreRelocationsWithTheirFunction) {
  const auto spec = Read(STRATA_BPF_CORE);
  ASSERT_EQ(spec.functions.at("tgid_of").core_relocations.size(), 1U);
  const btf::CoreRelocation& relocation = spec.functions.at("tgid_of").core_relocations[0];
  EXPECT_EQ(relocation.access, "0:1");
  EXPECT_EQ(spec.types->Describe(relocation.type), "struct task_struct");
  EXPECT_EQ(spec.programs.at("reads_task").core_relocations.size(), 1U);
}

TEST(ElfReader, KeepsCallsOfFunctionsThatNobodyDefines) {
  const auto spec = Read(STRATA_BPF_UNDEFINED_FUNCTION);
  const ProgramSpec& program = spec.programs.at("calls_undefined");
  EXPECT_THAT(References(program), ElementsAre("call defined_elsewhere"));
  EXPECT_THAT(Flatten(spec, program).error().message(), HasSubstr("function defined_elsewhere, which is not defined"));
}

// Edge case 11.
TEST(ElfReader, RefusesStaticMapsWithTheRemedy) {
  EXPECT_THAT(ErrorOf(STRATA_BPF_STATIC_MAP, ErrorCode::kNotSupported), HasSubstr("remove \"static\""));
}

}  // namespace
}  // namespace strata
