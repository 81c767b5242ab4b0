#include "strata/elf/image.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "support/elf_writer.h"

namespace strata::elf {
namespace {

using testing::HasSubstr;

Image TestImage() { return Image::Open(STRATA_TEST_IMAGE).value(); }

// A file that goes with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<std::byte>& bytes) {
    char name[] = "/tmp/strata_image_XXXXXX";
    const int fd = ::mkstemp(name);
    path_ = name;
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Image, FindsFunctionsWhereTheCodeIs) {
  const Image image = TestImage();
  const ImageSymbol add = image.FindSymbol("strata_test_add").value();
  EXPECT_EQ(add.kind, SymbolKind::kFunction);
  EXPECT_GT(add.size_bytes, 0U);
  EXPECT_EQ(image.FileOffsetOf(add.address).value(), add.file_offset);
  EXPECT_EQ(image.AddressOf(add.file_offset).value(), add.address);

  // The bytes at the file offset are those that the loader maps at the symbol.
  void* library = ::dlopen(STRATA_TEST_IMAGE, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr);
  const auto* loaded = static_cast<const std::byte*>(::dlsym(library, "strata_test_add"));
  ASSERT_NE(loaded, nullptr);
  const auto bytes = image.ReadBytes(add.file_offset, add.size_bytes).value();
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), loaded));
  ::dlclose(library);
}

TEST(Image, FindsLocalAndWeakSymbolsAndObjects) {
  const Image image = TestImage();
  EXPECT_TRUE(image.FindSymbol("strata_test_local").has_value());
  EXPECT_TRUE(image.FindSymbol("strata_test_weak").has_value());
  EXPECT_EQ(image.FindSymbol("strata_test_counter")->kind, SymbolKind::kObject);
}

TEST(Image, IgnoresVersions) {
  const Image libc = Image::Open("/lib/x86_64-linux-gnu/libc.so.6").value();
  const auto malloc = libc.FindSymbol("malloc").value();
  EXPECT_EQ(libc.FindSymbol("malloc@@GLIBC_2.2.5").value(), malloc);
  EXPECT_EQ(libc.FindSymbol("malloc@GLIBC_2.2.5").value(), malloc);
  EXPECT_EQ(malloc.kind, SymbolKind::kFunction);
}

TEST(Image, PrefersTheDefaultVersion) {
  const Image libc = Image::Open("/lib/x86_64-linux-gnu/libc.so.6").value();
  const auto symbol = libc.FindSymbol("pthread_cond_wait").value();
  const auto* chosen = static_cast<const std::byte*>(::dlvsym(RTLD_DEFAULT, "pthread_cond_wait", "GLIBC_2.3.2"));
  Dl_info info;
  ASSERT_NE(::dladdr(chosen, &info), 0);
  EXPECT_EQ(symbol.address, static_cast<std::uint64_t>(chosen - static_cast<const std::byte*>(info.dli_fbase)));
}

TEST(Image, RefusesIndirectFunctionsByName) {
  const auto result = TestImage().FindSymbol("strata_test_indirect");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(result.error().message(), HasSubstr("symbol strata_test_indirect is an indirect function (GNU_IFUNC)"));
}

TEST(Image, SuggestsTheNearestName) {
  const auto result = TestImage().FindSymbol("strata_test_ad");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(result.error().message(), HasSubstr("no symbol named strata_test_ad (there is strata_test_add)"));
  EXPECT_THAT(TestImage().FindSymbol("zzzzzzzzzzzzzzzzz").error().message(),
              testing::EndsWith("no symbol named zzzzzzzzzzzzzzzzz"));
}

TEST(Image, ListsSymbolsByAddressOnce) {
  const auto symbols = TestImage().Symbols().value();
  ASSERT_FALSE(symbols.empty());
  std::size_t found = 0;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    EXPECT_LE(symbols[i == 0 ? 0 : i - 1].address, symbols[i].address);
    if (symbols[i].name == "strata_test_add") ++found;
  }
  EXPECT_EQ(found, 1U);
}

