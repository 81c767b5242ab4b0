#include "strata/elf/types_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "strata/btf/builder.h"
#include "strata/btf/distill.h"
#include "support/elf_writer.h"

namespace strata::elf {
namespace {

using btf::Btf;
using btf::Builder;
using btf::Kind;
using btf::TypeId;
using testing::HasSubstr;

class TypesFile : public testing::Test {
 protected:
  std::string Write(const std::vector<std::byte>& bytes) {
    std::string path = testing::TempDir() + "strata-types-XXXXXX";
    const int fd = ::mkstemp(path.data());
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
    paths_.push_back(path);
    return path;
  }
  void TearDown() override {
    for (const std::string& path : paths_) ::unlink(path.c_str());
  }

 private:
  std::vector<std::string> paths_;
};

// `padding` types come first, so that ids differ from build to build.
std::vector<std::byte> Kernel(int padding) {
  Builder builder;
  for (int i = 0; i < padding; ++i) EXPECT_TRUE(builder.Add(btf::Float{"double", 8}));
  EXPECT_TRUE(builder.Add(btf::Struct{.name = "task", .size_bytes = 8, .members = {}}));
  return builder.Build().value();
}

// typedef struct task module_task;
std::vector<std::byte> Module(const std::vector<std::byte>& kernel) {
  const auto base = Btf::Parse(kernel).value();
  Builder builder(base);
  EXPECT_TRUE(builder.Add(btf::Typedef{"module_task", base->FindUnique("task").value()}));
  return builder.Build().value();
}

TEST_F(TypesFile, ReadsRawTypesAndThoseOfAnElfFile) {
  EXPECT_TRUE(ReadTypes(Write(Kernel(0))).value()->FindUnique("task"));
  const std::string object = Write(test::ElfWriter().Section(".BTF", Kernel(0)).Bytes());
  EXPECT_TRUE(ReadTypes(object).value()->FindUnique("task"));
}

TEST_F(TypesFile, ReadsAModuleOverItsBase) {
  const auto kernel = Kernel(3);
  const auto base = Btf::Parse(kernel).value();
  const auto types = ReadTypes(Write(test::ElfWriter(ET_REL, EM_X86_64).Section(".BTF", Module(kernel)).Bytes()), base);
  ASSERT_TRUE(types) << types.error().message();
  EXPECT_EQ((*types)->Describe(TypeId{base->type_count()}), "module_task");
}

TEST_F(TypesFile, MovesAModuleFromItsDistilledBaseToAnotherKernel) {
  const auto built_for = Btf::Parse(Kernel(3)).value();
  const auto module = Btf::Parse(Module(Kernel(3)), "module", built_for).value();
  const auto distilled = btf::Distill(*module).value();
  const std::string path = Write(
      test::ElfWriter(ET_REL, EM_X86_64).Section(".BTF", distilled.split).Section(".BTF.base", distilled.base).Bytes());
  const auto alone = ReadTypes(path).value();
  EXPECT_EQ(alone->KindOf(alone->Get<btf::Typedef>(alone->FindUnique("module_task").value())->target), Kind::kForward);

  const auto running = Btf::Parse(Kernel(20), "running").value();
  const auto moved = ReadTypes(path, running).value();
  EXPECT_EQ(moved->Get<btf::Typedef>(moved->FindUnique("module_task").value())->target,
            running->FindUnique("task").value());
  const auto stranger = Builder().BuildTypes("stranger").value();
  EXPECT_THAT(ReadTypes(path, stranger).error().message(), HasSubstr(path + ": stranger: struct task"));
}

TEST_F(TypesFile, NamesFileAndSectionOfAnError) {
  EXPECT_EQ(ReadTypes("/nonexistent.ko").error().code(), ErrorCode::kNotFound);
  const std::string without = Write(test::ElfWriter().Section("socket").Bytes());
  EXPECT_THAT(ReadTypes(without).error().message(), HasSubstr(without + ": has no section .BTF"));
  const std::string broken = Write(test::ElfWriter().Section(".BTF", test::BytesOf("no types")).Bytes());
  EXPECT_THAT(ReadTypes(broken).error().message(), HasSubstr(broken + ": section .BTF"));
}

}  // namespace
}  // namespace strata::elf
