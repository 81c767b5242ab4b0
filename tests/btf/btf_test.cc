#include "strata/btf/btf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "strata/btf/format_value.h"
#include "support/elf_writer.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Btf> Parse(const test::BtfWriter& writer) {
  return Btf::Parse(writer.Bytes(), "a.o: .BTF").value();
}

std::string ErrorOf(const test::BtfWriter& writer) {
  const auto result = Btf::Parse(writer.Bytes(), "a.o: .BTF");
  return result ? "no error" : result.error().message();
}

// A struct with a plain member, a bitfield and an array, and everything around it.
test::BtfWriter Sample(std::endian order = std::endian::little) {
  test::BtfWriter writer(order);
  const auto number = writer.Int("int", 4, 1);    // 1
  writer.Type(3, "", 0, 0, {number, number, 5});  // 2: int[5]
  writer.Type(4, "sample", 3, 32,                 // 3
              {writer.String("plain"), 1, 0, writer.String("bits"), 1, 3U << 24 | 32, writer.String("list"), 2, 64},
              true);
  writer.Type(8, "sample_t", 0, 3);  // 4
  writer.Type(10, "", 0, 4);         // 5: const sample_t
  writer.Type(2, "", 0, 5);          // 6: const sample_t *
  writer.Type(6, "color", 2, 4, {writer.String("RED"), 1, writer.String("BLUE"), 0xffffffff}, true);  // 7
  writer.Type(19, "wide", 1, 8, {writer.String("HUGE"), 0x1, 0x2});                                   // 8
  writer.Type(13, "", 2, 1, {writer.String("a"), 1, 0, 0});  // 9: int (int a, ...)
  writer.Type(12, "function", 1, 9);                         // 10
  writer.Type(14, "variable", 0, 3, {1});                    // 11
  writer.Type(15, ".data", 1, 32, {11, 0, 32});              // 12
  writer.Type(16, "double", 0, 8);                           // 13
  writer.Type(17, "log2_hist", 0, 3, {0xffffffff});          // 14
  writer.Type(18, "user", 0, 1);                             // 15
  writer.Type(7, "later", 0, 0, {}, true);                   // 16: union later
  return writer;
}

TEST(Btf, ReadsEveryKindInBothByteOrders) {
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    const auto btf = Parse(Sample(order));
    EXPECT_EQ(btf->byte_order(), order);
    EXPECT_EQ(btf->type_count(), 17U);
    const auto number = btf->Get<Int>(TypeId{1}).value();
    EXPECT_EQ(number.name, "int");
    EXPECT_TRUE(number.is_signed);
    EXPECT_EQ(number.bits, 32);
    EXPECT_EQ(btf->Get<Array>(TypeId{2})->count, 5U);
    EXPECT_EQ(btf->Get<Pointer>(TypeId{6})->target, TypeId{5});
    EXPECT_EQ(btf->Get<Func>(TypeId{10})->linkage, Linkage::kGlobal);
    EXPECT_EQ(btf->Get<Var>(TypeId{11})->linkage, Linkage::kGlobal);
    EXPECT_EQ(btf->Get<DataSec>(TypeId{12})->variables[0].size_bytes, 32U);
    EXPECT_EQ(btf->Get<Float>(TypeId{13})->size_bytes, 8U);
    EXPECT_EQ(btf->Get<DeclTag>(TypeId{14})->component, -1);
    EXPECT_EQ(btf->Get<TypeTag>(TypeId{15})->tag, "user");
    EXPECT_TRUE(btf->Get<Forward>(TypeId{16})->is_union);
  }
}

TEST(Btf, ReadsMembersWithBitfields) {
  const auto btf = Parse(Sample());
  const auto sample = btf->Get<Struct>(TypeId{3}).value();
  ASSERT_EQ(sample.members.size(), 3U);
  EXPECT_EQ(sample.members[0].name, "plain");
  EXPECT_EQ(sample.members[0].bitfield_bits, 0U);
  EXPECT_EQ(sample.members[1].bit_offset, 32U);
  EXPECT_EQ(sample.members[1].bitfield_bits, 3U);
  EXPECT_EQ(sample.members[2].type, TypeId{2});
}

