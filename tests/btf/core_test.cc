// Answers of CO-RE relocations: fields, enumerators, types, and who may answer.
#include "strata/btf/core.h"

#include "core_case.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

TEST(CoreKind, HasTheNamesOfTheHeader) {
  EXPECT_EQ(CoreKindName(CoreKind::kFieldByteOffset), "field_byte_offset");
  EXPECT_EQ(CoreKindName(CoreKind::kEnumValueExists), "enumval_exists");
  EXPECT_EQ(CoreKindName(CoreKind::kTypeMatches), "type_matches");
  EXPECT_EQ(CoreKindName(static_cast<CoreKind>(13)), "unknown");
}

// struct sample { int first; struct { int inner; union { int left; long right; }; }; int list[4]; struct pair nested;
//                 struct pair *link; int tail[]; }
struct Sample {
  TypesOf types;
  TypeId sample;
  explicit Sample(std::uint32_t padding_bytes = 0) {
    const TypeId number = types.Signed();
    const TypeId wide = types.Number("long", 8, true);
    const TypeId pair = types.Record("pair", 8, {{"a", number, 0}, {"b", number, 32}});
    const TypeId choice = types.Either("", 8, {{"left", number, 0}, {"right", wide, 0}});
    const TypeId anonymous = types.Record("", 16, {{"inner", number, 0}, {"", choice, 64}});
    const TypeId list = types.List(number, 4);
    const TypeId tail = types.List(number, 0);
    const TypeId link = types.To(pair);
    const std::uint32_t at = padding_bytes * 8;
    sample = types.Record("sample", 56 + padding_bytes,
                          {{"first", number, at},
                           {"", anonymous, at + 64},
                           {"list", list, at + 192},
                           {"nested", pair, at + 320},
                           {"link", link, at + 384},
                           {"tail", tail, at + 448}});
  }
};

struct FieldCase {
  std::string access;
  std::string local_offset;
  std::string path;
};
const FieldCase kFields[] = {
    {"0", "0", ""},
    {"2", "112", "[2]"},
    {"0:0", "0", ".first"},
    {"1:0", "56", "[1].first"},
    {"0:1:0", "8", ".inner"},
    {"0:1:1:0", "16", ".left"},
    {"0:1:1:1", "16", ".right"},
    {"0:2", "24", ".list"},
    {"0:2:3", "36", ".list[3]"},
    {"0:3:1", "44", ".nested.b"},
    {"0:4", "48", ".link"},
    {"0:5:7", "84", ".tail[7]"},
};

TEST(CoreField, OffsetsAreThoseOfThePath) {
  Sample sample;
  const auto types = sample.types.Done();
  for (const FieldCase& row : kFields) {
    const auto answer = Ask(types, types, CoreKind::kFieldByteOffset, sample.sample, row.access);
    EXPECT_EQ(AnswerOf(answer), row.local_offset) << row.access;
    EXPECT_EQ(answer->local, answer->target) << row.access;
    const CoreRelocation relocation{{}, sample.sample, row.access, 0};
    EXPECT_EQ(CoreRelocator(types, {types}).Describe(relocation),
              "field_byte_offset of struct sample" + row.path + " (" + row.access + ")");
  }
}

TEST(CoreField, MovesWithTheTarget) {
  Sample local;
  Sample target(16);
  const auto from = local.types.Done();
  const auto to = target.types.Done();
  EXPECT_EQ(AnswerOf(Ask(from, to, CoreKind::kFieldByteOffset, local.sample, "0:1:1:1")), "32");
  EXPECT_EQ(AnswerOf(Ask(from, to, CoreKind::kFieldByteOffset, local.sample, "0:2:3")), "52");
  // A pointer used as an array steps over the target's size.
  EXPECT_EQ(AnswerOf(Ask(from, to, CoreKind::kFieldByteOffset, local.sample, "2:0")), std::to_string(2 * 72 + 16));
  EXPECT_EQ(AnswerOf(Ask(from, to, CoreKind::kFieldByteSize, local.sample, "0:2")), "16");
  EXPECT_EQ(AnswerOf(Ask(from, to, CoreKind::kFieldByteSize, local.sample, "0:2:1")), "4");
}

