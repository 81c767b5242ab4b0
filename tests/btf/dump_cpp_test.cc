#include "strata/btf/dump_cpp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "strata/btf/builder.h"
#include "support/elf_section.h"
#include "support/vmlinux.h"

namespace strata::btf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TypeId Add(Builder& builder, const Type& type) { return builder.Add(type).value(); }

TypeId AddInt(Builder& builder) {
  return Add(builder, Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true});
}

std::shared_ptr<const Btf> Finish(Builder& builder) { return builder.BuildTypes().value(); }

// Both compilers agree with the sizes and offsets that stand in the text, and with `checks`.
void ExpectCompiles(const std::string& definitions, const std::string& checks = "") {
  std::string path = "/tmp/strata-dump-cpp-XXXXXX.cc";
  const int fd = ::mkstemps(path.data(), 3);
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << "#include <array>\n#include <cstddef>\n#include <cstdint>\n#include <type_traits>\n"
                      << "#pragma GCC diagnostic ignored \"-Wpedantic\"\nnamespace t {\n"
                      << definitions << "}\nusing namespace t;\n"
                      << checks;
  for (const std::string compiler : {STRATA_CXX_COMPILER, STRATA_CLANGXX}) {
    const std::string command =
        compiler + " -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Werror " + path + " >&2";
    EXPECT_EQ(std::system(command.c_str()), 0) << compiler;
  }
  ::unlink(path.c_str());
}

// Every struct and union that has a name.
std::vector<CppRequest> AllComposites(const Btf& types) {
  std::vector<CppRequest> requests;
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const Kind kind = types.KindOf(id);
    if ((kind == Kind::kStruct || kind == Kind::kUnion) && !types.NameOf(id).empty()) requests.push_back({id, ""});
  }
  return requests;
}

TEST(BtfDumpCpp, GivesEveryShapeItsLayout) {
  const auto types = Btf::Parse(test::ElfSection(STRATA_BPF_SHAPES, ".BTF"), "shapes").value();
  const auto requests = AllComposites(*types);
  ASSERT_GT(requests.size(), 5U);
  ExpectCompiles(DumpCpp(*types, requests, "t").value().definitions);
}

TEST(BtfDumpCpp, GivesTheKernelsTypesTheirLayout) {
  STRATA_NEEDS_VMLINUX();
  const auto types = Btf::Open(test::kVmlinux).value();
  const auto requests = AllComposites(*types);
  ASSERT_GT(requests.size(), 1000U);
  ExpectCompiles(DumpCpp(*types, requests, "t").value().definitions);
}

TEST(BtfDumpCpp, AssertsSizeAndOffsets) {
  Builder builder;
  const TypeId number = AddInt(builder);
  const Member members[] = {{.name = "a", .type = number}, {.name = "b", .type = number, .bit_offset = 64}};
  const TypeId pair = Add(builder, Struct{"pair", 16, RecordList<Member>(members)});
  const auto types = DumpCpp(*Finish(builder), std::vector<CppRequest>{{pair, ""}}, "scope").value();
  EXPECT_THAT(types.definitions, HasSubstr("static_assert(sizeof(pair) == 16);\n"));
  EXPECT_THAT(types.definitions, HasSubstr("static_assert(offsetof(pair, b) == 8);\n"));
  EXPECT_THAT(types.spellings, ElementsAre("scope::pair"));
  ExpectCompiles(types.definitions, "static_assert(std::has_unique_object_representations_v<pair>);\n");
}

TEST(BtfDumpCpp, MakesGapsBetweenBitfieldsMembers) {
  Builder builder;
  const TypeId number = AddInt(builder);
  const Member members[] = {{.name = "low", .type = number, .bitfield_bits = 3},
                            {.name = "high", .type = number, .bit_offset = 17, .bitfield_bits = 4}};
  const TypeId bits = Add(builder, Struct{"bits", 8, RecordList<Member>(members)});
  const auto types = DumpCpp(*Finish(builder), std::vector<CppRequest>{{bits, ""}}, "t").value();
  ExpectCompiles(types.definitions,
                 "static_assert(std::has_unique_object_representations_v<bits>);\n"
                 "bits all_that_is_not_padding{.low = 1, .high = 5};\n");
}