TEST(Image, KnowsItsBuildIdSegmentsAndMachine) {
  const Image image = TestImage();
  EXPECT_EQ(image.build_id().size(), 20U);
  EXPECT_EQ(image.build_id_text().size(), 40U);
  EXPECT_EQ(image.machine(), EM_X86_64);
  EXPECT_TRUE(image.is_64_bit());
  EXPECT_TRUE(image.is_position_independent());
  EXPECT_TRUE(std::any_of(image.segments().begin(), image.segments().end(),
                          [](const ImageSegment& segment) { return segment.is_executable && !segment.is_writable; }));
}

TEST(Image, RefusesAddressesOutsideOfItsSegments) {
  const Image image = TestImage();
  EXPECT_EQ(image.FileOffsetOf(0xffffffff0000).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(image.AddressOf(image.size_bytes()).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(image.ReadBytes(image.size_bytes() - 1, 2).error().message(), HasSubstr("is outside of the file's"));
}

TEST(Image, AnswersManyThreadsAtOnce) {
  const Image image = TestImage();
  const ImageSymbol expected = TestImage().FindSymbol("strata_test_add").value();
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { right += image.FindSymbol("strata_test_add").value() == expected ? 1 : 0; });
  }
  threads.clear();
  EXPECT_EQ(right, 8);
}

TEST(Image, NamesThePathOfWhatItCannotOpen) {
  EXPECT_EQ(Image::Open("/no/such/file").error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(Image::Open("/no/such/file").error().message(), HasSubstr("/no/such/file: "));
  EXPECT_THAT(Image::Open("/tmp").error().message(), HasSubstr("/tmp: is no regular file"));
  EXPECT_THAT(Image::Open("/etc/passwd").error().message(), HasSubstr("/etc/passwd: is no ELF file"));
  const TemporaryFile object(test::ElfWriter(ET_REL, EM_X86_64).Bytes());
  EXPECT_THAT(Image::Open(object.path()).error().message(), HasSubstr("neither an executable nor a shared library"));
}

TEST(Image, MapsAddressesByItsOwnSegments) {
  test::ElfWriter writer(ET_EXEC, EM_X86_64);
  writer.Segment({.p_type = PT_LOAD,
                  .p_flags = PF_R | PF_X,
                  .p_offset = 0,
                  .p_vaddr = 0x400000,
                  .p_paddr = 0,
                  .p_filesz = 0x80,
                  .p_memsz = 0x1000,
                  .p_align = 0x1000});
  writer.Section(".text", std::vector<std::byte>(64)).Symbol("inside", 0x400010, 4, {.type = STT_FUNC});
  writer.Symbol("zero_filled", 0x400200, 4, {.type = STT_OBJECT});
  const TemporaryFile file(writer.Bytes());
  const Image image = Image::Open(file.path()).value();
  EXPECT_FALSE(image.is_position_independent());
  EXPECT_EQ(image.FindSymbol("inside")->file_offset, 0x10U);
  EXPECT_EQ(image.FindSymbol("zero_filled").error().code(), ErrorCode::kNotFound);
}

TEST(Image, RefusesSegmentsOutsideOfTheFile) {
  test::ElfWriter writer(ET_DYN, EM_X86_64);
  writer.Segment({.p_type = PT_LOAD,
                  .p_flags = PF_R,
                  .p_offset = 0,
                  .p_vaddr = 0,
                  .p_paddr = 0,
                  .p_filesz = 1 << 30,
                  .p_memsz = 1 << 30,
                  .p_align = 0x1000});
  const TemporaryFile file(writer.Bytes());
  EXPECT_THAT(Image::Open(file.path()).error().message(), HasSubstr("program header 0: [0, +1073741824) is outside"));
}

TEST(Image, SurvivesTruncation) {
  const auto bytes = test::ReadFile(STRATA_TEST_IMAGE);
  ASSERT_FALSE(bytes.empty());
  for (std::size_t size = 0; size < bytes.size(); size += 97) {
    const TemporaryFile file({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
    const auto image = Image::Open(file.path());
    ASSERT_FALSE(image) << size;
    EXPECT_THAT(image.error().message(), HasSubstr(file.path()));
  }
}

}  // namespace
}  // namespace strata::elf
