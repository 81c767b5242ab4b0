// What an object takes from the kernel by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"
#include "strata/isa/opcode.h"
#include "strata/spec/flatten.h"

namespace strata {
namespace {

using test::Read;
using test::References;
using testing::ElementsAre;
using testing::HasSubstr;

// Edge case 25: the types that a value can have.
TEST(Kconfig, ValuesHaveTheTypesOfTheirVariables) {
  for (const char* path : {STRATA_BPF_KCONFIG, STRATA_BPF_KCONFIG_BIG_ENDIAN}) {
    const auto spec = Read(path);
    struct Row {
      const char* name;
      KconfigType type;
      std::uint32_t size_bytes;
      bool is_signed;
      bool is_weak;
    };
    for (const Row& row : {Row{"LINUX_KERNEL_VERSION", KconfigType::kInteger, 4, true, false},
                           Row{"CONFIG_BPF", KconfigType::kBool, 1, false, false},
                           Row{"CONFIG_IPV6", KconfigType::kTristate, 4, false, true},
                           Row{"CONFIG_LETTER", KconfigType::kChar, 1, true, true},
                           Row{"CONFIG_NR_CPUS", KconfigType::kInteger, 2, false, true},
                           Row{"CONFIG_PHYSICAL_START", KconfigType::kInteger, 8, false, true},
                           Row{"CONFIG_DEFAULT_HOSTNAME", KconfigType::kString, 12, true, true}}) {
      const ExternSpec& value = spec.externs.at(row.name);
      EXPECT_EQ(value.name, row.name);
      EXPECT_EQ(value.kind, ExternKind::kKconfig);
      EXPECT_EQ(value.kconfig_type, row.type) << row.name;
      EXPECT_EQ(value.size_bytes, row.size_bytes) << row.name;
      EXPECT_EQ(value.is_signed, row.is_signed) << row.name;
      EXPECT_EQ(value.is_weak, row.is_weak) << row.name;
      EXPECT_FALSE(value.value.has_value());
      EXPECT_EQ(spec.types->SizeOf(value.type).value(), row.size_bytes);
    }
    EXPECT_EQ(spec.externs.size(), 7U);
  }
}

TEST(Kconfig, ValuesAreLaidOutByAlignmentThenSizeThenName) {
  const auto spec = Read(STRATA_BPF_KCONFIG);
  const auto offset = [&](const char* name) { return spec.externs.at(name).offset_bytes; };
  EXPECT_EQ(offset("CONFIG_PHYSICAL_START"), 0U);
  EXPECT_EQ(offset("CONFIG_IPV6"), 8U);
  EXPECT_EQ(offset("LINUX_KERNEL_VERSION"), 12U);
  EXPECT_EQ(offset("CONFIG_NR_CPUS"), 16U);
  EXPECT_EQ(offset("CONFIG_BPF"), 18U);
  EXPECT_EQ(offset("CONFIG_LETTER"), 19U);
  EXPECT_EQ(offset("CONFIG_DEFAULT_HOSTNAME"), 20U);
}

TEST(Kconfig, ValuesLiveInAReadOnlyMap) {
  const auto spec = Read(STRATA_BPF_KCONFIG);
  const MapSpec& map = spec.maps.at(".kconfig");
  EXPECT_EQ(map.name, "kconfig.kconfig");
  EXPECT_EQ(map.type, MapType::kArray);
  EXPECT_EQ(map.value_size, 32U);
  EXPECT_EQ(map.contents, std::vector<std::byte>(32));
  EXPECT_EQ(map.flags, map_flags::kReadOnlyProgram);
  EXPECT_TRUE(map.freeze);
  EXPECT_TRUE(map.is_data_section);
  EXPECT_EQ(spec.types->NameOf(map.value_type), ".kconfig");
  EXPECT_THAT(References(spec.programs.at("uses_kconfig")), ElementsAre("value .kconfig+12"));
  EXPECT_THAT(References(spec.programs.at("uses_all")), testing::Contains("value .kconfig+18"));
}

TEST(Kconfig, TypesDescribeTheMapAsItIsLaidOut) {
  const auto spec = Read(STRATA_BPF_KCONFIG);
  const auto section = spec.types->Get<btf::DataSec>(spec.maps.at(".kconfig").value_type).value();
  EXPECT_EQ(section.size_bytes, 32U);
  std::uint32_t end = 0;
  for (const btf::SectionVariable variable : section.variables) {
    const ExternSpec& value = spec.externs.at(std::string(spec.types->NameOf(variable.type)));
    EXPECT_EQ(variable.offset_bytes, value.offset_bytes) << value.name;
    EXPECT_EQ(variable.size_bytes, value.size_bytes) << value.name;
    EXPECT_GE(variable.offset_bytes, end);
    EXPECT_EQ(spec.types->Get<btf::Var>(variable.type)->linkage, btf::Linkage::kGlobal);
    end = variable.offset_bytes + variable.size_bytes;
  }
}

TEST(Kconfig, AValueOfAnotherTypeIsRefusedByName) {
  test::BtfWriter types;
  const auto pointer = types.Pointer(types.Int("int", 4, 1));
  const auto variable = types.Type(14, "CONFIG_ODD", 0, pointer, {2});
  types.Type(15, ".kconfig", 1, 0, {variable, 0, 8});
  const auto bytes = test::ElfWriter().Section(".BTF", types.Bytes(), {.flags = 0}).Bytes();
  EXPECT_THAT(
      elf::ReadCollectionSpec(bytes, {.path = "a.o"}).error().message(),
      HasSubstr("a.o: section .kconfig: symbol CONFIG_ODD: its type, int *, is none that a configuration value"));
}

// Edge cases 27 to 29.
TEST(Ksyms, AreAddressesVariablesAndFunctions) {
  for (const char* path : {STRATA_BPF_KSYMS, STRATA_BPF_KSYMS_BIG_ENDIAN}) {
    const auto spec = Read(path);
    const auto expect = [&](const char* name, ExternKind kind, bool is_weak) {
      const ExternSpec& symbol = spec.externs.at(name);
      EXPECT_EQ(symbol.kind, kind) << name;
      EXPECT_EQ(symbol.is_weak, is_weak) << name;
      EXPECT_EQ(static_cast<bool>(symbol.type), kind != ExternKind::kAddress) << name;
    };
    expect("bpf_prog_active", ExternKind::kAddress, false);
    expect("made_up_symbol", ExternKind::kAddress, true);
    expect("runqueues", ExternKind::kVariable, false);
    expect("bpf_stats_enabled_key", ExternKind::kVariable, true);
    expect("bpf_task_from_pid", ExternKind::kFunction, false);
    expect("made_up_function", ExternKind::kFunction, true);
    EXPECT_EQ(spec.externs.size(), 7U);
    EXPECT_EQ(spec.types->Describe(spec.externs.at("runqueues").type), "struct rq const");
    EXPECT_EQ(spec.types->NameOf(spec.externs.at("bpf_task_from_pid").type), "bpf_task_from_pid");
    EXPECT_FALSE(spec.maps.contains(".ksyms"));
  }
}

TEST(Ksyms, AreReferredToByName) {
  const auto spec = Read(STRATA_BPF_KSYMS);
  EXPECT_THAT(References(spec.programs.at("uses_ksym")), ElementsAre("ksym bpf_prog_active"));
  EXPECT_THAT(References(spec.programs.at("uses_missing_ksym")), ElementsAre("ksym made_up_symbol weak"));
  // bpf_ksym_exists() of a function loads its address.
  EXPECT_THAT(References(spec.programs.at("calls_kfuncs")),
              ElementsAre("kfunc bpf_task_from_pid", "ksym made_up_function weak", "kfunc made_up_function weak",
                          "kfunc bpf_task_release"));
  for (const auto& [name, program] : spec.programs) EXPECT_TRUE(Flatten(spec, program).has_value()) << name;
}

TEST(Ksyms, CallsOfKernelFunctionsAreMarkedAsSuch) {
  const auto spec = Read(STRATA_BPF_KSYMS);
  const ProgramSpec& program = spec.programs.at("calls_kfuncs");
  const auto code = program.CanonicalCode();
  for (const Reference& reference : program.references) {
    const isa::Instruction& instruction = code[reference.index.value];
    const bool is_call = reference.kind == ReferenceKind::kKfunc;
    EXPECT_EQ(instruction.src, is_call ? static_cast<std::uint8_t>(isa::PseudoCall::kKfunc) : 0);
    EXPECT_EQ(instruction.imm, is_call ? -1 : 0);
  }
}

TEST(Ksyms, UsedAgainstTheirDeclarationMakeTheFunctionUnusable) {
  test::BtfWriter types;
  const auto variable = types.Type(14, "active", 0, types.Int("int", 4, 1), {2});
  types.Type(15, ".ksyms", 1, 0, {variable, 0, 4});
  test::ElfWriter writer;
  writer.Code("xdp", "f", {{.opcode = 0x85, .src = 1, .imm = -1}, {.opcode = 0x95}})
      .UndefinedSymbol("active")
      .Relocation(0, "active", 10)
      .Section(".BTF", types.Bytes(), {.flags = 0});
  const auto spec = elf::ReadCollectionSpec(writer.Bytes(), {.path = "a.o"});
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_THAT(spec->programs.at("f").unusable, HasSubstr("calls active, which is declared as a variable"));
}

// Nobody refers to it: no reason to refuse the object when the kernel does not have it.
TEST(Ksyms, WithoutSymbolMayBeMissing) {
  test::BtfWriter types;
  const auto variable = types.Type(14, "active", 0, types.Int("int", 4, 1), {2});
  types.Type(15, ".ksyms", 1, 0, {variable, 0, 4});
  const auto bytes = test::ElfWriter().Section(".BTF", types.Bytes(), {.flags = 0}).Bytes();
  EXPECT_TRUE(elf::ReadCollectionSpec(bytes)->externs.at("active").is_weak);
}

}  // namespace
}  // namespace strata