const std::string kInvalidAccesses[] = {"",    ":",     "0:",    ":0",     "0::1",  "a",       "0:x",       "-1",
                                        "0:6", "0:0:0", "0:2:4", "0:3:2",  "0:4:0", "0:1:1:2", "0 :1",      "+1",
                                        "0:5", "0:-1",  "0:1;1", "0:2:-1", "0x1",   "1e1",     "4294967296"};

TEST(CoreField, RefusesAccessStringsThatDoNotFit) {
  Sample sample;
  const auto types = sample.types.Done();
  for (const std::string& access : kInvalidAccesses) {
    const CoreKind kind = access == "0:5" ? CoreKind::kEnumValue : CoreKind::kFieldByteOffset;
    const auto answer = Ask(types, types, kind, sample.sample, access);
    ASSERT_FALSE(answer) << access;
    EXPECT_EQ(answer.error().code(), ErrorCode::kMalformed) << access;
    EXPECT_THAT(answer.error().message(), HasSubstr("of struct sample")) << access;
  }
}

TEST(CoreField, RefusesPathsThatAreTooLongOrTooFar) {
  TypesOf types;
  const TypeId byte = types.Number("char", 1);
  TypeId nested = byte;
  for (int i = 0; i < 70; ++i) nested = types.Record("level", 1, {{"inner", nested, 0}});
  const TypeId huge = types.Record("huge", 0x80000000, {{"a", byte, 0}});
  const auto done = types.Done();
  std::string access = "0";
  for (int i = 0; i < 64; ++i) access += ":0";
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldExists, nested, access)), HasSubstr("more than 64 steps"));
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldByteOffset, huge, "2:0")), HasSubstr("past 4 GiB"));
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldExists, kVoid, "0")), HasSubstr("error: "));
  EXPECT_THAT(AnswerOf(Ask(done, done, static_cast<CoreKind>(13), huge, "0")), HasSubstr("its kind 13 is not known"));
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kTypeExists, huge, "0:0")), HasSubstr("is not \"0\""));
}

TEST(CoreField, SaysWhyThereIsNone) {
  TypesOf local;
  TypesOf target;
  const TypeId number = local.Signed();
  const TypeId wanted = local.Record(
      "thing", 32,
      {{"gone", number, 0}, {"other", number, 32}, {"list", local.List(number, 4), 64}, {"text", number, 0}});
  const TypeId absent = local.Record("absent", 4, {{"a", number, 0}});
  const TypeId target_number = target.Signed();
  target.Record("thing", 32,
                {{"other", target.To(target_number), 0},
                 {"list", target.List(target_number, 2), 64},
                 {"text", target_number, 0}});
  const auto from = local.Done();
  const auto to = target.Done();
  const auto ask = [&](TypeId type, const std::string& access, CoreKind kind = CoreKind::kFieldByteOffset) {
    return AnswerOf(Ask(from, to, kind, type, access));
  };
  EXPECT_EQ(ask(wanted, "0:0"), "poison: no such field in the target");
  EXPECT_EQ(ask(wanted, "0:1"), "poison: the field has an incompatible type in the target");
  EXPECT_EQ(ask(wanted, "0:2:3"), "poison: the array has 2 elements in the target");
  EXPECT_EQ(ask(absent, "0:0"), "poison: the target has no such type");
  EXPECT_EQ(ask(wanted, "0:2:1"), "12");
  EXPECT_EQ(ask(wanted, "0:0", CoreKind::kFieldExists), "0");
  EXPECT_EQ(ask(wanted, "0:3", CoreKind::kFieldExists), "1");
  EXPECT_EQ(ask(absent, "0", CoreKind::kTypeSize), "0");
  EXPECT_EQ(ask(absent, "0", CoreKind::kTypeIdTarget), "0");
  EXPECT_EQ(ask(absent, "0", CoreKind::kTypeExists), "0");
  EXPECT_EQ(ask(absent, "0", CoreKind::kTypeMatches), "0");
  EXPECT_EQ(ask(absent, "0", CoreKind::kTypeIdLocal), std::to_string(absent.value));
}

