#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "strata/elf/reader.h"
#include "strata/spec/skeleton.h"
#include "support/golden.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::byte> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

CollectionSpec ReadSpec(const std::string& path) {
  return elf::ReadCollectionSpec(ReadFile(path), {.path = path}).value();
}

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// By both compilers, with what careful projects ask for.
void ExpectCompiles(const std::string& text) {
  std::string path = "/tmp/strata-skeleton-XXXXXX.h";
  const int fd = ::mkstemps(path.data(), 2);
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << text;
  for (const std::string compiler : {STRATA_CXX_COMPILER, STRATA_CLANGXX}) {
    const std::string command = compiler +
                                " -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "
                                "-x c++ -include " +
                                path + " /dev/null " STRATA_INCLUDE_OPTIONS " >&2";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
  ::unlink(path.c_str());
}

TEST(GenerateSkeleton, WritesWhatTheGoldenFileHas) {
  const std::string_view object(
      "\x7f"
      "ELF\0\0"
      "1\"\\?x\377",
      12);
  const auto text = GenerateSkeleton(ReadSpec(STRATA_BPF_RICH), Bytes(object), {.name_space = "tests::bpf"});
  test::ExpectGolden(text.value(), std::string(STRATA_GOLDEN_FOLDER) + "/rich.skel.h.golden");
}

TEST(GenerateSkeleton, WritesHeadersThatCompile) {
  ExpectCompiles(GenerateSkeleton(ReadSpec(STRATA_BPF_RICH), ReadFile(STRATA_BPF_RICH)).value());
}

TEST(GenerateSkeleton, KnowsSizesOnlyWithoutBtf) {
  const std::string text = GenerateSkeleton(ReadSpec(STRATA_BPF_NO_TYPES), ReadFile(STRATA_BPF_NO_TYPES)).value();
  EXPECT_THAT(text, HasSubstr("strata::HashMap<std::array<std::byte, 4>, std::array<std::byte, 16>> old;"));
  ExpectCompiles(text);
}

TEST(GenerateSkeleton, CompilesForAnObjectOfNothing) {
  CollectionSpec spec;
  spec.name = "nothing-at all";
  const std::string text = GenerateSkeleton(spec, {}).value();
  EXPECT_THAT(text, HasSubstr("class nothing_at_all {"));
  ExpectCompiles(text);
}

TEST(GenerateSkeleton, EmbedsALargeObject) {
  CollectionSpec spec;
  spec.name = "large";
  std::vector<std::byte> object(2 << 20);
  for (std::size_t i = 0; i < object.size(); ++i) object[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  ExpectCompiles(GenerateSkeleton(spec, object).value());
}

TEST(GenerateSkeleton, LetsNoNameOutOfItsPlace) {
  CollectionSpec spec;
  spec.name = "hostile";
  MapSpec map;
  map.type = MapType::kQueue;
  spec.maps["a\"); system(\"x\n"] = map;
  ProgramSpec program;
  program.section_name = "uprobe\nint injected;\\";
  spec.programs["a\\"] = program;
  VariableSpec variable;
  variable.map_name = ".data\nint injected;";
  variable.value = {std::byte{1}};
  spec.variables["v\""] = variable;
  const std::string text = GenerateSkeleton(spec, {}).value();
  EXPECT_THAT(text, Not(HasSubstr("\nint injected")));

  ExpectCompiles(text);
}

TEST(GenerateSkeleton, DefinesTypesThatAreAskedFor) {
  const auto spec = ReadSpec(STRATA_BPF_RICH);
  EXPECT_THAT(GenerateSkeleton(spec, {}, {.types = {"pt_regs"}}).value(), HasSubstr("struct pt_regs {"));
  EXPECT_THAT(GenerateSkeleton(spec, {}).value(), Not(HasSubstr("struct pt_regs {")));
  const auto missing = GenerateSkeleton(spec, {}, {.types = {"no_such_type"}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("there is no type no_such_type"));
}

TEST(GenerateSkeleton, RefusesNamesThatCppDoesNotTake) {
  const auto spec = ReadSpec(STRATA_BPF_RICH);
  for (const char* name : {"class", "1st", "a b", "errno", "rodata", "Maps", "strata", "Bss"}) {
    const auto text = GenerateSkeleton(spec, {}, {.name = name});
    ASSERT_FALSE(text) << name;
    EXPECT_EQ(text.error().code(), ErrorCode::kInvalidArgument) << name;
    EXPECT_THAT(text.error().message(), HasSubstr(name));
  }
  for (const char* name_space : {"a::", "::a", "a:b", "namespace", "a::class::b"}) {
    const auto text = GenerateSkeleton(spec, {}, {.name_space = name_space});
    ASSERT_FALSE(text) << name_space;
    EXPECT_EQ(text.error().code(), ErrorCode::kInvalidArgument) << name_space;
  }
}

TEST(GenerateSkeleton, RefusesTheOtherByteOrder) {
  CollectionSpec spec;
  spec.name = "big";
  spec.byte_order = std::endian::big;
  const auto text = GenerateSkeleton(spec, {});
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code(), ErrorCode::kNotSupported);
}

}  // namespace
}  // namespace strata