TEST(BtfDumpCpp, KeepsUnionsOfPaddedStructsConstructible) {
  Builder builder;
  const TypeId letter = Add(builder, Int{.name = "char", .size_bytes = 1, .bits = 8, .is_signed = true});
  const Member members[] = {{.name = "a", .type = letter}};
  const TypeId padded = Add(builder, Struct{"padded", 4, RecordList<Member>(members)});
  const Member alternatives[] = {{.name = "list", .type = Add(builder, Array{padded, letter, 2})}};
  const TypeId either = Add(builder, Union{"either", 8, RecordList<Member>(alternatives)});
  const TypeId alone = Add(builder, Struct{"alone", 4, RecordList<Member>(members)});
  const std::vector<CppRequest> requests = {{either, ""}, {alone, ""}};
  ExpectCompiles(DumpCpp(*Finish(builder), requests, "t").value().definitions,
                 "either x;\nalone y;\nstatic_assert(std::is_trivially_copyable_v<alone>);\n"
                 "static_assert([] { alone z; z.a = 1; return z.padding_1_[2]; }() == 0);\n");
}

TEST(BtfDumpCpp, EscapesWhatIsAWordOfCppOnly) {
  Builder builder;
  const TypeId number = AddInt(builder);
  const Member members[] = {{.name = "class", .type = number},
                            {.name = "class_", .type = number, .bit_offset = 32},
                            {.name = "errno", .type = number, .bit_offset = 64}};
  const TypeId type = Add(builder, Struct{"template", 12, RecordList<Member>(members)});
  const auto types = DumpCpp(*Finish(builder), std::vector<CppRequest>{{type, ""}}, "t").value();
  EXPECT_THAT(types.spellings, ElementsAre("t::template_"));
  ExpectCompiles(types.definitions, "#include <cerrno>\ntemplate_ x{.class_ = 1, .class__ = 2, .errno_ = 3};\n");
}

TEST(BtfDumpCpp, KeepsTypesAndTypedefsOfOneNameApart) {
  Builder builder;
  const TypeId number = AddInt(builder);
  const TypeId alias = Add(builder, Typedef{"both", number});
  const Member members[] = {{.name = "both", .type = alias}, {.name = "other", .type = alias, .bit_offset = 32}};
  const TypeId type = Add(builder, Struct{"both", 8, RecordList<Member>(members)});
  const auto types = DumpCpp(*Finish(builder), std::vector<CppRequest>{{type, ""}}, "t").value();
  EXPECT_THAT(types.definitions, HasSubstr("typedef int both___2;\n"));
  ExpectCompiles(types.definitions, "both x{.both = 1, .other = 2};\n");
}

TEST(BtfDumpCpp, RenamesAMemberThatIsCalledAsItsTypedef) {
  Builder builder;
  const TypeId alias = Add(builder, Typedef{"pid", AddInt(builder)});
  const Member members[] = {{.name = "first", .type = alias}, {.name = "pid", .type = alias, .bit_offset = 32}};
  const TypeId type = Add(builder, Struct{"s", 8, RecordList<Member>(members)});
  ExpectCompiles(DumpCpp(*Finish(builder), std::vector<CppRequest>{{type, ""}}, "t").value().definitions,
                 "s x{.first = 1, .pid_ = 2};\n");
}

