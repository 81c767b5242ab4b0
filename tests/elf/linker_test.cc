#include "strata/elf/linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "strata/btf/format_value.h"
#include "strata/elf/reader.h"
#include "strata/spec/flatten.h"
#include "strata/spec/json.h"
#include "strata/spec/print.h"
#include "support/elf_writer.h"

namespace strata::elf {
namespace {

using isa::Instruction;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::UnorderedElementsAre;

// Objects kept for as long as they are linked.
class Objects {
 public:
  Objects& Add(const std::string& name, std::vector<std::byte> bytes) {
    names_.push_back(name);
    bytes_.push_back(std::move(bytes));
    return *this;
  }
  Objects& AddFile(const std::string& path) { return Add(path.substr(path.rfind('/') + 1), test::ReadFile(path)); }

  Result<std::vector<std::byte>> Link() const {
    std::vector<LinkInput> inputs;
    for (std::size_t i = 0; i < bytes_.size(); ++i) inputs.push_back({names_[i], bytes_[i]});
    return LinkObjects(inputs);
  }
  CollectionSpec LinkAndRead() const { return ReadCollectionSpec(Link().value(), {.name = "linked"}).value(); }
  std::string LinkError(ErrorCode code = ErrorCode::kInvalidArgument) const {
    const auto linked = Link();
    if (linked) return "no error";
    EXPECT_EQ(linked.error().code(), code);
    return linked.error().message();
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<std::byte>> bytes_;
};

Objects MainAndHelper() { return Objects().AddFile(STRATA_BPF_LINK_MAIN).AddFile(STRATA_BPF_LINK_HELPER); }
Objects HelperAnd(const std::string& path) { return Objects().AddFile(STRATA_BPF_LINK_HELPER).AddFile(path); }

std::vector<std::string> CalleesOf(const FunctionSpec& function) {
  std::vector<std::string> callees;
  for (const Reference& reference : function.references) {
    const bool is_call =
        reference.kind == ReferenceKind::kFunctionCall || reference.kind == ReferenceKind::kFunctionAddress;
    if (is_call) callees.emplace_back(reference.symbol);
  }
  return callees;
}

std::string ValueOf(const CollectionSpec& spec, const std::string& name) {
  const VariableSpec& variable = spec.variables.at(name);
  return btf::FormatValue(*spec.types, variable.type, variable.value);
}

TEST(Linker, PutsProgramsMapsAndVariablesOfAllObjectsTogether) {
  const CollectionSpec spec = MainAndHelper().LinkAndRead();
  EXPECT_THAT(spec.programs, UnorderedElementsAre(Key("first"), Key("second"), Key("reads_task"), Key("reads_pid")));
  EXPECT_THAT(spec.maps, AllOf(Contains(Key("events")), Contains(Key("counts"))));
  EXPECT_EQ(ValueOf(spec, "limit"), "42");
  EXPECT_EQ(ValueOf(spec, "target"), "7");
  EXPECT_EQ(ValueOf(spec, "greeting"), "\"hello\"");
  EXPECT_EQ(spec.programs.at("first").license, "GPL");
}

TEST(Linker, ResolvesExternsAcrossObjects) {
  const CollectionSpec spec = MainAndHelper().LinkAndRead();
  const ProgramSpec& first = spec.programs.at("first");
  EXPECT_THAT(CalleesOf(first), Contains("add"));
  ASSERT_TRUE(spec.functions.contains("add"));
  EXPECT_THAT(first.references, Contains(testing::Field(&Reference::symbol, "events")));
  EXPECT_TRUE(Flatten(spec, first).has_value());
  EXPECT_EQ(spec.maps.at("events").max_entries, 64U);
}

TEST(Linker, KeepsStaticSymbolsOfOneNameApart) {
  const CollectionSpec spec = MainAndHelper().LinkAndRead();
  const std::string in_main = CalleesOf(spec.programs.at("first")).at(0);
  const std::string in_helper = CalleesOf(spec.functions.at("add")).at(0);
  EXPECT_NE(in_main, in_helper);
  EXPECT_EQ(spec.functions.at(in_main).name, "twice");
  EXPECT_EQ(spec.functions.at(in_helper).name, "twice");
  EXPECT_NE(spec.functions.at(in_main).references, spec.functions.at(in_helper).references);  // each its own `calls`
}

TEST(Linker, RefersToStaticDataAtItsNewPlace) {
  const CollectionSpec spec = MainAndHelper().LinkAndRead();
  const FunctionSpec& callback = spec.functions.at("on_element");
  const auto reference = std::find_if(callback.references.begin(), callback.references.end(),
                                      [](const Reference& r) { return r.kind == ReferenceKind::kMapValue; });
  ASSERT_NE(reference, callback.references.end());
  const auto& data = spec.maps.at(".data").contents;
  ASSERT_LT(static_cast<std::size_t>(reference->addend), data.size());
  EXPECT_EQ(data[static_cast<std::size_t>(reference->addend)], std::byte{5});  // helper's `calls`, not main's
}

TEST(Linker, PrefersAStrongDefinitionInWhateverOrder) {
  for (const bool main_first : {true, false}) {
    Objects objects;
    objects.AddFile(main_first ? STRATA_BPF_LINK_MAIN : STRATA_BPF_LINK_HELPER);
    objects.AddFile(main_first ? STRATA_BPF_LINK_HELPER : STRATA_BPF_LINK_MAIN);
    const CollectionSpec spec = objects.LinkAndRead();
    EXPECT_EQ(ValueOf(spec, "chosen"), "2");
    const FunctionSpec& policy = spec.functions.at("policy");
    EXPECT_FALSE(policy.is_static);
    EXPECT_THAT(policy.CanonicalCode(), Contains(testing::Field(&Instruction::imm, -1)));
    EXPECT_THAT(policy.CanonicalCode(), Not(Contains(testing::Field(&Instruction::imm, 100))));
  }
}

TEST(Linker, DeclaresAnExternOnce) {
  const CollectionSpec spec = MainAndHelper().LinkAndRead();
  EXPECT_THAT(spec.externs, ElementsAre(Key("LINUX_KERNEL_VERSION")));
  EXPECT_EQ(spec.types->FindAll("LINUX_KERNEL_VERSION", btf::Kind::kVar).size(), 1U);
}

TEST(Linker, KeepsSourceLinesAndCoreRelocations) {
  const CollectionSpec spec = MainAndHelper().LinkAndRead();
  const ProgramSpec& reads_pid = spec.programs.at("reads_pid");
  ASSERT_EQ(reads_pid.core_relocations.size(), 1U);
  EXPECT_EQ(reads_pid.core_relocations[0].access, "0:0");
  EXPECT_EQ(spec.types->Describe(reads_pid.core_relocations[0].type), "struct task_struct");
  ASSERT_FALSE(reads_pid.line_infos.empty());
  EXPECT_THAT(std::string(spec.types->StringAt(reads_pid.line_infos[0].file_name_offset).value()),
              HasSubstr("helper.bpf.c"));
  EXPECT_EQ(spec.types->NameOf(reads_pid.type), "reads_pid");
}

TEST(Linker, KeepsEachTypeOnce) {
  const CollectionSpec spec = MainAndHelper().LinkAndRead();
  EXPECT_EQ(spec.types->FindAll("event", btf::Kind::kStruct).size(), 1U);
  EXPECT_EQ(spec.types->FindAll("int", btf::Kind::kInt).size(), 1U);
  EXPECT_EQ(spec.types->FindAll(".data", btf::Kind::kDataSec).size(), 1U);
  EXPECT_TRUE(spec.types->FindAll("_license", btf::Kind::kVar).empty());  // main's LICENSE is the one that was kept
}

TEST(Linker, MovesStaticInitialisersOfMaps) {
  Objects objects = MainAndHelper();
  const CollectionSpec spec = objects.AddFile(STRATA_BPF_LINK_THIRD).LinkAndRead();
  EXPECT_EQ(spec.maps.at("table").slots, (std::vector<MapSlotInit>{{1, "last"}}));
}

TEST(Linker, TakesTheStrictestVisibility) {
  Objects objects = MainAndHelper();
  const CollectionSpec spec = objects.AddFile(STRATA_BPF_LINK_THIRD).LinkAndRead();
  const auto function = spec.types->Get<btf::Func>(spec.functions.at("add").type).value();
  EXPECT_EQ(function.linkage, btf::Linkage::kStatic);  // hidden: checked with its callers
}

// What a spec says, without the ids that types happen to have.
std::string TextOf(const CollectionSpec& spec) {
  std::string text = FormatSpecJson(spec);
  for (const auto& [name, program] : spec.programs) text += name + "\n" + Disassemble(spec, program);
  for (const auto& [name, function] : spec.functions) text += name + "\n" + Disassemble(spec, function);
  return text;
}

TEST(Linker, OfOneObjectChangesNothing) {
  for (const char* path : {STRATA_BPF_LINK_HELPER, STRATA_BPF_LINK_THIRD, STRATA_BPF_PROGRAMS, STRATA_BPF_MAPS,
                           STRATA_BPF_CORE, STRATA_BPF_VALUES, STRATA_BPF_PROGRAMS_BIG_ENDIAN}) {
    const auto before = ReadCollectionSpec(test::ReadFile(path), {.name = "object"});
    ASSERT_TRUE(before.has_value()) << path;
    const auto linked = Objects().AddFile(path).Link();
    ASSERT_TRUE(linked.has_value()) << path << ": " << linked.error().message();
    const auto after = ReadCollectionSpec(*linked, {.name = "object"});
    ASSERT_TRUE(after.has_value()) << path << ": " << after.error().message();
    // Types are de-duplicated, so that their number may change.
    const auto without_types = [](const std::string& text) { return text.substr(0, text.find("\"types\": {")); };
    EXPECT_EQ(without_types(TextOf(*after)), without_types(TextOf(*before))) << path;
  }
}

TEST(Linker, OfItsOwnResultChangesNothing) {
  const auto once = MainAndHelper().Link().value();
  EXPECT_EQ(Objects().Add("once", once).Link().value(), once);
}

TEST(Linker, GivesEqualBytesForEqualInputs) {
  EXPECT_EQ(MainAndHelper().Link().value(), MainAndHelper().Link().value());
}

TEST(Linker, LinksBigEndianObjects) {
  const auto linked =
      Objects().AddFile(STRATA_BPF_LINK_MAIN_BIG_ENDIAN).AddFile(STRATA_BPF_LINK_HELPER_BIG_ENDIAN).LinkAndRead();
  EXPECT_EQ(linked.byte_order, std::endian::big);
  const CollectionSpec little = MainAndHelper().LinkAndRead();
  ASSERT_EQ(linked.programs.size(), little.programs.size());
  for (const auto& [name, program] : little.programs) {
    EXPECT_EQ(linked.programs.at(name).CanonicalCode(), program.CanonicalCode()) << name;
    EXPECT_EQ(linked.programs.at(name).references, program.references) << name;
  }
}

TEST(Linker, RefusesToMixByteOrders) {
  EXPECT_THAT(HelperAnd(STRATA_BPF_LINK_MAIN_BIG_ENDIAN).LinkError(),
              HasSubstr("link_main_big_endian.bpf.o: its byte order is not that of link_helper.bpf.o"));
}

TEST(Linker, RefusesTwoDefinitions) {
  EXPECT_THAT(HelperAnd(STRATA_BPF_LINK_SECOND_DEFINITION).LinkError(),
              HasSubstr("symbol limit: is defined in link_helper.bpf.o and in link_second_definition.bpf.o"));
}

TEST(Linker, RefusesADeclarationOfAnotherType) {
  EXPECT_THAT(HelperAnd(STRATA_BPF_LINK_OTHER_TYPE).LinkError(), HasSubstr("disagree about its type: long and int"));
  EXPECT_THAT(HelperAnd(STRATA_BPF_LINK_OTHER_PROTOTYPE).LinkError(), HasSubstr("symbol add: "));
}

TEST(Linker, RefusesAnExternMapWithAnotherDefinition) {
  EXPECT_THAT(HelperAnd(STRATA_BPF_LINK_OTHER_MAP).LinkError(),
              HasSubstr("symbol events: link_other_map.bpf.o and link_helper.bpf.o disagree about its type"));
}

TEST(Linker, RefusesADeclarationInAnotherSection) {
  EXPECT_THAT(HelperAnd(STRATA_BPF_LINK_OTHER_SECTION).LinkError(), HasSubstr("disagree about its section"));
}

TEST(Linker, RefusesAnotherLicense) {
  EXPECT_THAT(HelperAnd(STRATA_BPF_LINK_OTHER_LICENSE).LinkError(),
              HasSubstr("link_other_license.bpf.o: section license: its content is not the same in all objects"));
}

TEST(Linker, RefusesWhatIsNoObject) {
  EXPECT_THAT(Objects().Add("text", test::BytesOf("hello")).LinkError(ErrorCode::kMalformed), HasSubstr("text: "));
  EXPECT_THAT(Objects().LinkError(), HasSubstr("nothing to link"));
}

TEST(Linker, LeavesAnUnresolvedExternToTheLoader) {
  const auto linked = Objects().AddFile(STRATA_BPF_LINK_THIRD).Link();
  ASSERT_TRUE(linked.has_value());
  EXPECT_FALSE(ReadCollectionSpec(*linked, {.name = "third"}).has_value() &&
               Flatten(*ReadCollectionSpec(*linked, {.name = "third"}),
                       ReadCollectionSpec(*linked, {.name = "third"})->programs.at("last"))
                   .has_value());
}

// Objects without types, written by hand.
std::vector<Instruction> CallAndExit() { return {{.opcode = 0x85, .src = 1, .imm = -1}, {.opcode = 0x95}}; }

TEST(Linker, LinksObjectsWithoutTypes) {
  const Instruction exit{.opcode = 0x95};
  Objects objects;
  objects.Add("a",
              test::ElfWriter().Code("xdp", "f", CallAndExit()).UndefinedSymbol("g").Relocation(0, "g", 10).Bytes());
  objects.Add("b", test::ElfWriter().Code(".text", "g", {exit}).Bytes());
  const CollectionSpec spec = objects.LinkAndRead();
  EXPECT_EQ(spec.types, nullptr);
  EXPECT_THAT(CalleesOf(spec.programs.at("f")), ElementsAre("g"));
}

TEST(Linker, NamesARelocationOutsideOfItsSection) {
  Objects objects;
  objects.Add("a", test::ElfWriter().Code("xdp", "f", CallAndExit()).Relocation(12, "f", 10).Bytes());
  EXPECT_THAT(objects.LinkError(ErrorCode::kMalformed), HasSubstr("offset 12: is outside of the section"));
}

TEST(Linker, RefusesSectionsOfTwoKindsUnderOneName) {
  Objects objects;
  objects.Add("a", test::ElfWriter().Section(".data", test::BytesOf("1234")).Bytes());
  objects.Add("b", test::ElfWriter().Section(".data", {}, {.type = SHT_NOBITS, .claimed_size = 8}).Bytes());
  EXPECT_THAT(objects.LinkError(), HasSubstr("b: section .data: has ELF type 8, and 1 in another object"));
}

TEST(Linker, SurvivesTruncationAnywhere) {
  const auto whole = test::ReadFile(STRATA_BPF_LINK_HELPER);
  const auto other = test::ReadFile(STRATA_BPF_LINK_MAIN);
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(Objects().Add("part", part).Add("other", other).Link().has_value()) << size;
  }
}

}  // namespace
}  // namespace strata::elf