// Of every pair of kinds, whether a field of one may be read as a field of the other.
TEST(CoreField, CompatibilityGoesByKind) {
  struct Row {
    std::string name;
    TypeId (*make)(TypesOf&);
    std::string group;  // those of one group are compatible
  };
  const Row rows[] = {
      {"int", [](TypesOf& t) { return t.Signed(); }, "integer"},
      {"unsigned char", [](TypesOf& t) { return t.Number("unsigned char", 1); }, "integer"},
      {"typedef",
       [](TypesOf& t) {
         return t.Add(Typedef{"number", t.Signed()});
       },
       "integer"},
      {"const volatile", [](TypesOf& t) { return t.Add(Const{t.Add(Volatile{t.Signed()})}); }, "integer"},
      {"type tag",
       [](TypesOf& t) {
         return t.Add(TypeTag{"user", t.Signed()});
       },
       "integer"},
      {"pointer", [](TypesOf& t) { return t.To(t.Signed()); }, "pointer"},
      {"pointer to void", [](TypesOf& t) { return t.Add(Restrict{t.To(kVoid)}); }, "pointer"},
      {"struct", [](TypesOf& t) { return t.Record("one", 4, {}); }, "composite"},
      {"union", [](TypesOf& t) { return t.Either("two", 4, {}); }, "composite"},
      {"anonymous struct", [](TypesOf& t) { return t.Record("", 4, {}); }, "composite"},
      {"enum", [](TypesOf& t) { return t.Names("color", {}); }, "enum color"},
      {"enum of a flavour", [](TypesOf& t) { return t.Names("color___old", {}); }, "enum color"},
      {"enum64", [](TypesOf& t) { return t.WideNames("color", {}); }, "enum color"},
      {"another enum", [](TypesOf& t) { return t.Names("shape", {}); }, "enum shape"},
      {"array", [](TypesOf& t) { return t.List(t.Signed(), 3); }, "array of integers"},
      {"longer array", [](TypesOf& t) { return t.List(t.Number("long", 8), 9); }, "array of integers"},
      {"array of pointers", [](TypesOf& t) { return t.List(t.To(kVoid), 3); }, "array of pointers"},
      {"double",
       [](TypesOf& t) {
         return t.Add(Float{"double", 8});
       },
       "float"},
      {"float",
       [](TypesOf& t) {
         return t.Add(Float{"float", 4});
       },
       "float"},
  };
  for (const Row& local : rows) {
    for (const Row& target : rows) {
      TypesOf from;
      TypesOf to;
      const TypeId type = from.Record("holder", 64, {{"field", local.make(from), 0}});
      to.Record("holder", 64, {{"field", target.make(to), 0}});
      EXPECT_EQ(AnswerOf(Ask(from.Done(), to.Done(), CoreKind::kFieldExists, type, "0:0")),
                local.group == target.group ? "1" : "0")
          << local.name << " and " << target.name;
    }
  }
}

TEST(CoreField, AnonymousEnumsFitAnyAndOldBitfieldIntsNone) {
  TypesOf from;
  TypesOf to;
  const TypeId shifted = from.Add(Int{.name = "int", .size_bytes = 4, .bits = 3, .bit_offset = 2});
  const TypeId type = from.Record("holder", 8, {{"color", from.Names("", {}), 0}, {"bits", shifted, 32}});
  to.Record("holder", 8, {{"color", to.Names("color", {}), 0}, {"bits", to.Signed(), 32}});
  EXPECT_EQ(AnswerOf(Ask(from.Done(), to.Done(), CoreKind::kFieldExists, type, "0:0")), "1");
  EXPECT_EQ(AnswerOf(Ask(from.Done(), to.Done(), CoreKind::kFieldExists, type, "0:1")), "0");
}

