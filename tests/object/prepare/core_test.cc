// CO-RE of whole programs: the same instructions as libbpf's, and what must hold whatever the types are.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include "named_map.h"
#include "strata/btf/builder.h"
#include "strata/btf/core.h"
#include "strata/elf/reader.h"
#include "strata/isa/opcode.h"
#include "strata/object/prepare/prepare.h"
#include "strata/spec/flatten.h"
#include "support/elf_writer.h"

namespace strata {
namespace {

using testing::HasSubstr;
using Types = std::shared_ptr<const btf::Btf>;

CollectionSpec Read(const std::string& path) {
  return elf::ReadCollectionSpec(test::ReadFile(path), {.path = path}).value();
}

Result<LinkedProgram> Prepare(const CollectionSpec& spec, const std::string& program, const Types& target) {
  const KernelFacts kernel;
  PrepareOptions options;
  options.target_types = target;
  return ProgramPreparer(spec, kernel, std::move(options)).Prepare(spec.programs.at(program), AnyMap);
}

// ---- libbpf

struct CloseObject {
  void operator()(bpf_object* object) const { ::bpf_object__close(object); }
};
using ObjectPtr = std::unique_ptr<bpf_object, CloseObject>;

thread_local std::string libbpf_log;
int KeepLog(libbpf_print_level level, const char* format, va_list arguments) {
  char line[1024];
  if (level == LIBBPF_DEBUG) return 0;
  std::vsnprintf(line, sizeof(line), format, arguments);
  libbpf_log += line;
  return 0;
}

// Relocates by trying to load: only what libbpf made of the instructions counts, not what the kernel says to them.
ObjectPtr RelocateByLibbpf(const std::string& path, const std::string& target,
                           const std::vector<std::string>& programs) {
  ::libbpf_set_print(KeepLog);
  libbpf_log.clear();
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  options.btf_custom_path = target.empty() ? nullptr : target.c_str();
  ObjectPtr object(::bpf_object__open_file(path.c_str(), &options));
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    const bool is_wanted = std::find(programs.begin(), programs.end(), ::bpf_program__name(program)) != programs.end();
    ::bpf_program__set_autoload(program, is_wanted);
  }
  ::bpf_object__load(object.get());
  return object;
}

bool FailedToRelocate() { return libbpf_log.find("failed to perform CO-RE relocations") != std::string::npos; }

std::vector<isa::Instruction> CodeOf(const bpf_object* object, const std::string& name) {
  const bpf_program* program = ::bpf_object__find_program_by_name(object, name.c_str());
  const auto* code = reinterpret_cast<const isa::Instruction*>(::bpf_program__insns(program));
  return {code, code + ::bpf_program__insn_cnt(program)};
}

// Maps are descriptors there and nothing here.
void MaskMaps(std::vector<isa::Instruction>& code) {
  for (std::size_t i = 0; i + 1 < code.size(); i += isa::SlotCount(code[i])) {
    if (isa::SlotCount(code[i]) != 2) continue;
    const auto kind = static_cast<isa::PseudoLoad>(code[i].src);
    if (kind != isa::PseudoLoad::kMapFd && kind != isa::PseudoLoad::kMapValue) continue;
    code[i].src = 0;
    code[i].imm = 0;
    code[i + 1].imm = 0;
  }
}

std::string Compare(std::vector<isa::Instruction> theirs, const std::vector<isa::Instruction>& ours) {
  MaskMaps(theirs);
  if (theirs.size() != ours.size()) return fmt::format("{} instructions, not {}", ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const isa::Instruction& a = theirs[i];
    const isa::Instruction& b = ours[i];
    if (a == b) continue;
    return fmt::format("instruction {}: {:#04x} offset {} imm {}, libbpf has {:#04x} offset {} imm {}", i, b.opcode,
                       b.offset, b.imm, a.opcode, a.offset, a.imm);
  }
  return "";
}

std::vector<std::string> ProgramsOf(const CollectionSpec& spec) {
  std::vector<std::string> names;
  for (const auto& [name, program] : spec.programs) names.push_back(name);
  return names;
}

std::vector<std::string> TargetPaths() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(STRATA_CORE_TARGETS)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("core_") && name.ends_with(".bpf.o") && name != "core_new_cases.bpf.o") {
      paths.push_back(entry.path());
    }
  }
  return paths;
}

std::vector<std::string> CaseObjects() {
  std::vector<std::string> objects = {STRATA_BPF_CASES};
  if (*STRATA_CORE_NEW_CASES != '\0') objects.emplace_back(STRATA_CORE_NEW_CASES);
  return objects;
}

