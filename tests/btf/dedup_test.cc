#include "strata/btf/dedup.h"

#include <bpf/btf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "random_types.h"
#include "support/elf_section.h"
#include "support/vmlinux.h"

namespace strata::btf {
namespace {

constexpr Int kInt{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true};
constexpr Int kLong{.name = "long", .size_bytes = 8, .bits = 64, .is_signed = true};

std::shared_ptr<const Btf> WithoutDuplicates(const Btf& types) {
  return Deduplicate(types).value().types.BuildTypes("deduplicated").value();
}

std::shared_ptr<const Btf> TypesOf(const std::string& object) {
  return Btf::Parse(test::ElfSection(object, ".BTF"), object).value();
}

std::shared_ptr<const Btf> Joined(const Btf& a, const Btf& b) {
  Builder builder;
  EXPECT_TRUE(builder.Copy(a));
  EXPECT_TRUE(builder.Copy(b));
  return builder.BuildTypes("joined").value();
}

std::uint32_t CountOf(const Btf& types, std::initializer_list<Kind> kinds) {
  std::uint32_t count = 0;
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    count += static_cast<std::uint32_t>(std::count(kinds.begin(), kinds.end(), types.KindOf(TypeId{id})));
  }
  return count;
}

// Variables and data sections stand for bytes of their own, so that they are never merged, nor are tags on them.
std::uint32_t CountOfKept(const Btf& types) {
  std::uint32_t count = CountOf(types, {Kind::kVar, Kind::kDataSec});
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    const auto tag = types.Get<DeclTag>(TypeId{id});
    if (tag && types.KindOf(tag->target) == Kind::kVar) ++count;
  }
  return count;
}

// What libbpf makes of the same bytes.
std::uint32_t CountByLibbpf(const Btf& types) {
  auto* other = btf__new(types.bytes().data(), static_cast<std::uint32_t>(types.bytes().size()));
  EXPECT_EQ(btf__dedup(other, nullptr), 0);
  const std::uint32_t count = btf__type_cnt(other);
  btf__free(other);
  return count;
}

// struct node { struct node *next; <payload> value; };
void AddNode(Builder& builder, const Type& payload) {
  const std::uint32_t first = builder.next_id().value;
  const Member members[] = {{.name = "next", .type = TypeId{first + 1}},
                            {.name = "value", .type = TypeId{first + 2}, .bit_offset = 64}};
  ASSERT_TRUE(builder.Add(Struct{"node", 16, RecordList<Member>(members)}));
  ASSERT_TRUE(builder.Add(Pointer{TypeId{first}}));
  ASSERT_TRUE(builder.Add(payload));
}

TEST(BtfDedup, MergesCirclesThatAreEqual) {
  Builder builder;
  AddNode(builder, kInt);
  AddNode(builder, kInt);
  const auto result = Deduplicate(*builder.BuildTypes().value()).value();
  EXPECT_EQ(result.types.next_id(), TypeId{4});
  EXPECT_EQ(result.ids[TypeId{4}], TypeId{1});
  EXPECT_EQ(result.ids[TypeId{6}], TypeId{3});
}

TEST(BtfDedup, KeepsCirclesApartThatDifferFarInside) {
  Builder builder;
  AddNode(builder, kInt);
  AddNode(builder, kLong);
  EXPECT_EQ(WithoutDuplicates(*builder.BuildTypes().value())->type_count(), 7U);
}

TEST(BtfDedup, ResolvesForwardDeclarationsByTheOnlyDefinition) {
  Builder builder;
  ASSERT_TRUE(builder.Add(Forward{"node", false}));  // 1
  ASSERT_TRUE(builder.Add(Pointer{TypeId{1}}));      // 2
  AddNode(builder, kInt);                            // 3, 4, 5
  ASSERT_TRUE(builder.Add(Forward{"node", true}));   // 6: a union of that name is another thing
  const auto result = Deduplicate(*builder.BuildTypes().value()).value();
  EXPECT_EQ(result.ids[TypeId{1}], result.ids[TypeId{3}]);
  EXPECT_EQ(result.ids[TypeId{2}], result.ids[TypeId{4}]);
  EXPECT_NE(result.ids[TypeId{6}], result.ids[TypeId{3}]);
}

