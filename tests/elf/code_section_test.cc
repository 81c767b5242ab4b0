// Functions of every linkage, and what refers to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"
#include "strata/spec/flatten.h"

namespace strata {
namespace {

using isa::Instruction;
using test::ElfWriter;
using test::Read;
using test::References;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::UnorderedElementsAre;

constexpr std::uint32_t kLoadImm64Relocation = 1;
constexpr std::uint32_t kCallRelocation = 10;
const std::vector<Instruction> kReturnZero = {{.opcode = 0xb7}, {.opcode = 0x95}};

std::vector<std::string> FlatNames(const CollectionSpec& spec, const char* program) {
  const FlatProgram flat = Flatten(spec, spec.programs.at(program)).value();
  std::vector<std::string> names;
  for (const FunctionStart& function : flat.functions) names.push_back(function.name);
  return names;
}

// Edge case 5.
TEST(CodeSection, StaticFunctionsOutsideOfTextAreNoPrograms) {
  const auto spec = Read(STRATA_BPF_FUNCTIONS);
  EXPECT_THAT(spec.programs, UnorderedElementsAre(Key("calls_all"), Key("passes_callback"), Key("recurses")));
  EXPECT_EQ(spec.functions.at("beside").section_name, "xdp");
  EXPECT_TRUE(spec.functions.at("beside").is_static);
  EXPECT_THAT(References(spec.functions.at("beside")), ElementsAre("call plain"));
}

// Edge case 6.
TEST(CodeSection, WeakAndHiddenFunctionsAreCalledLikeOthers) {
  const auto spec = Read(STRATA_BPF_FUNCTIONS);
  const auto references = References(spec.programs.at("calls_all"));
  EXPECT_THAT(references, Contains("call hidden_weak"));
  EXPECT_THAT(references, Contains("call beside"));
  const auto linkage = [&](const char* name) {
    return spec.types->Get<btf::Func>(spec.types->FindByName(name, btf::Kind::kFunc).value())->linkage;
  };
  EXPECT_EQ(linkage("hidden_weak"), btf::Linkage::kStatic) << "the verifier checks it with its callers";
  EXPECT_EQ(linkage("weak_one"), btf::Linkage::kGlobal);
}

TEST(CodeSection, TwoNamesOfAFunctionAreTwoFunctions) {
  const auto spec = Read(STRATA_BPF_FUNCTIONS);
  FunctionSpec alias = spec.functions.at("same_as_weak");
  EXPECT_EQ(alias.name, "same_as_weak");
  alias.name = "weak_one";
  EXPECT_EQ(alias, spec.functions.at("weak_one"));
}

TEST(CodeSection, TwoNamesOfAProgramAreTwoPrograms) {
  ElfWriter writer;
  writer.Code("xdp", "g", kReturnZero).Symbol("f", 0, 16, {.type = STT_FUNC, .binding = STB_WEAK});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_THAT(spec.programs, UnorderedElementsAre(Key("f"), Key("g")));
  EXPECT_EQ(spec.programs.at("f").name, "f");
  EXPECT_EQ(spec.programs.at("f").type_of_program, ProgramType::kXdp);
}

TEST(CodeSection, AliasesAreBounded) {
  ElfWriter writer;
  writer.Code("xdp", "f", kReturnZero);
  for (int i = 0; i < 9; ++i) writer.Symbol("alias" + std::to_string(i), 0, 16, {.type = STT_FUNC});
  EXPECT_THAT(elf::ReadCollectionSpec(writer.Bytes()).error().message(),
              HasSubstr("symbol alias8: one alias too many"));
}

// Edge case 4.
TEST(CodeSection, LabelsInsideOfAFunctionAreIgnored) {
  ElfWriter writer;
  writer.Code("xdp", "f", kReturnZero)
      .Symbol("label", 8, 0, {.type = STT_NOTYPE})
      .Symbol("LBB0_1", 8, 0, {.type = STT_NOTYPE, .binding = STB_LOCAL});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_THAT(spec.programs, ElementsAre(Key("f")));
  EXPECT_EQ(spec.programs.at("f").instructions.size(), 2U);
}

TEST(CodeSection, FunctionsOfOldCompilersReachToTheNextOne) {
  std::vector<Instruction> code = kReturnZero;
  code.insert(code.end(), kReturnZero.begin(), kReturnZero.end());
  ElfWriter writer;
  writer.Section("xdp", test::BytesOf(code), {.flags = SHF_EXECINSTR})
      .Symbol("second", 16, 0, {.type = STT_NOTYPE})
      .Symbol("first", 0, 0, {.type = STT_NOTYPE});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_EQ(spec.programs.at("first").instructions, kReturnZero);
  EXPECT_EQ(spec.programs.at("second").instructions, kReturnZero);
}

// Edge case 1: a static function is referred to by its section, and the instruction has the distance.
TEST(CodeSection, CallsOfASectionHaveTheirTargetInTheInstruction) {
  std::vector<Instruction> text = kReturnZero;
  text.insert(text.end(), kReturnZero.begin(), kReturnZero.end());
  for (const bool by_address : {false, true}) {
    const std::vector<Instruction> call = {{.opcode = 0x85, .src = 1, .imm = 1}, {.opcode = 0x95}};
    const std::vector<Instruction> load = {{.opcode = 0x18, .dst = 1, .imm = 16}, {}, {.opcode = 0x95}};
    ElfWriter writer;
    writer.Section(".text", test::BytesOf(text), {.flags = SHF_EXECINSTR})
        .Symbol("", 0, 0, {.type = STT_SECTION, .binding = STB_LOCAL})
        .Symbol("first", 0, 16, {.type = STT_FUNC, .binding = STB_LOCAL})
        .Symbol("second", 16, 16, {.type = STT_FUNC, .binding = STB_LOCAL})
        .Code("xdp", "f", by_address ? load : call)
        .Relocation(0, "", by_address ? kLoadImm64Relocation : kCallRelocation);
    const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
    EXPECT_THAT(References(spec.programs.at("f")), ElementsAre(by_address ? "callback second" : "call second"));
  }
}

// Edge case 31.
TEST(CodeSection, CallbacksAreAppendedAndPointedTo) {
  const auto spec = Read(STRATA_BPF_FUNCTIONS);
  EXPECT_THAT(References(spec.programs.at("passes_callback")), ElementsAre("callback on_loop"));
  const auto flat = Flatten(spec, spec.programs.at("passes_callback")).value();
  ASSERT_EQ(flat.functions.size(), 3U);
  const Instruction* load = nullptr;
  for (const Instruction& instruction : flat.instructions) {
    if (instruction.opcode == 0x18 && instruction.src == 4) load = &instruction;
  }
  ASSERT_NE(load, nullptr);
  const auto at = load - flat.instructions.data();
  EXPECT_EQ(flat.functions[1].index.value, static_cast<std::uint32_t>(at + load->imm + 1));
}

// Edge case 32.
TEST(CodeSection, FunctionsThatCallEachOtherAreAppendedOnce) {
  const auto spec = Read(STRATA_BPF_FUNCTIONS);
  EXPECT_THAT(FlatNames(spec, "recurses"), ElementsAre("recurses", "even", "plain", "odd"));
}

// Edge case 41: only the assembler knows what it calls.
TEST(CodeSection, InlineAssemblyCallsByName) {
  const auto spec = Read(STRATA_BPF_INLINE_ASSEMBLY);
  EXPECT_THAT(FlatNames(spec, "calls_somebody"), ElementsAre("calls_somebody", "somebody"));
  EXPECT_THAT(Flatten(spec, spec.programs.at("calls_nobody")).error().message(),
              HasSubstr("refers to function nobody, which is not defined"));
}

// Edge case 35 of the features: whoever loads the object defines what it only declares.
TEST(CodeSection, UndefinedFunctionsCanBeAdded) {
  auto spec = Read(STRATA_BPF_UNDEFINED_FUNCTION);
  FunctionSpec added;
  added.name = "defined_elsewhere";
  added.instructions = {{.opcode = 0xbf, .dst = 0, .src = 1}, {.opcode = 0x95}};
  spec.functions.emplace(added.name, added);
  const ProgramSpec& program = spec.programs.at("calls_undefined");
  const auto flat = Flatten(spec, program).value();
  ASSERT_EQ(flat.functions.size(), 2U);
  EXPECT_EQ(flat.functions[1].name, "defined_elsewhere");
  EXPECT_EQ(flat.instructions.back(), added.instructions.back());
  const std::uint32_t call = program.references[0].index.value;
  EXPECT_EQ(flat.instructions[call].imm, static_cast<std::int32_t>(flat.functions[1].index.value - call - 1));
}

TEST(CodeSection, AddressesOfDeclaredFunctionsAreCallbacks) {
  test::BtfWriter types;
  types.Type(12, "declared", 2, types.Type(13, "", 0, types.Int("int", 4, 1)));
  ElfWriter writer;
  writer.Code("xdp", "f", {{.opcode = 0x18, .dst = 1}, {}, {.opcode = 0x95}})
      .UndefinedSymbol("declared")
      .Relocation(0, "declared", kLoadImm64Relocation)
      .Section(".BTF", types.Bytes(), {.flags = 0});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes()).value();
  EXPECT_THAT(References(spec.programs.at("f")), ElementsAre("callback declared"));
}

// Edge case 38.
TEST(CodeSection, RelocationsOfOtherSectionsAreSkipped) {
  ElfWriter writer;
  writer.Code("xdp", "f", kReturnZero);
  writer.Section(".BTF.other", std::vector<std::byte>(8), {.flags = 0}).Relocation(0, "f", 4);
  writer.Section(".debug_info", std::vector<std::byte>(8), {.flags = 0}).Relocation(0, "f", 3);
  writer.Section(".eh_frame", std::vector<std::byte>(8)).Relocation(4, "nobody", 2);
  writer.Section(".llvm_addrsig", std::vector<std::byte>(3), {.type = 0x6fff4c03, .flags = 0});
  writer.Section(".group", std::vector<std::byte>(8), {.type = SHT_GROUP, .flags = 0});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes());
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_THAT(spec->programs, ElementsAre(Key("f")));
  EXPECT_THAT(spec->maps, IsEmpty());
}

TEST(CodeSection, RelocationsMayHaveTheirAddendBesideThem) {
  test::ByteWriter table;
  table.Put<std::uint64_t>(0).Put<std::uint64_t>((std::uint64_t{2} << 32) | kLoadImm64Relocation).Put<std::int64_t>(4);
  ElfWriter writer;
  writer.Code("xdp", "f", {{.opcode = 0x18, .dst = 1, .imm = 77}, {}, {.opcode = 0x95}})
      .Section(".data", std::vector<std::byte>(8))
      .Symbol("value", 0, 8)
      .Section(".relaxdp", table.bytes(), {.type = SHT_RELA, .flags = 0, .link = 6, .info = 1});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"});
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_THAT(References(spec->programs.at("f")), ElementsAre("value .data+4"));
}

}  // namespace
}  // namespace strata
