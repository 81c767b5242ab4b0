#include "strata/btf/sanitize.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "strata/btf/builder.h"
#include "support/elf_section.h"

namespace strata::btf {
namespace {

// One type of each kind that some kernel does not know.
std::shared_ptr<const Btf> Sample() {
  Builder builder;
  const TypeId number = builder.Add(Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true}).value();  // 1
  EXPECT_TRUE(builder.Add(Var{"counter", number, Linkage::kGlobal}));                                             // 2
  const SectionVariable variables[] = {{TypeId{2}, 4, 4}};
  EXPECT_TRUE(builder.Add(DataSec{"?.data.x", 8, RecordList<SectionVariable>(variables)}));  // 3
  const Parameter parameters[] = {{"a", number}, {"b", number}};
  EXPECT_TRUE(builder.Add(FuncProto{number, RecordList<Parameter>(parameters)}));  // 4
  EXPECT_TRUE(builder.Add(Func{"run", TypeId{4}, Linkage::kGlobal}));              // 5
  EXPECT_TRUE(builder.Add(Float{"double", 8}));                                    // 6
  EXPECT_TRUE(builder.Add(DeclTag{"log2_hist", TypeId{2}, -1}));                   // 7
  EXPECT_TRUE(builder.Add(TypeTag{"user", number}));                               // 8
  const EnumValue values[] = {{"HUGE_VALUE", std::int64_t{1} << 40}};
  EXPECT_TRUE(builder.Add(Enum64{"wide", 8, false, RecordList<EnumValue>(values)}));  // 9
  const EnumValue negative[] = {{"BELOW", -1}};
  EXPECT_TRUE(builder.Add(Enum{"signed", 4, true, RecordList<EnumValue>(negative)}));  // 10
  return builder.BuildTypes("a.o: .BTF").value();
}

std::shared_ptr<const Btf> Sanitized(const BtfFeatures& features) {
  return Btf::Parse(Sanitize(*Sample(), features).value(), "sanitized").value();
}

TEST(BtfSanitize, ChangesNothingForAKernelThatKnowsAll) {
  const auto types = Sanitized({});
  EXPECT_EQ(types->type_count(), Sample()->type_count());
  EXPECT_EQ(types->NameOf(TypeId{3}), "?.data.x");
  EXPECT_TRUE(types->Get<Enum64>(TypeId{9}));
}

TEST(BtfSanitize, MakesSectionsStructsOfBytes) {
  const auto types = Sanitized({.data_sections = false});
  EXPECT_EQ(types->Get<Int>(TypeId{2})->size_bytes, 1U);
  const auto section = types->Get<Struct>(TypeId{3}).value();
  EXPECT_EQ(section.name, "__data_x");
  EXPECT_EQ(section.size_bytes, 8U);
  EXPECT_EQ(section.members[0].name, "counter");
  EXPECT_EQ(section.members[0].bit_offset, 32U);
}

TEST(BtfSanitize, RenamesSectionsWithQuestionMarks) {
  EXPECT_EQ(Sanitized({.question_marks = false})->Get<DataSec>(TypeId{3})->name, "_.data.x");
}

TEST(BtfSanitize, MakesPrototypesEnumsAndFunctionsTypedefs) {
  const auto types = Sanitized({.functions = false});
  EXPECT_EQ(types->Get<Enum>(TypeId{4})->values.size(), 2U);
  EXPECT_EQ(types->Get<Typedef>(TypeId{5})->name, "run");
}

TEST(BtfSanitize, MakesGlobalFunctionsStatic) {
  EXPECT_EQ(Sanitized({.global_functions = false})->Get<Func>(TypeId{5})->linkage, Linkage::kStatic);
}

TEST(BtfSanitize, MakesFloatsStructsWithoutAName) {
  const auto type = Sanitized({.floats = false})->Get<Struct>(TypeId{6}).value();
  EXPECT_EQ(type.size_bytes, 8U);
  EXPECT_EQ(type.name, "");
}

TEST(BtfSanitize, MakesTagsIntegersAndConst) {
  const auto types = Sanitized({.declaration_tags = false, .type_tags = false});
  EXPECT_EQ(types->Get<Int>(TypeId{7})->size_bytes, 1U);
  EXPECT_EQ(types->Get<Const>(TypeId{8})->target, TypeId{1});
}

TEST(BtfSanitize, MakesWideEnumsUnionsAndSignedOnesUnsigned) {
  const auto types = Sanitized({.wide_enums = false});
  const auto type = types->Get<Union>(TypeId{9}).value();
  EXPECT_EQ(type.size_bytes, 8U);
  EXPECT_EQ(type.members[0].name, "HUGE_VALUE");
  EXPECT_EQ(types->SizeOf(type.members[0].type).value(), 8U);
  EXPECT_FALSE(types->Get<Enum>(TypeId{10})->is_signed);
  EXPECT_EQ(types->type_count(), Sample()->type_count() + 1);
}

// The kernels of all ages, by what each does not know yet; this one knows all that the older ones did.
TEST(BtfSanitize, GivesEveryKernelWhatItKnows) {
  if (::geteuid() != 0) GTEST_SKIP() << "BPF_BTF_LOAD needs root";
  bool BtfFeatures::*const by_age[] = {&BtfFeatures::functions,        &BtfFeatures::data_sections,
                                       &BtfFeatures::global_functions, &BtfFeatures::floats,
                                       &BtfFeatures::declaration_tags, &BtfFeatures::type_tags,
                                       &BtfFeatures::wide_enums,       &BtfFeatures::question_marks};
  for (std::size_t known = 0; known <= std::size(by_age); ++known) {
    BtfFeatures features;
    for (std::size_t i = known; i < std::size(by_age); ++i) features.*by_age[i] = false;
    const auto bytes = Sanitize(*Sample(), features).value();
    std::string log(4096, '\0');
    bpf_btf_load_opts options = {};
    options.sz = sizeof(options);
    options.log_buf = log.data();
    options.log_size = static_cast<std::uint32_t>(log.size());
    options.log_level = 1;
    const int fd = bpf_btf_load(bytes.data(), static_cast<std::uint32_t>(bytes.size()), &options);
    EXPECT_GE(fd, 0) << known << " features: " << log.c_str();
    if (fd >= 0) ::close(fd);
  }
}

}  // namespace
}  // namespace strata::btf
