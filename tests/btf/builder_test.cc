#include "strata/btf/builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/btf/ext_info.h"
#include "support/elf_writer.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

constexpr Int kInt{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true};

// struct node { struct node *next; int value; };
TypeId AddNode(Builder& builder) {
  const TypeId number = builder.Add(kInt).value();
  const TypeId pointer = builder.Add(Pointer{.target = TypeId{number.value + 2}}).value();
  const Member members[] = {{.name = "next", .type = pointer}, {.name = "value", .type = number, .bit_offset = 64}};
  return builder.Add(Struct{"node", 16, RecordList<Member>(members)}).value();
}

TEST(BtfBuilder, BuildsTypesThatReferToLaterOnes) {
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    Builder builder;
    const TypeId node = AddNode(builder);
    const auto types = Btf::Parse(builder.Build(order).value(), "built").value();
    EXPECT_EQ(types->byte_order(), order);
    EXPECT_EQ(types->type_count(), 4U);
    const auto read = types->Get<Struct>(node).value();
    EXPECT_EQ(read.name, "node");
    EXPECT_EQ(read.members[1].name, "value");
    EXPECT_EQ(types->Describe(read.members[0].type), "struct node *");
  }
}

TEST(BtfBuilder, KeepsEachStringOnce) {
  Builder builder;
  const std::uint32_t first = builder.AddString("twice");
  EXPECT_EQ(builder.AddString("twice"), first);
  EXPECT_EQ(builder.AddString(""), 0U);
  for (int i = 0; i < 1000; ++i) builder.AddString("name" + std::to_string(i));
  EXPECT_EQ(builder.AddString("name7"), builder.AddString("name7"));
  EXPECT_EQ(builder.AddString("twice"), first);
  EXPECT_EQ(builder.BuildTypes().value()->StringAt(first).value(), "twice");
}

TEST(BtfBuilder, ReplacesATypeUnderItsId) {
  Builder builder;
  const TypeId number = builder.Add(kInt).value();
  const TypeId variable = builder.Add(Var{"counter", number, Linkage::kGlobal}).value();
  const TypeId section = builder.Add(DataSec{.name = ".data", .variables = {}}).value();
  const SectionVariable variables[] = {{variable, 8, 4}};
  ASSERT_TRUE(builder.Set(section, DataSec{".data", 12, RecordList<SectionVariable>(variables)}));
  ASSERT_TRUE(builder.Set(variable, Var{"counter", number, Linkage::kStatic}));
  const auto types = builder.BuildTypes().value();
  EXPECT_EQ(types->Get<DataSec>(section)->variables[0].offset_bytes, 8U);
  EXPECT_EQ(types->Get<DataSec>(section)->size_bytes, 12U);
  EXPECT_EQ(types->Get<Var>(variable)->linkage, Linkage::kStatic);
  EXPECT_EQ(builder.Set(TypeId{9}, kInt).error().code(), ErrorCode::kNotFound);
}

TEST(BtfBuilder, CopiesAWholeBtfBehindItsOwnTypes) {
  Builder source_builder;
  const TypeId node = AddNode(source_builder);
  const std::uint32_t line = source_builder.AddString("a line of source");
  const auto source = source_builder.BuildTypes().value();

  Builder builder;
  ASSERT_TRUE(builder.Add(Float{"double", 8}));
  const IdMap copied = builder.Copy(*source).value();
  EXPECT_EQ(copied[node], TypeId{4});
  EXPECT_EQ(copied[kVoid], kVoid);
  const auto types = builder.BuildTypes().value();
  EXPECT_EQ(types->Describe(types->Get<Struct>(copied[node])->members[0].type), "struct node *");
  EXPECT_EQ(types->StringAt(builder.CopyString(*source, line).value()).error().code(), ErrorCode::kMalformed)
      << "added after the build";
  EXPECT_EQ(builder.BuildTypes().value()->StringAt(builder.CopyString(*source, line).value()).value(),
            "a line of source");
}

TEST(BtfBuilder, CopiesATreeWithItsCirclesOnce) {
  Builder source_builder;
  ASSERT_TRUE(source_builder.Add(Float{"unused", 8}));
  const TypeId node = AddNode(source_builder);
  const TypeId constant = source_builder.Add(Const{node}).value();
  const auto source = source_builder.BuildTypes().value();

  Builder builder;
  IdMap copied;
  const TypeId copy = builder.CopyTree(*source, constant, &copied).value();
  EXPECT_EQ(builder.CopyTree(*source, node, &copied).value(), copied[node]);
  const auto types = builder.BuildTypes().value();
  EXPECT_EQ(types->type_count(), 5U) << "const, node, pointer, int";
  EXPECT_EQ(types->Describe(copy), "struct node const");
  EXPECT_EQ(types->Get<Pointer>(types->Get<Struct>(copied[node])->members[0].type)->target, copied[node]);
}

TEST(BtfBuilder, WritesSplitBtfOverABase) {
  Builder base_builder;
  const TypeId node = AddNode(base_builder);
  const auto base = base_builder.BuildTypes("base").value();

  Builder builder(base);
  EXPECT_EQ(builder.next_id(), TypeId{4});
  const TypeId alias = builder.Add(Typedef{"node", node}).value();
  const auto bytes = builder.Build().value();
  EXPECT_EQ(bytes.size(), 24U + 12U) << "the name is the base's";
  const auto split = Btf::Parse(bytes, "split", base).value();
  EXPECT_EQ(split->NameOf(alias), "node");
  EXPECT_EQ(split->SizeOf(alias).value(), 16U);

  Builder again(base);
  const IdMap copied = again.Copy(*split).value();
  EXPECT_EQ(copied[node], node);
  EXPECT_EQ(again.Build().value(), bytes);
  Builder whole;
  EXPECT_EQ(whole.Copy(*split).value()[alias], alias);
  EXPECT_EQ(whole.BuildTypes().value()->Describe(alias), "node");
}

TEST(BtfBuilder, RefusesWhatTheFormatCannotSay) {
  Builder builder;
  EXPECT_EQ(builder.Add(Void{}).error().code(), ErrorCode::kInvalidArgument);
  const std::vector<EnumValue> values(70000);
  EXPECT_THAT(builder.Add(Enum{"many", 4, false, RecordList<EnumValue>(values)}).error().message(),
              HasSubstr("ENUM many: 70000 records"));
  const Member far[] = {{.name = "bits", .type = TypeId{1}, .bit_offset = 1U << 24, .bitfield_bits = 3}};
  EXPECT_THAT(builder.Add(Struct{"large", 4, RecordList<Member>(far)}).error().message(), HasSubstr("member bits"));
  ASSERT_TRUE(builder.Add(Typedef{"lost", TypeId{9}}));
  EXPECT_THAT(builder.Build().error().message(), HasSubstr("type 1 (TYPEDEF lost) refers to type 9"));
}

}  // namespace
}  // namespace strata::btf
