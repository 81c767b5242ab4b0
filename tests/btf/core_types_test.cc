// Relocations that compare whole types, and types made to be hard to compare.
#include "core_case.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

using Make = TypeId (*)(TypesOf&);

// Wraps what `make` gives into a type with a name, which is what relocations ask about.
std::string Compare(CoreKind kind, Make local, Make target) {
  TypesOf from;
  TypesOf to;
  const TypeId wanted = from.Add(Typedef{"thing", local(from)});
  to.Add(Typedef{"thing", target(to)});
  return AnswerOf(Ask(from.Done(), to.Done(), kind, wanted));
}

struct Row {
  const char* name;
  Make local;
  Make target;
  const char* exists;
  const char* matches;
};

TypeId Plain(TypesOf& t) { return t.Signed(); }
TypeId Unsigned(TypesOf& t) { return t.Number("int", 4); }
TypeId Wider(TypesOf& t) { return t.Number("int", 8, true); }
TypeId Named(TypesOf& t) { return t.Record("s", 8, {{"a", t.Signed(), 0}, {"b", t.Signed(), 32}}); }
TypeId NamedMore(TypesOf& t) {
  return t.Record("s___v2", 16, {{"b", t.Signed(), 0}, {"c", t.To(kVoid), 64}, {"a", t.Signed(), 32}});
}
TypeId NamedLess(TypesOf& t) { return t.Record("s", 4, {{"a", t.Signed(), 0}}); }
TypeId NamedOther(TypesOf& t) { return t.Record("s", 8, {{"a", t.Signed(), 0}, {"b", t.To(kVoid), 32}}); }
TypeId Choice(TypesOf& t) { return t.Either("s", 8, {{"a", t.Signed(), 0}, {"b", t.Signed(), 0}}); }
TypeId Declared(TypesOf& t) { return t.Add(Forward{"s", false}); }
TypeId DeclaredUnion(TypesOf& t) { return t.Add(Forward{"s", true}); }
TypeId Two(TypesOf& t) { return t.Names("e", {{"A", 0}, {"B", 1}}); }
TypeId TwoMoved(TypesOf& t) { return t.Names("e", {{"B___x", 7}, {"C", 8}, {"A", 9}}); }
TypeId One(TypesOf& t) { return t.Names("e", {{"A", 0}}); }
TypeId TwoWide(TypesOf& t) { return t.WideNames("e", {{"A", 0}, {"B", 1}}, 4); }
TypeId TwoWider(TypesOf& t) { return t.WideNames("e", {{"A", 0}, {"B", 1}}); }
TypeId Call(TypesOf& t) { return t.Function(t.Signed(), {{"x", t.Signed()}, {"y", t.To(Named(t))}}); }
TypeId CallOtherNames(TypesOf& t) { return t.Function(t.Signed(), {{"", t.Signed()}, {"z", t.To(NamedLess(t))}}); }
TypeId CallMore(TypesOf& t) { return t.Function(t.Signed(), {{"x", t.Signed()}}); }
TypeId CallNothing(TypesOf& t) { return t.Function(kVoid, {{"x", t.Signed()}, {"y", t.To(Named(t))}}); }
TypeId Text(TypesOf& t) { return t.Number("char", 1, true); }
TypeId Nothing(TypesOf&) { return kVoid; }
TypeId Real(TypesOf& t) { return t.Add(Float{"double", 8}); }
template <Make make>
TypeId PointerTo(TypesOf& t) {
  return t.To(make(t));
}
template <Make make>
TypeId Const5(TypesOf& t) {
  return t.Add(Const{t.List(make(t), 5)});
}
template <Make make>
TypeId List6(TypesOf& t) {
  return t.List(make(t), 6);
}