TEST(BtfDumpCpp, NamesWhatHasNoName) {
  Builder builder;
  const TypeId number = AddInt(builder);
  const Member members[] = {{.name = "a", .type = number}};
  const TypeId asked = Add(builder, Struct{{}, 4, RecordList<Member>(members)});
  const TypeId by_typedef = Add(builder, Typedef{"alias", Add(builder, Struct{{}, 4, RecordList<Member>(members)})});
  const TypeId pointee = Add(builder, Pointer{Add(builder, Union{{}, 4, RecordList<Member>(members)})});
  const std::vector<CppRequest> requests = {{asked, "sizes_value"}, {by_typedef, "unused"}, {pointee, "unused"}};
  const auto types = DumpCpp(*Finish(builder), requests, "t").value();
  EXPECT_THAT(types.spellings, ElementsAre("t::sizes_value", "t::alias", "t::unnamed*"));
  EXPECT_THAT(types.definitions, Not(HasSubstr("unused")));
  ExpectCompiles(types.definitions, "t::unnamed* p = nullptr; alias x{.a = 1}; sizes_value y{.a = 2};\n");
}

TEST(BtfDumpCpp, SpellsNumbersAndArraysAsTheStandardLibrary) {
  Builder builder;
  const TypeId number = AddInt(builder);
  const TypeId letter = Add(builder, Int{.name = "char", .size_bytes = 1, .bits = 8, .is_signed = true});
  const TypeId wide = Add(builder, Int{.name = "unsigned long long", .size_bytes = 8, .bits = 64});
  const TypeId truth = Add(builder, Int{.name = "_Bool", .size_bytes = 1, .bits = 8, .is_bool = true});
  const TypeId text = Add(builder, Array{letter, number, 16});
  const TypeId matrix = Add(builder, Array{Add(builder, Array{wide, number, 3}), number, 2});
  const TypeId open_end = Add(builder, Array{letter, number, 0});
  const TypeId hidden = Add(builder, Volatile{Add(builder, Typedef{"__u64", wide})});
  const TypeId anything = Add(builder, Pointer{kVoid});
  const TypeId constant = Add(builder, Pointer{Add(builder, Const{letter})});
  std::vector<CppRequest> requests;
  for (const TypeId id : {number, letter, truth, text, matrix, open_end, hidden, anything, constant}) {
    requests.push_back({id, ""});
  }
  EXPECT_THAT(DumpCpp(*Finish(builder), requests, "t").value().spellings,
              ElementsAre("std::int32_t", "char", "bool", "std::array<char, 16>",
                          "std::array<std::array<std::uint64_t, 3>, 2>", "", "std::uint64_t", "void*", "const char*"));
}

TEST(BtfDumpCpp, GivesEnumsTheirUnderlyingType) {
  Builder builder;
  const EnumValue values[] = {{"MINUS", -1}};
  const TypeId small = Add(builder, Enum{"small", 1, true, RecordList<EnumValue>(values)});
  const EnumValue huge_values[] = {{"HUGEST", -1}};
  const TypeId huge = Add(builder, Enum64{"huge", 8, false, RecordList<EnumValue>(huge_values)});
  const auto types = DumpCpp(*Finish(builder), std::vector<CppRequest>{{small, ""}, {huge, ""}}, "t").value();
  ExpectCompiles(types.definitions, "static_assert(sizeof(small) == 1 && MINUS == -1 && HUGEST == ~0ULL);\n");
}

TEST(BtfDumpCpp, KeepsAStructWithoutMembersWithoutSize) {
  Builder builder;
  const TypeId number = AddInt(builder);
  const TypeId empty = Add(builder, Struct{"empty", 0, {}});
  const Member members[] = {{.name = "nothing", .type = empty}, {.name = "a", .type = number}};
  const TypeId type = Add(builder, Struct{"holder", 4, RecordList<Member>(members)});
  ExpectCompiles(DumpCpp(*Finish(builder), std::vector<CppRequest>{{type, ""}}, "t").value().definitions);
}

TEST(BtfDumpCpp, RefusesTypesThatDoNotExist) {
  Builder builder;
  AddInt(builder);
  const auto types = DumpCpp(*Finish(builder), std::vector<CppRequest>{{TypeId{77}, ""}}, "t");
  ASSERT_FALSE(types);
  EXPECT_EQ(types.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace strata::btf