TEST(BtfDedup, LeavesForwardDeclarationsThatMayMeanEither) {
  Builder builder;
  AddNode(builder, kInt);
  AddNode(builder, kLong);
  ASSERT_TRUE(builder.Add(Forward{"node", false}));
  const auto types = WithoutDuplicates(*builder.BuildTypes().value());
  EXPECT_EQ(CountOf(*types, {Kind::kForward}), 1U);
}

TEST(BtfDedup, TakesAnEnumWithoutValuesForItsDefinition) {
  Builder builder;
  ASSERT_TRUE(builder.Add(Enum{"color", 4, false, {}}));
  const EnumValue values[] = {{"RED", 0}};
  ASSERT_TRUE(builder.Add(Enum{"color", 4, false, RecordList<EnumValue>(values)}));
  const auto types = WithoutDuplicates(*builder.BuildTypes().value());
  ASSERT_EQ(types->type_count(), 2U);
  EXPECT_EQ(types->Get<Enum>(TypeId{1})->values.size(), 1U);
}

// Two halves know each other's types by forward declarations only, across a circle.
TEST(BtfDedup, CompletesTypesThatEachObjectKnowsInPart) {
  const auto joined = Joined(*TypesOf(STRATA_BPF_LEFT), *TypesOf(STRATA_BPF_RIGHT));
  const auto types = WithoutDuplicates(*joined);
  EXPECT_EQ(types->FindAll("shared").size(), 1U);
  EXPECT_EQ(types->FindAll("other").size(), 1U);
  EXPECT_EQ(CountOf(*types, {Kind::kForward}), 0U);
  EXPECT_EQ(types->type_count(), CountByLibbpf(*joined));
}

TEST(BtfDedup, GivesAnObjectsTypesBackWhenItIsJoinedToItself) {
  for (const char* object : {STRATA_BPF_SHAPES, STRATA_BPF_LEFT, STRATA_BPF_CORE, STRATA_BPF_MAPS}) {
    SCOPED_TRACE(object);
    const auto types = WithoutDuplicates(*TypesOf(object));
    const auto joined = Joined(*types, *types);
    const std::uint32_t kept = CountOfKept(*types);
    EXPECT_EQ(WithoutDuplicates(*joined)->type_count(), types->type_count() + kept);
    EXPECT_LE(WithoutDuplicates(*joined)->type_count(), CountByLibbpf(*joined));
  }
}

TEST(BtfDedup, GivesRandomTypesBackWhenTheyAreJoinedToThemselves) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    const auto types = WithoutDuplicates(*RandomTypes(seed, 150).BuildTypes().value());
    const auto joined = Joined(*types, *types);
    const std::uint32_t kept = CountOfKept(*types);
    // What refers to a variable cannot be merged either.
    EXPECT_GE(WithoutDuplicates(*joined)->type_count(), types->type_count() + kept) << seed;
    const auto again = WithoutDuplicates(*types);
    EXPECT_EQ(TypeTexts(*again), TypeTexts(*types)) << seed;
  }
}