TEST(CoreField, SignComesFromTheType) {
  TypesOf types;
  const TypeId holder = types.Record("holder", 64,
                                     {{"int", types.Signed(), 0},
                                      {"unsigned", types.Number("unsigned int", 4), 32},
                                      {"typedef", types.Add(Typedef{"s32", types.Signed()}), 64},
                                      {"signed enum", types.Names("a", {}, true), 96},
                                      {"enum", types.Names("b", {}), 128},
                                      {"pointer", types.To(kVoid), 192}});
  const auto done = types.Done();
  const char* const expected[] = {"1", "0", "1", "1", "0", "0"};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(AnswerOf(Ask(done, done, CoreKind::kFieldSigned, holder, "0:" + std::to_string(i))), expected[i]) << i;
  }
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldSigned, holder, "0")), HasSubstr("element of an array"));
}

// How a bitfield is loaded and shifted into place.
struct BitCase {
  std::uint32_t type_bytes;
  std::uint32_t bit_offset;
  std::uint32_t bits;
  const char* offset;
  const char* size;
  const char* left;  // little-endian
  const char* right;
};
const BitCase kBits[] = {
    {4, 0, 1, "0", "4", "63", "63"},  {4, 31, 1, "0", "4", "32", "63"},  {4, 32, 7, "4", "4", "57", "57"},
    {4, 30, 4, "0", "8", "30", "60"}, {1, 6, 4, "0", "2", "54", "60"},   {1, 14, 3, "0", "4", "47", "61"},
    {8, 3, 60, "0", "8", "1", "4"},   {2, 20, 12, "2", "2", "48", "52"}, {4, 64, 32, "8", "4", "32", "32"},
};

TEST(CoreBitfield, WidensUntilItFitsOneLoad) {
  for (const BitCase& row : kBits) {
    TypesOf types;
    const TypeId holder =
        types.Record("holder", 64, {{"bits", types.Number("u", row.type_bytes), row.bit_offset, row.bits}});
    const auto done = types.Done();
    const auto ask = [&](CoreKind kind) { return AnswerOf(Ask(done, done, kind, holder, "0:0")); };
    const std::string name = std::to_string(row.bits) + " bits at " + std::to_string(row.bit_offset);
    EXPECT_EQ(ask(CoreKind::kFieldByteOffset), row.offset) << name;
    EXPECT_EQ(ask(CoreKind::kFieldByteSize), row.size) << name;
    EXPECT_EQ(ask(CoreKind::kFieldLeftShift), row.left) << name;
    EXPECT_EQ(ask(CoreKind::kFieldRightShift), row.right) << name;
  }
}

TEST(CoreBitfield, IsCheckedOnlyWhereTheCompilerHasNoChoice) {
  TypesOf types;
  const TypeId number = types.Number("u", 4);
  const TypeId holder = types.Record("holder", 8, {{"bits", number, 3, 5}, {"plain", number, 32}});
  const auto done = types.Done();
  const auto is_checked = [&](CoreKind kind, const char* access) {
    return Ask(done, done, kind, holder, access)->must_match;
  };
  EXPECT_FALSE(is_checked(CoreKind::kFieldByteOffset, "0:0"));
  EXPECT_FALSE(is_checked(CoreKind::kFieldByteSize, "0:0"));
  EXPECT_FALSE(is_checked(CoreKind::kFieldLeftShift, "0:0"));
  EXPECT_TRUE(is_checked(CoreKind::kFieldRightShift, "0:0"));
  EXPECT_TRUE(is_checked(CoreKind::kFieldSigned, "0:0"));
  EXPECT_TRUE(is_checked(CoreKind::kFieldByteOffset, "0:1"));
  EXPECT_FALSE(is_checked(CoreKind::kTypeIdLocal, "0"));
  EXPECT_FALSE(is_checked(CoreKind::kTypeIdTarget, "0"));
}