TEST(Btf, ReadsEnumsThatAreOnlyDeclared) {
  test::BtfWriter writer;
  const auto id = writer.Type(6, "later", 0, 0);
  const auto btf = Parse(writer);
  EXPECT_EQ(*btf->SizeOf(TypeId{id}), 0U);
  EXPECT_TRUE(btf->Get<Enum>(TypeId{id})->values.empty());
  EXPECT_EQ(FormatValue(*btf, TypeId{id}, {}), "0");
}

TEST(Btf, ReadsEnumValuesWithTheirSign) {
  const auto btf = Parse(Sample());
  EXPECT_EQ(btf->Get<Enum>(TypeId{7})->values[1].value, -1);
  const auto wide = btf->Get<Enum64>(TypeId{8}).value();
  EXPECT_EQ(wide.values[0].name, "HUGE");
  EXPECT_EQ(wide.values[0].value, 0x200000001);
}

TEST(Btf, IteratesRecords) {
  const auto btf = Parse(Sample());
  std::string names;
  const auto sample = btf->Get<Struct>(TypeId{3}).value();
  for (const Member member : sample.members) names += std::string(member.name) + " ";
  EXPECT_EQ(names, "plain bits list ");
}

TEST(Btf, ResolvesAndMeasures) {
  const auto btf = Parse(Sample());
  EXPECT_EQ(btf->Resolve(TypeId{5}).value(), TypeId{3});
  EXPECT_EQ(btf->SizeOf(TypeId{5}).value(), 32U);
  EXPECT_EQ(btf->SizeOf(TypeId{2}).value(), 20U);
  EXPECT_EQ(btf->SizeOf(TypeId{6}).value(), 8U);
  EXPECT_EQ(btf->SizeOf(TypeId{11}).value(), 32U);
  EXPECT_FALSE(btf->SizeOf(kVoid).has_value());
  EXPECT_FALSE(btf->SizeOf(TypeId{10}).has_value());
}

TEST(Btf, DescribesTypesAsCDoes) {
  const auto btf = Parse(Sample());
  EXPECT_EQ(btf->Describe(TypeId{6}), "sample_t const *");
  EXPECT_EQ(btf->Describe(TypeId{2}), "int[5]");
  EXPECT_EQ(btf->Describe(TypeId{3}), "struct sample");
  EXPECT_EQ(btf->Describe(kVoid), "void");
}

TEST(Btf, FindsByNameAndKind) {
  const auto btf = Parse(Sample());
  EXPECT_EQ(btf->FindByName("sample", Kind::kStruct).value(), TypeId{3});
  const auto missing = btf->FindByName("sample", Kind::kUnion);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("UNION named sample"));
}

TEST(Btf, NamesTheKindWhenAnotherIsAskedFor) {
  const auto result = Parse(Sample())->Get<Struct>(TypeId{1});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), HasSubstr("type 1 is a INT and no STRUCT"));
}

TEST(Btf, RefusesIdsOutOfRange) {
  EXPECT_EQ(Parse(Sample())->TypeById(TypeId{17}).error().code(), ErrorCode::kNotFound);
}

TEST(Btf, ContinuesIdsAndNamesOfItsBase) {
  const auto base = Parse(Sample());
  test::BtfWriter split;
  split.Type(2, "", 0, 3);
  const auto btf = Btf::Parse(split.Bytes(), "module", base).value();
  EXPECT_EQ(btf->type_count(), 18U);
  EXPECT_EQ(btf->Get<Pointer>(TypeId{17})->target, TypeId{3});
  EXPECT_EQ(btf->NameOf(TypeId{3}), "sample");
  EXPECT_EQ(btf->Describe(TypeId{17}), "struct sample *");
  EXPECT_FALSE(btf->OffsetOf(TypeId{3}).has_value());
}

