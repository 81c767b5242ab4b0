#include "strata/btf/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "random_types.h"
#include "strata/btf/builder.h"
#include "strata/btf/dump_c.h"
#include "support/elf_section.h"
#include "support/golden.h"
#include "support/vmlinux.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Golden(const std::string& name) { return std::string(STRATA_GOLDEN_FOLDER) + "/" + name; }

// A type of each kind, and what is difficult to say in C: bitfields with gaps, packed and over-aligned structs,
// anonymous members, names that C does not take, names that are taken.
std::shared_ptr<const Btf> Sample() {
  Builder builder;
  const auto add = [&](const Type& type) { return builder.Add(type).value(); };
  const TypeId number = add(Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true});
  const TypeId letter = add(Int{.name = "char", .size_bytes = 1, .bits = 8, .is_signed = true});
  const TypeId wide = add(Int{.name = "unsigned long long", .size_bytes = 8, .bits = 64});
  const TypeId truth = add(Int{.name = "_Bool", .size_bytes = 1, .bits = 8, .is_bool = true});
  const TypeId foreign = add(Int{.name = "u16", .size_bytes = 2, .bits = 16});

  const TypeId tag = add(TypeTag{"user", letter});
  const TypeId constant = add(Const{tag});
  const TypeId text = add(Pointer{constant});
  const TypeId only = add(Restrict{text});
  const TypeId matrix = add(Array{add(Array{number, number, 3}), number, 2});
  const TypeId to_matrix = add(Pointer{matrix});

  const EnumValue colors[] = {{"RED", 0}, {"BLUE", -2}};
  const TypeId color = add(Enum{"color", 4, true, RecordList<EnumValue>(colors)});
  const EnumValue huge[] = {{"RED", 1}, {"HUGEST", -1}};
  const TypeId huge_enum = add(Enum64{"huge", 8, false, RecordList<EnumValue>(huge)});
  const EnumValue small[] = {{"SMALL", 3}};
  const TypeId small_enum = add(Enum{{}, 1, false, RecordList<EnumValue>(small)});

  const TypeId node{builder.next_id().value + 1};
  const TypeId to_node = add(Pointer{node});
  const Member node_members[] = {{.name = "next", .type = to_node}, {.name = "color", .type = color, .bit_offset = 64}};
  add(Struct{"node", 16, RecordList<Member>(node_members)});
  const Parameter parameters[] = {{"self", to_node}, {"format", only}, {"", kVoid}};
  const TypeId prototype = add(FuncProto{number, RecordList<Parameter>(parameters)});
  const TypeId operation = add(Typedef{"operation", add(Pointer{prototype})});
  const TypeId getter = add(Pointer{add(FuncProto{to_matrix, {}})});

  const Member bits[] = {{.name = "low", .type = number, .bitfield_bits = 3},
                         {.name = "high", .type = number, .bit_offset = 8, .bitfield_bits = 24},
                         {.name = "flag", .type = truth, .bit_offset = 32, .bitfield_bits = 1},
                         {.name = "wide", .type = wide, .bit_offset = 64, .bitfield_bits = 40}};
  add(Struct{"bits", 24, RecordList<Member>(bits)});
  const Member packed[] = {{.name = "a", .type = letter}, {.name = "b", .type = number, .bit_offset = 8}};
  const TypeId packed_struct = add(Struct{"packed", 5, RecordList<Member>(packed)});
  const Member spread[] = {{.name = "a", .type = letter}, {.name = "b", .type = wide, .bit_offset = 256}};
  add(Struct{"spread", 64, RecordList<Member>(spread)});
  const Member page[] = {{.name = "a", .type = letter}, {.name = "b", .type = wide, .bit_offset = 4096 * 8}};
  add(Struct{"page", 8192, RecordList<Member>(page)});
  add(Struct{.name = "empty", .size_bytes = 0, .members = {}});
  const Member overlap[] = {{.name = "a", .type = number}, {.name = "b", .type = number, .bit_offset = 16}};
  add(Struct{"overlapping", 8, RecordList<Member>(overlap)});

  const Member inside[] = {{.name = "x", .type = number}, {.name = "y", .type = foreign}};
  const TypeId anonymous_union = add(Union{{}, 4, RecordList<Member>(inside)});
  const Member outside[] = {{.name = "", .type = anonymous_union},
                            {.name = "text", .type = text, .bit_offset = 64},
                            {.name = "packed", .type = packed_struct, .bit_offset = 128},
                            {.name = "run", .type = operation, .bit_offset = 192},
                            {.name = "getter", .type = getter, .bit_offset = 256},
                            {.name = "kind", .type = small_enum, .bit_offset = 320},
                            {.name = "huge", .type = huge_enum, .bit_offset = 384},
                            {.name = "int", .type = number, .bit_offset = 448}};
  const TypeId mixed = add(Struct{"mixed", 64, RecordList<Member>(outside)});
  add(Union{"aligned", 16, RecordList<Member>(inside)});
  add(Struct{.name = "node", .size_bytes = 4, .members = {}});  // another of that name
  add(Forward{"mixed", false});
  const TypeId lost = add(Forward{"never::defined<1>", true});
  add(Typedef{"lost", add(Pointer{lost})});
  add(Typedef{"inline_t", add(Struct{{}, 8, RecordList<Member>(std::span(inside).first(1))})});
  add(Float{"double", 8});
  add(Volatile{number});
  const TypeId variable = add(Var{"counter", number, Linkage::kGlobal});
  const SectionVariable variables[] = {{variable, 4, 4}};
  add(DataSec{".data", 8, RecordList<SectionVariable>(variables)});
  add(Func{"run", prototype, Linkage::kGlobal});
  add(DeclTag{"log2_hist", mixed, 1});
  return builder.BuildTypes("sample").value();
}

