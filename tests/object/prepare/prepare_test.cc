#include "strata/object/prepare/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "named_map.h"
#include "strata/elf/reader.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using testing::HasSubstr;

Result<LinkedProgram> Prepare(const CollectionSpec& spec, const ProgramSpec& program, const MapResolver& resolve) {
  const KernelFacts kernel;
  return ProgramPreparer(spec, kernel, {}).Prepare(program, resolve);
}

Result<LinkedProgram> PrepareOutside(const CollectionSpec& spec, const std::string& program) {
  const KernelFacts kernel;
  PrepareOptions options;
  options.runs_in_kernel = false;
  return ProgramPreparer(spec, kernel, options).Prepare(spec.programs.at(program), AnyMap);
}

CollectionSpec Read(const std::string& path) {
  return elf::ReadCollectionSpec(test::ReadFile(path), {.path = path}).value();
}

std::vector<std::uint32_t> Words(const std::vector<std::byte>& bytes) {
  std::vector<std::uint32_t> words(bytes.size() / sizeof(std::uint32_t));
  std::memcpy(words.data(), bytes.data(), words.size() * sizeof(std::uint32_t));
  return words;
}

TEST(PrepareProgram, BindsMapsAndValues) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const auto program = Prepare(spec, spec.programs.at("on_malloc"), AnyMap).value();
  std::vector<std::string> bound;
  for (const MapReference& reference : program.map_references) {
    const isa::Instruction& low = program.instructions[reference.index.value];
    EXPECT_EQ(low.opcode, 0x18);
    EXPECT_EQ(low.src, 0);
    EXPECT_EQ(low.imm, 0);
    bound.push_back(reference.map->info().name +
                    (reference.is_value ? "+" + std::to_string(reference.value_offset) : ""));
  }
  EXPECT_TRUE(std::is_sorted(program.map_references.begin(), program.map_references.end(),
                             [](const MapReference& a, const MapReference& b) { return a.index < b.index; }));
  EXPECT_THAT(bound, testing::IsSupersetOf({"events", ".rodata+0", ".data+8", ".bss+0", ".bss+8", ".data.hits+0"}));
}

TEST(PrepareProgram, CopiesWhatTheProgramIs) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const auto program = Prepare(spec, spec.programs.at("sleepable"), AnyMap).value();
  EXPECT_EQ(program.name, "sleepable");
  EXPECT_EQ(program.type, ProgramType::kKprobe);
  EXPECT_EQ(program.license, "Dual BSD/GPL");
  EXPECT_EQ(program.kernel_version, 0x060102U);
  EXPECT_TRUE(program.is_sleepable);
}

TEST(PrepareProgram, WritesFunctionAndLineRecords) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const auto program = Prepare(spec, spec.programs.at("on_malloc"), AnyMap).value();
  const auto functions = Words(program.func_info);
  ASSERT_EQ(functions.size(), 2U * 5);
  EXPECT_EQ(functions[0], 0U);
  EXPECT_EQ(spec.types->NameOf(btf::TypeId{functions[1]}), "on_malloc");
  EXPECT_EQ(spec.types->NameOf(btf::TypeId{functions[3]}), "four_times");

  const auto lines = Words(program.line_info);
  ASSERT_EQ(lines.size() % 4, 0U);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0], 0U);
  std::vector<std::uint32_t> indices;
  for (std::size_t i = 0; i < lines.size(); i += 4) indices.push_back(lines[i]);
  EXPECT_TRUE(std::is_sorted(indices.begin(), indices.end()));
  EXPECT_TRUE(std::binary_search(indices.begin(), indices.end(), functions[2]));
  EXPECT_LT(indices.back(), program.instructions.size());
}

TEST(PrepareProgram, FunctionsWithAContextGetTheTypeGivenForTheirProgram) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const auto& on_malloc = spec.programs.at("on_malloc");
  const auto subprogram = spec.types->FindByName("four_times", btf::Kind::kFunc).value();
  const KernelFacts kernel;
  PrepareOptions options;
  options.context_functions = {{ProgramType::kXdp, subprogram, on_malloc.type},
                               {ProgramType::kKprobe, subprogram, btf::TypeId{1234}}};
  const auto program = ProgramPreparer(spec, kernel, options).Prepare(on_malloc, AnyMap).value();
  EXPECT_EQ(Words(program.func_info)[1], on_malloc.type.value);
  EXPECT_EQ(Words(program.func_info)[3], 1234U);
}

TEST(PrepareProgram, WritesNoRecordsWhenOneFunctionHasNoType) {
  auto spec = Read(STRATA_BPF_PROGRAMS);
  spec.functions.at("twice").type = btf::kVoid;
  const auto program = Prepare(spec, spec.programs.at("on_malloc"), AnyMap).value();
  EXPECT_TRUE(program.func_info.empty());
  EXPECT_TRUE(program.line_info.empty());
}

TEST(PrepareProgram, RefersToTypedVariablesByTheirId) {
  const KernelFacts kernel;
  if (!kernel.Types()) GTEST_SKIP() << "this kernel has no BTF";
  const auto spec = Read(STRATA_BPF_KERNEL_SYMBOLS);
  const auto program = Prepare(spec, spec.programs.at("takes_a_variable"), AnyMap).value();
  const auto load = std::find_if(program.instructions.begin(), program.instructions.end(),
                                 [](const isa::Instruction& instruction) { return instruction.opcode == 0x18; });
  ASSERT_NE(load, program.instructions.end());
  EXPECT_EQ(load->src, static_cast<std::uint8_t>(isa::PseudoLoad::kBtfId));
  const auto id = (*kernel.Types())->FindByName("bpf_prog_active", btf::Kind::kVar);
  EXPECT_EQ(static_cast<std::uint32_t>(load->imm), id->value);
}