const Row kRows[] = {
    {"same int", Plain, Plain, "1", "1"},
    {"other sign", Plain, Unsigned, "1", "0"},
    {"other size", Plain, Wider, "1", "0"},
    {"other name", Plain, Text, "1", "0"},
    {"int and pointer", Plain, PointerTo<Plain>, "0", "0"},
    {"same struct", Named, Named, "1", "1"},
    {"more members, another order, a flavour", Named, NamedMore, "1", "1"},
    {"a member less", Named, NamedLess, "1", "0"},
    {"fewer members wanted", NamedLess, Named, "1", "1"},
    {"a member of another type", Named, NamedOther, "1", "0"},
    {"struct and union", Named, Choice, "0", "0"},
    {"struct and its declaration", Named, Declared, "0", "0"},
    {"pointers to struct and declaration", PointerTo<Named>, PointerTo<Declared>, "0", "1"},
    {"pointers to struct and declared union", PointerTo<Named>, PointerTo<DeclaredUnion>, "0", "0"},
    {"pointers to declaration and union", PointerTo<DeclaredUnion>, PointerTo<Choice>, "0", "1"},
    {"pointers to structs of other members", PointerTo<Named>, PointerTo<NamedOther>, "1", "1"},
    {"declarations", Declared, Declared, "1", "1"},
    {"declarations of either", Declared, DeclaredUnion, "1", "0"},
    {"same enum", Two, Two, "1", "1"},
    {"more enumerators with other values", Two, TwoMoved, "1", "1"},
    {"an enumerator less", Two, One, "1", "0"},
    {"enum and enum64 of 4 bytes", Two, TwoWide, "1", "1"},
    {"enum and enum64 of 8 bytes", Two, TwoWider, "1", "0"},
    {"enum and int", Two, Plain, "0", "0"},
    {"arrays", Const5<Plain>, Const5<Plain>, "1", "1"},
    {"arrays of other sizes", Const5<Plain>, List6<Plain>, "1", "0"},
    {"arrays of other elements", Const5<Plain>, Const5<PointerTo<Plain>>, "0", "0"},
    {"functions", Call, Call, "1", "1"},
    {"functions with other names", Call, CallOtherNames, "1", "1"},
    {"functions with fewer parameters", Call, CallMore, "0", "0"},
    {"functions with another result", Call, CallNothing, "0", "0"},
    {"pointers to functions", PointerTo<Call>, PointerTo<Call>, "1", "1"},
    {"void", PointerTo<Nothing>, PointerTo<Nothing>, "1", "1"},
    {"void and int", PointerTo<Nothing>, PointerTo<Plain>, "0", "0"},
    // libbpf knows no rule for them.
    {"floats", Real, Real, "0", "0"},
};

TEST(CoreTypes, ExistAndMatchByTheRules) {
  for (const Row& row : kRows) {
    EXPECT_EQ(Compare(CoreKind::kTypeExists, row.local, row.target), row.exists) << row.name;
    EXPECT_EQ(Compare(CoreKind::kTypeMatches, row.local, row.target), row.matches) << row.name;
  }
}

TEST(CoreTypes, TypedefsStandForTypedefsOnly) {
  TypesOf from;
  TypesOf to;
  const TypeId wanted = from.Add(Typedef{"thing", from.Record("", 4, {})});
  to.Record("thing", 4, {});
  EXPECT_EQ(AnswerOf(Ask(from.Done(), to.Done(), CoreKind::kTypeExists, wanted)), "0");
}

TEST(CoreTypes, SizesAndIdsAreTheTargets) {
  TypesOf from;
  TypesOf to;
  const TypeId wanted = from.Add(Typedef{"list_t", from.List(from.Signed(), 2)});
  const TypeId found = to.Add(Typedef{"list_t", to.List(to.Signed(), 7)});
  EXPECT_EQ(AnswerOf(Ask(from.Done(), to.Done(), CoreKind::kTypeSize, wanted)), "28");
  EXPECT_EQ(AnswerOf(Ask(from.Done(), to.Done(), CoreKind::kTypeIdTarget, wanted)), std::to_string(found.value));
}

// struct node { struct node *next; }
TEST(CoreCyclic, PointersBackEnd) {
  TypesOf types;
  const TypeId node{types.next().value + 1};
  const TypeId link = types.To(node);
  types.Record("node", 8, {{"next", link, 0}});
  const auto done = types.Done();
  EXPECT_EQ(AnswerOf(Ask(done, done, CoreKind::kTypeMatches, node)), "1");
  EXPECT_EQ(AnswerOf(Ask(done, done, CoreKind::kTypeExists, node)), "1");
  EXPECT_EQ(AnswerOf(Ask(done, done, CoreKind::kFieldByteOffset, node, "0:0")), "0");
}