TEST(CoreBitfield, ThatNoLoadReadsIsAnError) {
  TypesOf types;
  const TypeId wide = types.Number("u64", 8);
  const TypeId holder =
      types.Record("holder", 32, {{"across", wide, 60, 8}, {"in struct", types.Record("s", 3, {}), 0, 3}});
  const auto done = types.Done();
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldByteOffset, holder, "0:0")), HasSubstr("does not fit a load"));
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldByteOffset, holder, "0:1")), HasSubstr("type of 3 bytes"));
}

TEST(CoreBitfield, ShiftsFollowTheByteOrderOfTheCode) {
  Builder builder;
  const TypeId number = *builder.Add(Int{.name = "u", .size_bytes = 4, .bits = 32});
  const Member members[] = {{"bits", number, 3, 5}};
  const TypeId holder = *builder.Add(Struct{"holder", 8, RecordList<Member>(members)});
  const auto big = Btf::Parse(builder.Build(std::endian::big).value()).value();
  EXPECT_EQ(AnswerOf(Ask(big, big, CoreKind::kFieldLeftShift, holder, "0:0")), "35");
}

TEST(CoreEnum, FindsValuesByName) {
  TypesOf from;
  TypesOf to;
  const TypeId color = from.Names("color", {{"RED", 0}, {"BLUE___new", 1}, {"GONE", 2}, {"LOW", -5}}, true);
  const TypeId alias = from.Add(Typedef{"color_t", color});
  const TypeId wide = from.WideNames("size", {{"HUGE", 1}});
  const TypeId narrow = from.Names("count", {{"MANY", 1}});
  to.Names("color___v2", {{"OTHER", 7}, {"BLUE", 70}, {"RED", 71}, {"LOW", -50}}, true);
  to.Add(Typedef{"color_t", to.Names("color___v3", {{"RED", 71}})});
  to.WideNames("size", {{"HUGE", 0x123456789a}});
  to.WideNames("count", {{"MANY", -1}});
  const auto local = from.Done();
  const auto target = to.Done();
  const auto ask = [&](CoreKind kind, TypeId type, const char* access) {
    return AnswerOf(Ask(local, target, kind, type, access));
  };
  EXPECT_EQ(ask(CoreKind::kEnumValue, color, "0"), "71");
  EXPECT_EQ(ask(CoreKind::kEnumValue, color, "1"), "70");
  EXPECT_EQ(ask(CoreKind::kEnumValue, color, "2"), "poison: no such enumerator in the target");
  EXPECT_EQ(ask(CoreKind::kEnumValue, color, "3"), "-50");
  EXPECT_EQ(ask(CoreKind::kEnumValue, alias, "0"), "71");
  EXPECT_EQ(ask(CoreKind::kEnumValue, wide, "0"), std::to_string(0x123456789a));
  EXPECT_EQ(ask(CoreKind::kEnumValue, narrow, "0"), "-1");
  EXPECT_EQ(ask(CoreKind::kEnumValueExists, color, "1"), "1");
  EXPECT_EQ(ask(CoreKind::kEnumValueExists, color, "2"), "0");
  EXPECT_THAT(ask(CoreKind::kEnumValue, color, "4"), HasSubstr("no such enumerator"));
  EXPECT_THAT(ask(CoreKind::kEnumValue, color, "0:0"), HasSubstr("error: "));
  const CoreRelocation relocation{{}, color, "1", static_cast<std::uint32_t>(CoreKind::kEnumValue)};
  EXPECT_EQ(CoreRelocator(local, {target}).Describe(relocation), "enumval_value of enum color::BLUE___new (1)");
}

