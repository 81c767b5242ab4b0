#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "strata/btf/builder.h"
#include "strata/btf/format_value.h"
#include "support/elf_writer.h"
#include "support/vmlinux.h"

namespace strata::btf {
namespace {

using testing::HasSubstr;

std::vector<std::byte> Sample() {
  Builder builder;
  const TypeId number = builder.Add(Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true}).value();
  const TypeId list = builder.Add(Array{number, number, 3}).value();
  const Member members[] = {{.name = "list", .type = list}, {.name = "bits", .type = number, .bit_offset = 96}};
  EXPECT_TRUE(builder.Add(Struct{"sample", 16, RecordList<Member>(members)}));
  const EnumValue values[] = {{"LOW", -5}, {"HIGH", 7}};
  EXPECT_TRUE(builder.Add(Enum{"level", 4, true, RecordList<EnumValue>(values)}));
  EXPECT_TRUE(builder.Add(Typedef{"sample_t", TypeId{3}}));
  EXPECT_TRUE(builder.Add(DeclTag{"tag", TypeId{3}, 0}));
  return builder.Build().value();
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<std::byte>& bytes) {
    const int fd = ::mkstemp(path_.data());
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/strata-btf-XXXXXX";
};

TEST(BtfOpen, ReadsAFile) {
  const TemporaryFile file(Sample());
  const auto types = Btf::Open(file.path()).value();
  EXPECT_EQ(types->FindByName("sample", Kind::kStruct).value(), TypeId{3});
  EXPECT_EQ(std::vector<std::byte>(types->bytes().begin(), types->bytes().end()), Sample());
  EXPECT_TRUE(types->Check());
}

TEST(BtfOpen, NamesTheFileThatCannotBeRead) {
  const auto missing = Btf::Open("/nonexistent/types.btf");
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("/nonexistent/types.btf"));
  EXPECT_THAT(Btf::Open("/tmp").error().message(), HasSubstr("/tmp"));
  const TemporaryFile empty({});
  EXPECT_THAT(Btf::Open(empty.path()).error().message(), HasSubstr(empty.path()));
}

TEST(BtfOpen, ReadsWhateverLengthTheFileStates) {
  const auto nothing = Btf::Open("/proc/self/status");  // of stated size 0
  EXPECT_THAT(nothing.error().message(), HasSubstr("magic"));
}

TEST(BtfOpen, ChecksATypeWhenItIsUsed) {
  test::BtfWriter writer;
  writer.Type(1, "broken", 0, 4, {200});
  writer.Int("int", 4);
  writer.Type(4, "outside", 1, 4, {5000, 77, 0});
  const TemporaryFile file(writer.Bytes());
  const auto types = Btf::Open(file.path()).value();
  EXPECT_THAT(types->TypeById(TypeId{1}).error().message(), HasSubstr("200 bits do not fit 4 bytes"));
  EXPECT_THAT(types->SizeOf(TypeId{1}).error().message(), HasSubstr("200 bits do not fit 4 bytes"));
  EXPECT_TRUE(types->TypeById(TypeId{2}));
  const auto outside = types->Get<Struct>(TypeId{3}).value();
  EXPECT_EQ(outside.members[0].name, "");
  EXPECT_FALSE(types->TypeById(outside.members[0].type));
  EXPECT_THAT(types->Check().error().message(), HasSubstr("type 1 (INT)"));
  EXPECT_FALSE(Btf::Open(file.path(), nullptr, Checking::kNow));
}

// Every accessor over everything that kOnUse lets through.
TEST(BtfOpen, SurvivesFlippedBytesUncheckedToo) {
  const auto good = Sample();
  const std::vector<std::byte> value(64, std::byte{0xa5});
  std::mt19937 random(20250117);
  std::size_t refused_by_check = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = good;
    for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto types = Btf::Parse(std::move(bytes), "f", nullptr, Checking::kOnUse);
    if (!types) continue;
    if (!(*types)->Check()) ++refused_by_check;
    for (std::uint32_t id = 0; id < (*types)->type_count() + 2; ++id) {
      static_cast<void>((*types)->SizeOf(TypeId{id}));
      static_cast<void>((*types)->Describe(TypeId{id}));
      static_cast<void>((*types)->TagsOf(TypeId{id}));
      static_cast<void>(FormatValue(**types, TypeId{id}, value));
      static_cast<void>((*types)->FindAllByEssentialName((*types)->NameOf(TypeId{id})));
    }
    Builder builder;
    if (builder.Copy(**types)) {
      EXPECT_TRUE(builder.Build());
    }
  }
  EXPECT_GT(refused_by_check, 0U);
}

TEST(BtfOpen, EndsOnCirclesOfEveryKind) {
  test::BtfWriter writer;
  writer.Type(8, "a", 0, 2);
  writer.Type(10, "", 0, 1);
  writer.Type(3, "", 0, 0, {4, 1, 2});
  writer.Type(14, "v", 0, 3, {0});
  writer.Type(2, "", 0, 5);
  const auto types = Btf::Parse(writer.Bytes()).value();
  for (std::uint32_t id = 1; id < types->type_count(); ++id) {
    EXPECT_EQ(types->SizeOf(TypeId{id}).has_value(), id == 5) << id;
    EXPECT_FALSE(types->Describe(TypeId{id}).empty());
  }
}

TEST(BtfOpen, MapsTheKernelsTypesAndReadsThemAll) {
  STRATA_NEEDS_VMLINUX();
  const auto types = Btf::Open(test::kVmlinux).value();
  ASSERT_TRUE(types->Check());
  const TypeId task = types->FindByName("task_struct", Kind::kStruct).value();
  EXPECT_GT(types->Get<Struct>(task)->members.size(), 50U);
  EXPECT_THAT(types->FindAllByEssentialName("task_struct"), testing::Contains(task));
}

TEST(BtfOpen, FindsEveryNameOfTheKernelAsAScanDoes) {
  STRATA_NEEDS_VMLINUX();
  const auto types = Btf::Open(test::kVmlinux).value();
  for (std::uint32_t id = 1; id < types->type_count(); id += 997) {
    const std::string_view name = types->NameOf(TypeId{id});
    if (name.empty()) continue;
    std::vector<TypeId> expected;
    for (std::uint32_t other = 1; other < types->type_count(); ++other) {
      if (types->NameOf(TypeId{other}) == name) expected.push_back(TypeId{other});
    }
    EXPECT_EQ(types->FindAll(name), expected) << name;
  }
}

}  // namespace
}  // namespace strata::btf