// struct node { struct node inner; struct node; struct node list[2]; }: no C, but bytes may say so.
TEST(CoreCyclic, TypesThatContainThemselvesEnd) {
  TypesOf types;
  const TypeId list = types.next();
  const TypeId node{list.value + 1};
  const TypeId number{list.value + 2};
  types.List(node, 2);
  types.Record("node", 8, {{"", node, 0}, {"", node, 0}, {"inner", node, 0}, {"list", list, 0}, {"a", number, 0}});
  types.Signed();
  TypesOf other;
  const TypeId there = other.next();
  other.Record("node", 8, {{"", there, 0}, {"", there, 0}, {"b", there, 0}});
  const auto done = types.Done();
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kTypeMatches, node)), HasSubstr("nests deeper"));
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldExists, node, "0:4")), HasSubstr("nests deeper"));
  EXPECT_THAT(AnswerOf(Ask(done, other.Done(), CoreKind::kFieldExists, node, "0:4")), HasSubstr("nests deeper"));
}

TEST(CoreCyclic, ModifiersArraysAndPrototypesInCirclesEnd) {
  TypesOf types;
  const TypeId first = types.next();
  const TypeId second{first.value + 1};
  types.Add(Typedef{"first", second});
  types.Add(Const{first});
  const TypeId list = types.next();
  types.List(list, 2);
  const TypeId call = types.next();
  types.Function(call, {{"x", call}, {"y", call}});
  const TypeId alias_of_list = types.Add(Typedef{"of_list", list});
  const TypeId alias_of_call = types.Add(Typedef{"of_call", call});
  const TypeId holder = types.Record("holder", 8, {{"a", first, 0}, {"b", list, 0}});
  const auto done = types.Done();
  for (const CoreKind kind : {CoreKind::kTypeExists, CoreKind::kTypeMatches}) {
    for (const TypeId type : {first, alias_of_list, alias_of_call}) {
      EXPECT_THAT(AnswerOf(Ask(done, done, kind, type)), HasSubstr("error: ")) << type.value;
    }
  }
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kTypeSize, alias_of_list)), HasSubstr("error: "));
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldExists, holder, "0:0")), HasSubstr("error: "));
  EXPECT_THAT(AnswerOf(Ask(done, done, CoreKind::kFieldExists, holder, "0:1")), HasSubstr("error: "));
}

// Each level holds the next one twice without a name: 2^40 ways to the last.
TEST(CoreCyclic, ManyWaysToNowhereEnd) {
  TypesOf target;
  TypeId level = target.Record("", 1, {});
  for (int i = 0; i < 40; ++i) level = target.Record(i == 39 ? "maze" : "", 1, {{"", level, 0}, {"", level, 0}});
  TypesOf local;
  const TypeId wanted = local.Record("maze", 4, {{"exit", local.Signed(), 0}});
  const auto answer = Ask(local.Done(), target.Done(), CoreKind::kFieldExists, wanted, "0:0");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(answer.error().message(), HasSubstr("field_exists of struct maze.exit (0:0): comparing its types"));
}

// The same for type_matches, which compares each pair of types once.
TEST(CoreTypes, SharedPartsAreComparedOnce) {
  TypesOf types;
  TypeId level = types.Record("leaf", 4, {{"a", types.Signed(), 0}});
  for (int i = 0; i < 30; ++i) {
    const std::string name = i == 29 ? "tree" : "level" + std::to_string(i);
    level = types.Record(name, 4, {{"left", level, 0}, {"right", level, 0}});
  }
  const auto done = types.Done();
  EXPECT_EQ(AnswerOf(Ask(done, done, CoreKind::kTypeMatches, level)), "1");
}

// A large struct asked about for each member: answers stay cheap and right.
TEST(CoreTypes, SixtyThousandMembersAreFine) {
  Builder builder;
  const TypeId number = *builder.Add(Int{.name = "char", .size_bytes = 1, .bits = 8});
  std::vector<std::string> names;
  std::vector<Member> members;
  constexpr std::uint32_t kCount = 60000;
  names.reserve(kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    names.push_back("m" + std::to_string(i));
    members.push_back({names.back(), number, i * 8});
  }
  const TypeId large = *builder.Add(Struct{"large", kCount, RecordList<Member>(members)});
  const auto types = builder.BuildTypes().value();
  CoreRelocator relocator(types, {types});
  for (std::uint32_t i = 0; i < kCount; i += 600) {
    EXPECT_EQ(AnswerOf(relocator.Resolve({{}, large, "0:" + std::to_string(i), 0})), std::to_string(i));
  }
  EXPECT_EQ(AnswerOf(relocator.Resolve({{}, large, "0", 12})), "1");
}

}  // namespace
}  // namespace strata::btf