TEST(CoreCandidate, AreTypesOfTheSameKindAndEssentialName) {
  TypesOf from;
  const TypeId thing = from.Record("thing___mine", 4, {});
  const auto local = from.Done();
  const auto size_with = [&](const char* name) {
    TypesOf to;
    to.Record(name, 24, {});
    return AnswerOf(Ask(local, to.Done(), CoreKind::kTypeSize, thing));
  };
  EXPECT_EQ(size_with("thing"), "24");
  EXPECT_EQ(size_with("thing___theirs"), "24");
  EXPECT_EQ(size_with("thing__x"), "0");
  EXPECT_EQ(size_with("thing___"), "0");
  EXPECT_EQ(size_with("thing____x"), "0");
  EXPECT_EQ(size_with("things"), "0");
  EXPECT_EQ(size_with("thin"), "0");
  TypesOf to;
  to.Either("thing", 24, {});
  to.Add(Typedef{"thing", to.Record("", 24, {})});
  to.Add(Forward{"thing", false});
  EXPECT_EQ(AnswerOf(Ask(local, to.Done(), CoreKind::kTypeSize, thing)), "0");
}

TEST(CoreCandidate, NeedAName) {
  TypesOf types;
  const TypeId anonymous = types.Record("", 4, {});
  const auto done = types.Done();
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kTypeExists, anonymous)), HasSubstr("has no name to look for"));
  EXPECT_EQ(AnswerOf(Ask(done, done, CoreKind::kTypeIdLocal, anonymous)), std::to_string(anonymous.value));
}

TEST(CoreCandidate, ThatDisagreeAreAmbiguous) {
  TypesOf from;
  TypesOf to;
  const TypeId thing = from.Record("thing", 8, {{"same", from.Signed(), 0}, {"moved", from.Signed(), 32}});
  const TypeId number = to.Signed();
  to.Record("thing", 16, {{"same", number, 0}, {"moved", number, 32}});
  to.Record("thing___2", 24, {{"same", number, 0}, {"moved", number, 64}});
  const auto local = from.Done();
  const auto target = to.Done();
  EXPECT_EQ(AnswerOf(Ask(local, target, CoreKind::kFieldByteOffset, thing, "0:0")), "0");
  EXPECT_EQ(AnswerOf(Ask(local, target, CoreKind::kTypeExists, thing)), "1");
  const auto moved = Ask(local, target, CoreKind::kFieldByteOffset, thing, "0:1");
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(moved.error().message(),
            "field_byte_offset of struct thing.moved (0:1): ambiguous: type 2 (thing) of the target gives 4, type 3 "
            "(thing___2) gives 8");
  EXPECT_THAT(AnswerOf(Ask(local, target, CoreKind::kTypeSize, thing)), HasSubstr("ambiguous"));
  // Where a field is decides, even when the number that was asked for is the same.
  EXPECT_THAT(AnswerOf(Ask(local, target, CoreKind::kFieldByteSize, thing, "0:1")), HasSubstr("ambiguous"));
  EXPECT_EQ(AnswerOf(Ask(local, target, CoreKind::kFieldExists, thing, "0:0")), "1");
}

TEST(CoreCandidate, ThatDoNotMatchAreForgotten) {
  TypesOf from;
  TypesOf to;
  const TypeId number = from.Signed();
  const TypeId thing = from.Record("thing", 12, {{"shared", number, 0}, {"mark", number, 32}, {"other", number, 64}});
  const TypeId there = to.Signed();
  to.Record("thing", 16, {{"shared", there, 32}, {"mark", there, 0}});
  to.Record("thing___2", 24, {{"shared", there, 0}, {"other", there, 32}});
  CoreRelocator relocator(from.Done(), {to.Done()});
  const auto ask = [&](const char* access) { return AnswerOf(relocator.Resolve({{}, thing, access, 0})); };
  EXPECT_EQ(ask("0:1"), "0");  // only the first has it, so it is the one
  EXPECT_EQ(ask("0:0"), "4");
  EXPECT_EQ(ask("0:2"), "poison: no such field in the target");
}