TEST(Btf, RefusesCirclesWithoutHanging) {
  test::BtfWriter writer;
  writer.Type(8, "a", 0, 2);
  writer.Type(8, "b", 0, 1);
  writer.Type(3, "", 0, 0, {3, 1, 2});
  const auto btf = Parse(writer);
  EXPECT_THAT(btf->Resolve(TypeId{1}).error().message(), HasSubstr("refers to itself"));
  EXPECT_FALSE(btf->SizeOf(TypeId{3}).has_value());
  EXPECT_EQ(btf->Describe(TypeId{3}).front(), '?');
}

TEST(Btf, RefusesSizesThatOverflow) {
  test::BtfWriter writer;
  writer.Int("int", 4);
  for (std::uint32_t id = 1; id < 4; ++id) writer.Type(3, "", 0, 0, {id, 1, 0xffffffff});
  EXPECT_THAT(Parse(writer)->SizeOf(TypeId{4}).error().message(), HasSubstr("too large"));
}

TEST(Btf, NamesTypeAndOffsetOfWhatIsMalformed) {
  test::BtfWriter target;
  target.Int("int", 4);
  target.Pointer(9);
  EXPECT_EQ(ErrorOf(target), "a.o: .BTF: offset 40: type 2 (PTR): refers to type 9, the last is 2");

  test::BtfWriter member;
  member.Type(4, "s", 1, 4, {0, 77, 0});
  EXPECT_THAT(ErrorOf(member), HasSubstr("type 1 (STRUCT): record 0: refers to type 77"));

  test::BtfWriter name;
  name.Type(4, "s", 1, 4, {5000, 0, 0});
  EXPECT_THAT(ErrorOf(name), HasSubstr("record 0: name offset is past the end"));

  test::BtfWriter kind;
  kind.Type(25, "s", 0, 0);
  EXPECT_THAT(ErrorOf(kind), HasSubstr("type 1: kind 25 is not known"));

  test::BtfWriter bits;
  bits.Type(1, "int", 0, 4, {200});
  EXPECT_THAT(ErrorOf(bits), HasSubstr("200 bits do not fit 4 bytes"));
}

TEST(Btf, ToleratesALongerHeaderOnlyWhereItIsZero) {
  auto bytes = Sample().Bytes();
  bytes[4] = std::byte{32};
  bytes.insert(bytes.begin() + 24, 8, std::byte{0});
  EXPECT_TRUE(Btf::Parse(bytes, "b").has_value());
  bytes[28] = std::byte{1};
  EXPECT_THAT(Btf::Parse(bytes, "b").error().message(), HasSubstr("fields that are not known"));
}

TEST(Btf, RefusesEveryTruncation) {
  const auto bytes = Sample().Bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto result = Btf::Parse({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}, "t");
    ASSERT_FALSE(result) << size;
    EXPECT_EQ(result.error().code(), ErrorCode::kMalformed);
  }
}

// Whatever Parse accepts can be read to the end.
TEST(Btf, SurvivesFlippedBytes) {
  const auto good = Sample().Bytes();
  std::mt19937 random(20240607);
  std::size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = good;
    for (int flips = 0; flips < 2; ++flips) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto btf = Btf::Parse(std::move(bytes), "f");
    if (!btf) continue;
    ++accepted;
    for (std::uint32_t id = 0; id < (*btf)->type_count(); ++id) {
      const auto type = (*btf)->TypeById(TypeId{id}).value();
      static_cast<void>((*btf)->SizeOf(TypeId{id}));
      static_cast<void>((*btf)->Describe(TypeId{id}));
      if (const auto* composite = std::get_if<Struct>(&type)) {
        for (const Member member : composite->members) static_cast<void>(member.name.size());
      }
    }
  }
  EXPECT_GT(accepted, 0U);
}

}  // namespace
}  // namespace strata::btf
