#include "strata/btf/distill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "random_types.h"
#include "strata/btf/builder.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

// Of one build: `padding` types come first, so that ids differ from build to build.
std::shared_ptr<const Btf> Base(int padding, std::uint32_t held_size = 16) {
  Builder builder;
  for (int i = 0; i < padding; ++i) {
    EXPECT_TRUE(builder.Add(Struct{.name = "padding" + std::to_string(i), .size_bytes = 1, .members = {}}));
  }
  const TypeId number =
      builder.Add(Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true}).value();  // padding + 1
  const Member members[] = {{.name = "a", .type = number}};
  const TypeId held = builder.Add(Struct{"held", held_size, RecordList<Member>(members)}).value();
  EXPECT_TRUE(builder.Add(Struct{"pointed_to", 4, RecordList<Member>(members)}));
  const EnumValue values[] = {{"RED", 0}};
  EXPECT_TRUE(builder.Add(Enum{"color", 4, false, RecordList<EnumValue>(values)}));
  EXPECT_TRUE(builder.Add(Array{held, number, 2}));
  EXPECT_TRUE(builder.Add(Union{.name = "unused", .size_bytes = 4, .members = {}}));
  return builder.BuildTypes("base").value();
}

// struct module { struct held held; struct pointed_to *pointer; enum color color; struct held list[2]; };
std::shared_ptr<const Btf> Module(const std::shared_ptr<const Btf>& base) {
  Builder builder(base);
  const TypeId array{base->type_count() - 2};
  const TypeId pointer = builder.Add(Pointer{base->FindByName("pointed_to", Kind::kStruct).value()}).value();
  const Member members[] = {
      {.name = "held", .type = base->FindByName("held", Kind::kStruct).value()},
      {.name = "pointer", .type = pointer, .bit_offset = 128},
      {.name = "color", .type = base->FindByName("color", Kind::kEnum).value(), .bit_offset = 192},
      {.name = "list", .type = array, .bit_offset = 224},
  };
  EXPECT_TRUE(builder.Add(Struct{"module", 64, RecordList<Member>(members)}));
  return Btf::Parse(builder.Build().value(), "module", base).value();
}

std::shared_ptr<const Btf> OverItsDistilledBase(const Btf& module) {
  const Distilled distilled = Distill(module).value();
  return Btf::Parse(distilled.split, "module", Btf::Parse(distilled.base, "distilled").value()).value();
}

TEST(BtfDistill, KeepsOnlyWhatTheModuleUses) {
  const auto module = OverItsDistilledBase(*Module(Base(3)));
  const Btf& base = *module->base();
  EXPECT_EQ(base.type_count(), 5U) << "int, held, pointed_to, color";
  EXPECT_EQ(base.Get<Struct>(base.FindUnique("held").value())->size_bytes, 16U);
  EXPECT_EQ(base.Get<Struct>(base.FindUnique("held").value())->members.size(), 0U);
  EXPECT_EQ(base.KindOf(base.FindUnique("pointed_to").value()), Kind::kForward);
  EXPECT_TRUE(module->FindUnique("module", Kind::kStruct));
}

TEST(BtfDistill, FindsTheBaseTypesInAnotherBuild) {
  const auto module = OverItsDistilledBase(*Module(Base(3)));
  const auto base = Base(50);
  const auto relocated = Btf::Parse(RelocateOntoBase(*module, base).value(), "relocated", base).value();
  const auto type = relocated->Get<Struct>(relocated->FindUnique("module").value()).value();
  EXPECT_EQ(type.members[0].type, base->FindUnique("held").value());
  EXPECT_EQ(relocated->Get<Pointer>(type.members[1].type)->target, base->FindUnique("pointed_to").value());
  EXPECT_EQ(type.members[2].type, base->FindUnique("color").value());
  EXPECT_EQ(relocated->SizeOf(type.members[3].type).value(), 32U);
}

TEST(BtfDistill, RefusesABaseWithoutTheTypeOrOfAnotherSize) {
  const auto module = OverItsDistilledBase(*Module(Base(0)));
  EXPECT_THAT(RelocateOntoBase(*module, Base(0, 24)).error().message(),
              HasSubstr("base: struct held of the distilled base is not there"));
  Builder empty;
  EXPECT_EQ(RelocateOntoBase(*module, empty.BuildTypes().value()).error().code(), ErrorCode::kNotFound);
}

TEST(BtfDistill, RefusesToChooseBetweenCandidates) {
  const auto module = OverItsDistilledBase(*Module(Base(0)));
  Builder builder;
  ASSERT_TRUE(builder.Copy(*Base(0)));
  ASSERT_TRUE(builder.Add(Struct{.name = "held", .size_bytes = 16, .members = {}}));
  const auto several = RelocateOntoBase(*module, builder.BuildTypes("base").value());
  EXPECT_EQ(several.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(several.error().message(), HasSubstr("struct held of the distilled base may be type 2 or 7"));
}

TEST(BtfDistill, RefusesWhatIsNotSplitOrNotDistilled) {
  EXPECT_EQ(Distill(*Base(0)).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(RelocateOntoBase(*Base(0), Base(0)).error().code(), ErrorCode::kInvalidArgument);
  const auto whole = Base(0);
  EXPECT_THAT(RelocateOntoBase(*Module(whole), whole).error().message(), HasSubstr("ARRAY"));
}

// Distilled and put back onto the same base, the types of a module are described as before.
TEST(BtfDistill, ComesBackToTheSameBase) {
  std::size_t relocated_count = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const auto base = RandomTypes(seed, 30).BuildTypes("base").value();
    const auto module = RandomTypes(seed + 500, 30, base).BuildTypes("module").value();
    const auto distilled = OverItsDistilledBase(*module);
    const auto bytes = RelocateOntoBase(*distilled, base);
    if (!bytes) {
      // The random base may well have two types of one name.
      EXPECT_EQ(bytes.error().code(), ErrorCode::kInvalidArgument) << bytes.error().message();
      continue;
    }
    ++relocated_count;
    const auto back = Btf::Parse(*bytes, "back", base).value();
    for (std::uint32_t id = module->first_id(); id < module->type_count(); ++id) {
      EXPECT_EQ(back->KindOf(TypeId{id}), module->KindOf(TypeId{id}));
      EXPECT_EQ(back->NameOf(TypeId{id}), module->NameOf(TypeId{id}));
    }
  }
  EXPECT_GT(relocated_count, 0U);
}

}  // namespace
}  // namespace strata::btf