TEST(PrepareProgram, SymbolsThatAProgramRefersToByHandAreAddresses) {
  auto spec = Read(STRATA_BPF_PROGRAMS);
  ProgramSpec program = spec.programs.at("on_malloc");
  program.references[0].kind = ReferenceKind::kKsym;
  program.references[0].symbol = "strata_no_such_symbol";
  EXPECT_THAT(Prepare(spec, program, AnyMap).error().message(),
              HasSubstr("kernel symbol strata_no_such_symbol: is not in /proc/kallsyms"));
  program.references[0].is_weak = true;
  const auto linked = Prepare(spec, program, AnyMap);
  ASSERT_TRUE(linked) << linked.error().message();
  EXPECT_EQ(linked->instructions[program.references[0].index.value].imm, 0);
}

TEST(PrepareProgram, OutsideOfTheKernelItsFunctionsAreRefusedByName) {
  const auto spec = Read(STRATA_BPF_KERNEL_SYMBOLS);
  const auto called = PrepareOutside(spec, "calls_a_function");
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(called.error().message(), HasSubstr("kernel function bpf_task_from_pid___as_i_know_it: "));
  EXPECT_THAT(PrepareOutside(spec, "takes_a_variable").error().message(), HasSubstr("kernel symbol bpf_prog_active: "));
}

TEST(PrepareProgram, OutsideOfTheKernelWeakFunctionsAreMissing) {
  const auto spec = Read(STRATA_BPF_KERNEL_SYMBOLS);
  const auto program = PrepareOutside(spec, "guards_a_missing_function");
  ASSERT_TRUE(program) << program.error().message();
  ASSERT_EQ(program->poisoned.size(), 1U);
  EXPECT_THAT(program->poisoned[0].reason, HasSubstr("strata_no_such_function"));
  EXPECT_GE(program->instructions[program->poisoned[0].index.value].imm, 2002000000);
  EXPECT_TRUE(PrepareOutside(spec, "takes_a_missing_variable"));
}

TEST(PrepareProgram, HooksAreLookedUpForTheKernelOnly) {
  const auto spec = Read(STRATA_BPF_KERNEL_SYMBOLS);
  const auto outside = PrepareOutside(spec, "hooks_a_missing_tracepoint");
  ASSERT_TRUE(outside) << outside.error().message();
  EXPECT_EQ(outside->attach_btf_id, 0U);
}

TEST(PrepareProgram, FindsHooksOfEachKind) {
  const KernelFacts kernel;
  if (!kernel.Types()) GTEST_SKIP() << "this kernel has no BTF";
  const auto spec = Read(STRATA_BPF_KERNEL_SYMBOLS);
  const auto id = [&](const char* program) {
    return btf::TypeId{Prepare(spec, spec.programs.at(program), AnyMap).value().attach_btf_id};
  };
  EXPECT_EQ((*kernel.Types())->NameOf(id("hooks_a_tracepoint")), "btf_trace_sched_switch");
  EXPECT_EQ((*kernel.Types())->NameOf(id("hooks_a_function")), "bpf_prog_put");
  EXPECT_EQ((*kernel.Types())->NameOf(id("hooks_an_lsm_hook")), "bpf_lsm_file_open");
}

TEST(PrepareProgram, KprobesHaveTheKernelsVersion) {
  const auto spec = Read(STRATA_BPF_KERNEL_SYMBOLS);
  EXPECT_EQ(Prepare(spec, spec.programs.at("needs_a_version"), AnyMap)->kernel_version,
            KernelFacts().Version().value());
  EXPECT_EQ(Prepare(spec, spec.programs.at("hooks_a_tracepoint"), AnyMap)->kernel_version, 0U);
}

TEST(PrepareProgram, NamesFunctionsThatAreNotDefined) {
  const auto spec = Read(STRATA_BPF_UNDEFINED_FUNCTION);
  const auto result = Prepare(spec, spec.programs.at("calls_undefined"), AnyMap);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(result.error().message(),
              HasSubstr("program calls_undefined: function calls_undefined: instruction 1: refers to"));
}

TEST(PrepareProgram, RefusesSectionsThatNameNoProgramType) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  EXPECT_EQ(Prepare(spec, spec.programs.at("of_no_kind"), AnyMap).error().message(),
            "program of_no_kind: its section, \"mystery\", names no program type");
}

TEST(PrepareProgram, SaysWhereAMapIsMissing) {
  const auto spec = Read(STRATA_BPF_PROGRAMS);
  const MapResolver no_maps = [](std::string_view name) -> Result<std::shared_ptr<BackendMap>> {
    return Error(ErrorCode::kNotFound, "no map named " + std::string(name));
  };
  EXPECT_THAT(Prepare(spec, spec.programs.at("on_malloc"), no_maps).error().message(),
              HasSubstr("program on_malloc: instruction 1: no map named .rodata"));
}

}  // namespace
}  // namespace strata