TEST(BtfDump, PrintsCAsInTheGoldenFile) { test::ExpectGolden(DumpC(*Sample()).value(), Golden("sample.h.golden")); }
TEST(BtfDump, PrintsRawTypesAsInTheGoldenFile) {
  test::ExpectGolden(DumpRaw(*Sample()).value(), Golden("sample.raw.golden"));
}
TEST(BtfDump, PrintsJsonAsInTheGoldenFile) {
  test::ExpectGolden(DumpJson(*Sample()).value(), Golden("sample.json.golden"));
}

TEST(BtfDump, PrintsJsonThatParses) {
  const auto json = nlohmann::json::parse(DumpJson(*Sample()).value());
  EXPECT_EQ(json["types"].size(), Sample()->type_count() - 1);
  EXPECT_EQ(json["types"][0]["kind"], "INT");
}

TEST(BtfDump, PrintsTheWantedTypesOnly) {
  const auto types = Sample();
  const TypeId wanted[] = {types->FindByName("mixed", Kind::kStruct).value()};
  const auto c = DumpC(*types, wanted).value();
  EXPECT_THAT(c, HasSubstr("struct mixed {"));
  EXPECT_THAT(c, HasSubstr("struct packed {")) << "held by value";
  EXPECT_THAT(c, Not(HasSubstr("struct bits")));
  EXPECT_THAT(c, Not(HasSubstr("struct node {"))) << "only pointed to";
  EXPECT_EQ(DumpRaw(*types, wanted)->find("STRUCT 'mixed'"), 5U);
  const TypeId outside[] = {TypeId{9999}};
  EXPECT_EQ(DumpC(*types, outside).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(DumpRaw(*types, outside).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(DumpJson(*types, outside).error().code(), ErrorCode::kNotFound);
}

TEST(BtfDump, PrintsOfASplitBtfItsOwnTypesAndWhatTheyNeed) {
  const auto base = Sample();
  Builder builder(base);
  const Member members[] = {{.name = "base", .type = base->FindByName("packed", Kind::kStruct).value()}};
  ASSERT_TRUE(builder.Add(Struct{"own", 5, RecordList<Member>(members)}));
  const auto split = Btf::Parse(builder.Build().value(), "split", base).value();
  const auto c = DumpC(*split).value();
  EXPECT_THAT(c, HasSubstr("struct packed {"));
  EXPECT_THAT(c, Not(HasSubstr("struct bits")));
  EXPECT_THAT(DumpRaw(*split).value(), testing::StartsWith("[" + std::to_string(base->type_count()) + "] STRUCT"));
}

TEST(BtfDump, RefusesAStructThatContainsItself) {
  Builder builder;
  const Member members[] = {{.name = "self", .type = TypeId{1}}};
  ASSERT_TRUE(builder.Add(Struct{"s", 4, RecordList<Member>(members)}));
  EXPECT_THAT(DumpC(*builder.BuildTypes("a.o").value()).error().message(),
              HasSubstr("a.o: type 1 (STRUCT s): contains itself"));
}

TEST(BtfDump, RefusesTypedefsThatNeverEnd) {
  Builder builder;
  ASSERT_TRUE(builder.Add(Typedef{"a", TypeId{2}}));
  ASSERT_TRUE(builder.Add(Pointer{TypeId{1}}));
  EXPECT_THAT(DumpC(*builder.BuildTypes().value()).error().message(), HasSubstr("is defined by itself"));
}

TEST(BtfDump, RefusesNestingThatIsTooDeep) {
  Builder builder;
  ASSERT_TRUE(builder.Add(Int{.name = "int", .size_bytes = 4, .bits = 32}));
  constexpr std::uint32_t kDepth = 50'000;
  for (std::uint32_t i = 0; i < kDepth; ++i) {
    const Member members[] = {{.name = "m", .type = TypeId{i + 1 == kDepth ? 1 : i + 3}}};
    ASSERT_TRUE(builder.Add(Struct{"s", 4, RecordList<Member>(members)}));
  }
  EXPECT_THAT(DumpC(*builder.BuildTypes().value()).error().message(), HasSubstr("nested too deeply"));
}

// Two members of the next type each: 2^60 lines, if they were printed.
TEST(BtfDump, RefusesTypesWithoutNamesThatGrowWithoutEnd) {
  Builder builder;
  ASSERT_TRUE(builder.Add(Int{.name = "int", .size_bytes = 4, .bits = 32}));
  for (std::uint32_t i = 1; i <= 60; ++i) {
    const Member members[] = {{.name = "a", .type = TypeId{i}}, {.name = "b", .type = TypeId{i}}};
    ASSERT_TRUE(builder.Add(Union{i == 60 ? "u" : "", 4, RecordList<Member>(members)}));
  }
  EXPECT_THAT(DumpC(*builder.BuildTypes().value()).error().message(), HasSubstr("too large"));
}

TEST(BtfDump, EndsForRandomTypes) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const auto types = RandomTypes(seed, 60).BuildTypes().value();
    static_cast<void>(DumpC(*types));
    EXPECT_TRUE(DumpRaw(*types));
    EXPECT_TRUE(DumpJson(*types));
  }
}