TEST(CoreCandidate, OfOtherTargetsCountOnlyWhereTheFirstHasNone) {
  TypesOf from;
  TypesOf kernel;
  TypesOf module;
  TypesOf second;
  const TypeId both = from.Record("both", 4, {});
  const TypeId extra = from.Record("extra", 4, {});
  const TypeId twice = from.Record("twice", 4, {});
  kernel.Record("both", 10, {});
  module.Record("both", 20, {});
  module.Record("extra", 30, {});
  module.Record("twice", 1, {});
  second.Record("twice", 2, {});
  CoreRelocator relocator(from.Done(), {kernel.Done(), module.Done(), second.Done()});
  const auto size_of = [&](TypeId type) {
    return AnswerOf(relocator.Resolve({{}, type, "0", static_cast<std::uint32_t>(CoreKind::kTypeSize)}));
  };
  EXPECT_EQ(size_of(both), "10");
  EXPECT_EQ(size_of(extra), "30");
  EXPECT_THAT(size_of(twice), HasSubstr("ambiguous"));
}

TEST(CoreCandidate, SourcesAreAskedOnceAndNotBeforeTheyAreNeeded) {
  TypesOf from;
  TypesOf to;
  const TypeId thing = from.Record("thing", 4, {});
  const TypeId absent = from.Record("absent", 4, {});
  to.Record("thing", 8, {});
  int first = 0;
  int others = 0;
  const auto counted = [](int& count, std::shared_ptr<const Btf> types) -> CoreTargets::Source {
    return [&count, types]() -> Result<std::vector<std::shared_ptr<const Btf>>> {
      ++count;
      return std::vector{types};
    };
  };
  CoreRelocator relocator(from.Done(), {counted(first, to.Done()), counted(others, TypesOf().Done())});
  const auto ask = [&](TypeId type, CoreKind kind) {
    return AnswerOf(relocator.Resolve({{}, type, "0", static_cast<std::uint32_t>(kind)}));
  };
  ask(thing, CoreKind::kTypeIdLocal);
  EXPECT_EQ(first, 0);
  EXPECT_EQ(ask(thing, CoreKind::kTypeSize), "8");
  EXPECT_EQ(first, 1);
  EXPECT_EQ(others, 0);
  EXPECT_EQ(ask(absent, CoreKind::kTypeSize), "0");
  EXPECT_EQ(ask(absent, CoreKind::kTypeExists), "0");
  EXPECT_EQ(others, 1);
}

TEST(CoreCandidate, ErrorsOfASourceComeThrough) {
  TypesOf from;
  const TypeId thing = from.Record("thing", 4, {});
  CoreTargets targets;
  targets.first = []() -> Result<std::vector<std::shared_ptr<const Btf>>> {
    return Error(ErrorCode::kNotFound, "no types here");
  };
  CoreRelocator relocator(from.Done(), targets);
  const auto answer = relocator.Resolve({{}, thing, "0", 8});
  EXPECT_EQ(answer.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(answer.error().message(), "type_exists of struct thing: no types here");
}

TEST(CoreTarget, SaysHowWideItsPointersAre) {
  TypesOf from;
  const TypeId holder = from.Record("holder", 8, {{"link", from.To(kVoid), 0}});
  TypesOf small;
  small.Number("long unsigned int", 4);
  small.Record("holder", 4, {{"link", small.To(kVoid), 0}});
  const auto answer = Ask(from.Done(), small.Done(), CoreKind::kFieldByteSize, holder, "0:0");
  EXPECT_EQ(answer->local, 8U);
  EXPECT_EQ(answer->target, 4U);
}

}  // namespace
}  // namespace strata::btf