class CoreLikeLibbpf : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "libbpf relocates only where it may load: needs root";
  }

  // All programs that both can relocate in one go, then the others one by one: both must refuse them.
  void CompareAll(const std::string& object, const std::string& target_path, const Types& target) {
    SCOPED_TRACE(object + " on " + target_path);
    const CollectionSpec spec = Read(object);
    std::vector<std::string> good;
    std::vector<std::string> refused;
    for (const std::string& name : ProgramsOf(spec)) (Prepare(spec, name, target) ? good : refused).push_back(name);
    // libbpf takes the constants of unsigned 32-bit enums for another number than the compiler wrote.
    const auto known = std::find(good.begin(), good.end(), "enum_unsigned");
    if (known != good.end()) good.erase(known);
    const ObjectPtr all = RelocateByLibbpf(object, target_path, good);
    ASSERT_FALSE(FailedToRelocate()) << libbpf_log;
    for (const std::string& name : good) {
      EXPECT_EQ(Compare(CodeOf(all.get(), name), Prepare(spec, name, target)->instructions), "") << name;
      ++compared_;
    }
    for (const std::string& name : refused) {
      const ObjectPtr one = RelocateByLibbpf(object, target_path, {name});
      EXPECT_TRUE(FailedToRelocate()) << name << ": " << Prepare(spec, name, target).error().message();
    }
  }

  int compared_ = 0;
};

TEST_F(CoreLikeLibbpf, EveryProgramOnEveryTarget) {
  for (const std::string& object : CaseObjects()) {
    for (const std::string& target : TargetPaths()) CompareAll(object, target, Read(target).types);
  }
  EXPECT_GT(compared_, 1000);
}

TEST_F(CoreLikeLibbpf, OnTheKernelsTypes) {
  const KernelFacts kernel;
  const auto types = kernel.Types();
  if (!types) GTEST_SKIP() << types.error().message();
  CompareAll(STRATA_BPF_KERNEL, "", *types);
  EXPECT_EQ(compared_, 5);
  for (const std::string& object : CaseObjects()) CompareAll(object, "", *types);
}

// ---- Properties

// An object that has no two flavours of a type is its own best target.
TEST(CoreProperty, AnObjectFitsItself) {
  const CollectionSpec spec = Read(STRATA_BPF_KERNEL);
  btf::CoreRelocator relocator(spec.types, {spec.types});
  int questions = 0;
  for (const auto& [name, program] : spec.programs) {
    for (const btf::CoreRelocation& relocation : program.core_relocations) {
      if (spec.types->NameOf(relocation.type).find("___") != std::string_view::npos) continue;
      if (spec.types->NameOf(relocation.type) == "task_struct") continue;  // has flavours here
      const auto answer = relocator.Resolve(relocation).value();
      EXPECT_FALSE(answer.is_poisoned) << relocator.Describe(relocation);
      EXPECT_EQ(answer.local, answer.target) << relocator.Describe(relocation);
      ++questions;
    }
  }
  EXPECT_GT(questions, 40);
}

TEST(CoreProperty, CodeThatFitsItselfStaysAsItIs) {
  for (const std::string& object : CaseObjects()) {
    const CollectionSpec spec = Read(object);
    for (const std::string& name : ProgramsOf(spec)) {
      if (name == "flavors" || name == "misc") continue;  // their own flavours disagree
      if (name.starts_with("bitfields")) continue;        // how to load a bitfield is the compiler's own choice
      const auto before = Flatten(spec, spec.programs.at(name)).value();
      const auto after = Prepare(spec, name, spec.types);
      ASSERT_TRUE(after) << after.error().message();
      EXPECT_EQ(Compare(before.instructions, after->instructions), "") << name;
      EXPECT_TRUE(after->poisoned.empty());
    }
  }
}

// The same types in another order, with other ids.
Types Shuffled(const btf::Btf& types, unsigned seed) {
  std::vector<std::uint32_t> order(types.type_count() - 1);
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i + 1;
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  btf::Builder builder;
  btf::IdMap copied;
  for (const std::uint32_t id : order) {
    if (copied[btf::TypeId{id}] == btf::kVoid) builder.CopyTree(types, btf::TypeId{id}, &copied).value();
  }
  return builder.BuildTypes().value();
}

bool AsksForIds(const CollectionSpec& spec, const std::string& name) {
  const auto& relocations = spec.programs.at(name).core_relocations;
  return std::any_of(relocations.begin(), relocations.end(), [](const btf::CoreRelocation& relocation) {
    return relocation.kind == static_cast<std::uint32_t>(btf::CoreKind::kTypeIdTarget);
  });
}