// A folder that is gone at the end.
class Workshop {
 public:
  Workshop() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  ~Workshop() {
    for (const std::string& file : files_) ::unlink(file.c_str());
    ::rmdir(path_.c_str());
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(File(name)) << text;
    return File(name);
  }
  std::string File(const std::string& name) {
    files_.push_back(path_ + "/" + name);
    return files_.back();
  }

 private:
  std::string path_ = "/tmp/strata-dump-XXXXXX";
  std::vector<std::string> files_;
};

bool Runs(const std::string& command) { return std::system((command + " >&2").c_str()) == 0; }

// Structs and unions whose name is theirs alone, so that the dump calls them so; by that name with its keyword.
std::map<std::string, TypeId> DistinctTypes(const Btf& types) {
  std::map<std::string, std::vector<TypeId>, std::less<>> by_name;
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const Kind kind = types.KindOf(id);
    if (kind == Kind::kStruct || kind == Kind::kUnion || kind == Kind::kEnum || kind == Kind::kEnum64) {
      by_name[std::string(types.NameOf(id))].push_back(id);
    }
  }
  std::map<std::string, TypeId> distinct;
  for (const auto& [name, ids] : by_name) {
    const Kind kind = types.KindOf(ids.front());
    if (name.empty() || ids.size() > 1 || (kind != Kind::kStruct && kind != Kind::kUnion)) continue;
    distinct.emplace((kind == Kind::kStruct ? "struct " : "union ") + name, ids.front());
  }
  return distinct;
}