// The coarsest partition, found the slow way: split by look and references until nothing changes.
std::size_t ClassesByBruteForce(const Btf& types) {
  std::vector<std::size_t> classes(types.type_count());
  std::size_t count = 1;
  for (;;) {
    std::map<std::vector<std::size_t>, std::size_t> next_ids;
    std::vector<std::size_t> next(types.type_count());
    for (std::uint32_t id = 1; id < types.type_count(); ++id) {
      const Type type = *types.TypeById(TypeId{id});
      std::vector<std::size_t> key = {type.index(), std::hash<std::string_view>()(types.NameOf(TypeId{id}))};
      if (const auto* pointer = std::get_if<Pointer>(&type)) key.push_back(classes[pointer->target.value]);
      if (const auto* composite = std::get_if<Struct>(&type)) {
        key.push_back(composite->size_bytes);
        for (const Member member : composite->members) {
          key.push_back(classes[member.type.value]);
          key.push_back(std::hash<std::string_view>()(member.name));
          key.push_back(member.bit_offset);
        }
      }
      next[id] = next_ids.try_emplace(key, next_ids.size() + 1).first->second;
    }
    classes = std::move(next);
    if (next_ids.size() == count) return count;
    count = next_ids.size();
  }
}

// Pointers and structs only, so that circles are many.
TEST(BtfDedup, FindsAllThatIsEqualInRandomGraphs) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    Builder builder;
    const std::uint32_t count = 5 + random() % 60;
    const auto any = [&] { return TypeId{static_cast<std::uint32_t>(1 + random() % count)}; };
    while (builder.next_id().value <= count) {
      if (random() % 2 == 0) {
        ASSERT_TRUE(builder.Add(Pointer{any()}));
        continue;
      }
      const Member members[] = {{.name = "a", .type = any()}, {.name = "b", .type = any()}};
      ASSERT_TRUE(builder.Add(Struct{"s", 8, RecordList<Member>(std::span(members).first(1 + random() % 2))}));
    }
    const auto types = builder.BuildTypes().value();
    EXPECT_EQ(WithoutDuplicates(*types)->type_count() - 1, ClassesByBruteForce(*types)) << round;
  }
}

TEST(BtfDedup, EndsSoonOnLongChainsAndCircles) {
  Builder builder;
  constexpr std::uint32_t kLength = 50'000;
  ASSERT_TRUE(builder.Add(kInt));
  for (std::uint32_t i = 1; i < kLength; ++i) ASSERT_TRUE(builder.Add(Pointer{TypeId{i}}));
  const std::uint32_t start = builder.next_id().value;
  for (std::uint32_t i = 0; i < kLength; ++i) ASSERT_TRUE(builder.Add(Pointer{TypeId{start + (i + 1) % kLength}}));
  const auto types = WithoutDuplicates(*builder.BuildTypes().value());
  EXPECT_EQ(types->type_count(), kLength + 2) << "the chain as it was, and the circle as one pointer to itself";
}

TEST(BtfDedup, SendsTypesOfASplitBtfToItsBase) {
  Builder base_builder;
  AddNode(base_builder, kInt);
  const auto base = base_builder.BuildTypes("base").value();
  Builder builder(base);
  AddNode(builder, kInt);                            // 4, 5, 6
  ASSERT_TRUE(builder.Add(Forward{"node", false}));  // 7
  ASSERT_TRUE(builder.Add(kLong));                   // 8
  const auto split = Btf::Parse(builder.Build().value(), "split", base).value();
  const auto result = Deduplicate(*split).value();
  EXPECT_EQ(result.ids[TypeId{4}], TypeId{1});
  EXPECT_EQ(result.ids[TypeId{7}], TypeId{1});
  EXPECT_EQ(result.ids[TypeId{8}], TypeId{4});
  EXPECT_EQ(result.types.next_id(), TypeId{5});
}

TEST(BtfDedup, GivesTheKernelsTypesBackWhenTheyAreJoinedToThemselves) {
  STRATA_NEEDS_VMLINUX();
  const auto vmlinux = Btf::Open(test::kVmlinux).value();
  const auto types = WithoutDuplicates(*vmlinux);
  EXPECT_LE(types->type_count(), vmlinux->type_count());
  const auto joined = Joined(*vmlinux, *vmlinux);
  const std::uint32_t kept = CountOfKept(*vmlinux);
  EXPECT_EQ(WithoutDuplicates(*joined)->type_count(), types->type_count() + kept);
}

}  // namespace
}  // namespace strata::btf
