#include "strata/base/mapped_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace strata {
namespace {

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    const int fd = ::mkstemp(path_.data());
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::write(fd, "hello", 5), 5);
    ::close(fd);
  }
  void TearDown() override { ::unlink(path_.c_str()); }
  std::string path_ = testing::TempDir() + "mapped_file_XXXXXX";
};

TEST_F(MappedFileTest, HoldsTheWholeFile) {
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()), "hello");
}

TEST_F(MappedFileTest, SurvivesTruncation) {
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file);
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  EXPECT_EQ(file->bytes()[4], std::byte{'o'});
}

TEST_F(MappedFileTest, EmptyFileHasNoBytes) {
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, ErrorsNameThePath) {
  EXPECT_EQ(MappedFile::Open("/no/such.o").error().message(), "/no/such.o: No such file or directory");
  EXPECT_EQ(MappedFile::Open("/").error().message(), "/: is a directory");
  EXPECT_EQ(MappedFile::Open("/dev/null").error().message(), "/dev/null: is not a regular file");
}

}  // namespace
}  // namespace strata