TEST(CoreProperty, TheOrderOfTheTargetsTypesPlaysNoPart) {
  const CollectionSpec spec = Read(CaseObjects().back());
  for (const std::string& path : TargetPaths()) {
    const Types target = Read(path).types;
    for (unsigned seed = 1; seed <= 2; ++seed) {
      const Types other = Shuffled(*target, seed);
      for (const std::string& name : ProgramsOf(spec)) {
        if (AsksForIds(spec, name)) continue;
        const auto expected = Prepare(spec, name, target);
        const auto actual = Prepare(spec, name, other);
        ASSERT_EQ(expected.has_value(), actual.has_value()) << name << " on " << path;
        if (!expected) continue;
        EXPECT_EQ(Compare(expected->instructions, actual->instructions), "") << name << " on " << path;
      }
    }
  }
}

// Every struct gets a member in front; what contains structs grows by what they do.
struct Padded {
  Types types;
  std::map<std::uint32_t, std::uint32_t> growth_bytes;  // by struct
};

Padded PadStructs(const btf::Btf& types, std::uint32_t pad_bytes) {
  btf::Builder builder;
  builder.Copy(types).value();
  Padded result;
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    const auto old = types.Get<btf::Struct>(btf::TypeId{id});
    if (!old || old->members.empty()) continue;
    std::vector<btf::Member> members(old->members.begin(), old->members.end());
    for (btf::Member& member : members) member.bit_offset += pad_bytes * 8;
    members.insert(members.begin(), {"strata_padding", members.front().type, 0});
    builder
        .Set(btf::TypeId{id},
             btf::Struct{old->name, old->size_bytes + pad_bytes, btf::RecordList<btf::Member>(members)})
        .value();
    result.growth_bytes[id] = pad_bytes;
  }
  result.types = builder.BuildTypes().value();
  return result;
}

TEST(CoreProperty, PaddingMovesFieldsByItsSize) {
  const CollectionSpec spec = Read(STRATA_BPF_KERNEL);
  constexpr std::uint32_t kPad = 16;
  const Padded padded = PadStructs(*spec.types, kPad);
  btf::CoreRelocator relocator(spec.types, {padded.types});
  int moved = 0;
  for (const auto& [name, program] : spec.programs) {
    for (const btf::CoreRelocation& relocation : program.core_relocations) {
      // One named or anonymous level: each struct on the way adds its padding.
      const bool is_direct = std::ranges::count(relocation.access.view(), ':') == 1;
      const bool is_offset = relocation.kind == static_cast<std::uint32_t>(btf::CoreKind::kFieldByteOffset);
      if (!is_direct || !is_offset || spec.types->NameOf(relocation.type).starts_with("task_struct")) continue;
      const auto answer = relocator.Resolve(relocation).value();
      EXPECT_EQ(answer.target, answer.local + kPad) << relocator.Describe(relocation);
      ++moved;
    }
  }
  EXPECT_GT(moved, 10);
}

// ---- The pass

TEST(CorePass, NamesWhatItPoisoned) {
  const CollectionSpec spec = Read(STRATA_BPF_KERNEL);
  const KernelFacts kernel;
  if (!kernel.Types()) GTEST_SKIP() << kernel.Types().error().message();
  const auto program = Prepare(spec, "questions", nullptr).value();
  ASSERT_FALSE(program.poisoned.empty());
  const PoisonedInstruction& last = program.poisoned.back();
  EXPECT_EQ(last.reason,
            "CO-RE relocation field_byte_offset of struct no_such_type.field (0:0): the target has no such type");
  EXPECT_EQ(program.instructions[last.index.value], (isa::Instruction{.opcode = 0x85, .imm = btf::kCorePoison}));
}

TEST(CorePass, ReadsTheKernelsTypesOnlyWhenAsked) {
  const CollectionSpec spec = Read(STRATA_BPF_CASES);
  const KernelFacts nowhere({.types = "/no/such/file"});
  const auto prepare = [&](const char* name, PrepareOptions options) {
    return ProgramPreparer(spec, nowhere, std::move(options)).Prepare(spec.programs.at(name), AnyMap);
  };
  EXPECT_THAT(prepare("type_size", {}).error().message(), HasSubstr("CO-RE needs types to fit the program to"));
  PrepareOptions own;
  own.target_types = spec.types;
  EXPECT_TRUE(prepare("type_size", own));
}

}  // namespace
}  // namespace strata
