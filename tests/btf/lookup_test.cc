#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "strata/btf/builder.h"
#include "support/elf_writer.h"

namespace strata::btf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Two flavours, a forward declaration of the same name, and a struct named like a function.
std::shared_ptr<const Btf> Sample() {
  Builder builder;
  EXPECT_TRUE(builder.Add(Struct{.name = "task", .size_bytes = 8, .members = {}}));        // 1
  EXPECT_TRUE(builder.Add(Struct{.name = "task___old", .size_bytes = 4, .members = {}}));  // 2
  EXPECT_TRUE(builder.Add(Forward{"task", false}));                                        // 3
  EXPECT_TRUE(builder.Add(Struct{.name = "subtask", .size_bytes = 4, .members = {}}));     // 4
  EXPECT_TRUE(builder.Add(FuncProto{}));                                                   // 5
  EXPECT_TRUE(builder.Add(Func{"open", TypeId{5}, Linkage::kGlobal}));                     // 6
  EXPECT_TRUE(builder.Add(Struct{.name = "open", .size_bytes = 4, .members = {}}));        // 7
  EXPECT_TRUE(builder.Add(Struct{.name = "open", .size_bytes = 8, .members = {}}));        // 8
  EXPECT_TRUE(builder.Add(DeclTag{"log2_hist", TypeId{1}, -1}));                           // 9
  EXPECT_TRUE(builder.Add(DeclTag{"kptr", TypeId{1}, 2}));                                 // 10
  EXPECT_TRUE(builder.Add(DeclTag{"second", TypeId{1}, -1}));                              // 11
  return builder.BuildTypes("a.o: .BTF").value();
}

// More lookups than are done without the index.
constexpr int kManyLookups = 40;

TEST(BtfLookup, AnswersTheSameWithAndWithoutTheIndex) {
  const auto types = Sample();
  for (int i = 0; i < kManyLookups; ++i) {
    EXPECT_EQ(types->FindByName("task", Kind::kStruct).value(), TypeId{1});
    EXPECT_EQ(types->FindByName("task___old", Kind::kStruct).value(), TypeId{2});
    EXPECT_EQ(types->FindByName("task", Kind::kForward).value(), TypeId{3});
    EXPECT_FALSE(types->FindByName("tas", Kind::kStruct));
    EXPECT_THAT(types->FindAllByEssentialName("task"), ElementsAre(TypeId{1}, TypeId{2}, TypeId{3}));
    EXPECT_THAT(types->FindAllByEssentialName("task___old"), ElementsAre());
    EXPECT_THAT(types->FindAll("open"), ElementsAre(TypeId{6}, TypeId{7}, TypeId{8}));
    EXPECT_THAT(types->FindAll(""), ElementsAre(TypeId{5}));
  }
}

TEST(BtfLookup, NamesAllMatchesWhenOneIsWanted) {
  const auto types = Sample();
  EXPECT_EQ(types->FindUnique("open", Kind::kFunc).value(), TypeId{6});
  EXPECT_EQ(types->FindUnique("subtask").value(), TypeId{4});
  const auto several = types->FindUnique("open", Kind::kStruct);
  EXPECT_EQ(several.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(several.error().message(), HasSubstr("there are 2 of STRUCT open: types 7, 8"));
  EXPECT_EQ(types->FindUnique("nothing").error().code(), ErrorCode::kNotFound);
}

TEST(BtfLookup, ListsTheTagsOfATypeAndOfAMember) {
  const auto types = Sample();
  EXPECT_THAT(types->TagsOf(TypeId{1}), ElementsAre("log2_hist", "second"));
  EXPECT_THAT(types->TagsOf(TypeId{1}, 2), ElementsAre("kptr"));
  EXPECT_THAT(types->TagsOf(TypeId{2}), ElementsAre());
}

TEST(BtfLookup, FindsTypesOfABaseFirst) {
  const auto base = Sample();
  Builder builder(base);
  ASSERT_TRUE(builder.Add(Struct{.name = "open", .size_bytes = 16, .members = {}}));  // 12
  const auto split = Btf::Parse(builder.Build().value(), "split", base).value();
  for (int i = 0; i < kManyLookups; ++i) {
    EXPECT_EQ(split->FindByName("open", Kind::kStruct).value(), TypeId{7});
    EXPECT_THAT(split->FindAll("open", Kind::kStruct), ElementsAre(TypeId{7}, TypeId{8}, TypeId{12}));
  }
}

// Writers may let a string end in another one.
TEST(BtfLookup, FindsNamesThatShareTheEndOfAString) {
  test::BtfWriter writer;
  const std::uint32_t whole = writer.String("subtask");
  writer.Type(4, "subtask", 0, 4);
  writer.Type(4, "subtask", 0, 8);
  auto bytes = writer.Bytes();
  bytes[24 + 12] = static_cast<std::byte>(whole + 3);  // the second one's name
  const auto types = Btf::Parse(bytes).value();
  for (int i = 0; i < kManyLookups; ++i) EXPECT_EQ(types->FindByName("task", Kind::kStruct).value(), TypeId{2});
}

TEST(BtfLookup, SurvivesAsManyCandidatesAsThereAreStrings) {
  Builder builder;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(builder.Add(Struct{.name = "s" + std::to_string(i) + "x", .size_bytes = 4, .members = {}}));
    ASSERT_TRUE(builder.Add(Struct{.name = "x___" + std::to_string(i), .size_bytes = 4, .members = {}}));
  }
  const auto types = builder.BuildTypes().value();
  EXPECT_EQ(types->FindAllByEssentialName("x").size(), 1000U);
  EXPECT_FALSE(types->FindByName("x", Kind::kStruct));
}

TEST(BtfLookup, MayBeDoneFromManyThreads) {
  const auto types = Sample();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&types] {
      for (int i = 0; i < kManyLookups; ++i) {
        EXPECT_EQ(types->FindByName("open", Kind::kFunc).value(), TypeId{6});
        EXPECT_EQ(types->TagsOf(TypeId{1}).size(), 2U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace strata::btf