RecordList<Member> MembersOf(const Btf& types, TypeId id) {
  const Type type = types.TypeById(id).value();
  if (const auto* composite = std::get_if<Struct>(&type)) return composite->members;
  return std::get<Union>(type).members;
}

// What a compiler must agree with.
std::string Assertions(const Btf& types) {
  std::string text;
  for (const auto& [name, id] : DistinctTypes(types)) {
    text += "_Static_assert(sizeof(" + name + ") == " + std::to_string(types.SizeOf(id).value()) + ", \"\");\n";
    for (const Member member : MembersOf(types, id)) {
      if (member.name.empty() || member.bitfield_bits != 0) continue;
      text += "_Static_assert(__builtin_offsetof(" + name + ", " + std::string(member.name) +
              ") == " + std::to_string(member.bit_offset / 8) + ", \"\");\n";
    }
  }
  return text;
}

// Names, offsets and widths; a dump may add members for large gaps.
std::vector<std::string> Places(const Btf& types, TypeId id) {
  std::vector<std::string> places;
  for (const Member member : MembersOf(types, id)) {
    if (member.name.starts_with("__padding")) continue;
    places.push_back(std::string(member.name) + "@" + std::to_string(member.bit_offset) + ":" +
                     std::to_string(member.bitfield_bits));
  }
  return places;
}

// Compiled by both compilers, and read again from what clang makes of it for BPF.
void ExpectSameLayoutInC(const Btf& types, std::size_t step) {
  Workshop workshop;
  workshop.Write("types.h", DumpC(types).value());
  const std::string checks = workshop.Write("checks.c", "#include \"types.h\"\n" + Assertions(types));
  ASSERT_TRUE(Runs(std::string(STRATA_C_COMPILER) + " -std=gnu11 -fsyntax-only " + checks));
  const std::string object = workshop.File("types.o");
  ASSERT_TRUE(Runs(std::string(STRATA_BPF_CLANG) + " -target bpf -g -O2 -c " + checks + " -o " + object));

  const auto distinct = DistinctTypes(types);
  std::string uses = "#include \"types.h\"\n";
  std::map<std::string, TypeId> sample;
  std::size_t i = 0;
  for (const auto& [name, id] : distinct) {
    if (i++ % step != 0 || types.SizeOf(id).value() == 0) continue;
    sample.emplace(name, id);
    uses += name + " use_" + std::to_string(i) + ";\n";
  }
  const std::string used = workshop.Write("uses.c", uses);
  ASSERT_TRUE(Runs(std::string(STRATA_BPF_CLANG) + " -target bpf -g -O2 -c " + used + " -o " + object));
  const auto again = Btf::Parse(test::ElfSection(object, ".BTF"), "again").value();
  for (const auto& [name, id] : sample) {
    const auto found = again->FindUnique(types.NameOf(id), types.KindOf(id));
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(again->SizeOf(*found).value(), types.SizeOf(id).value()) << name;
    EXPECT_EQ(Places(*again, *found), Places(types, id)) << name;
  }
}

TEST(BtfDump, GivesSampleTypesTheirLayoutInC) {
  Workshop workshop;
  workshop.Write("types.h", DumpC(*Sample()).value());
  const std::string file = workshop.Write("checks.c",
                                          "#include \"types.h\"\n"
                                          "_Static_assert(sizeof(struct packed) == 5, \"\");\n"
                                          "_Static_assert(sizeof(struct page) == 8192, \"\");\n"
                                          "_Static_assert(sizeof(struct mixed) == 64, \"\");\n"
                                          "_Static_assert(sizeof(union aligned) == 16, \"\");\n");
  EXPECT_TRUE(Runs(std::string(STRATA_C_COMPILER) + " -std=gnu11 -fsyntax-only " + file));
}

TEST(BtfDump, GivesEveryShapeItsLayoutInC) {
  const auto types = Btf::Parse(test::ElfSection(STRATA_BPF_SHAPES, ".BTF"), "shapes").value();
  ExpectSameLayoutInC(*types, 1);
}

TEST(BtfDump, GivesTheKernelsTypesTheirLayoutInC) {
  STRATA_NEEDS_VMLINUX();
  ExpectSameLayoutInC(*Btf::Open(test::kVmlinux).value(), 20);
}

}  // namespace
}  // namespace strata::btf
