// One source means one thing, whichever compiler, instruction set and byte order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "reading.h"
#include "strata/spec/flatten.h"

namespace strata {
namespace {

using test::Read;

// "kconfig" of "/x/kconfig_clang-13_v1.bpf.o".
std::string SourceOf(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  return name.substr(0, name.find("_clang"));
}

template <typename Entries>
std::vector<std::string> KeysOf(const Entries& entries) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : entries) keys.push_back(key);
  return keys;
}

// Compilers choose for themselves what constants need a section of their own.
std::vector<std::string> NamedMapsOf(const CollectionSpec& spec) {
  std::vector<std::string> keys = KeysOf(spec.maps);
  std::erase_if(
      keys, [](const std::string& key) { return key.starts_with(".rodata.str") || key.starts_with(".rodata.cst"); });
  return keys;
}

TEST(Compilers, AgreeOnMapsProgramsAndVariables) {
  const auto others = test::SplitPaths(STRATA_OTHER_OBJECTS);
  if (others.empty()) GTEST_SKIP() << "no other version of clang is installed";
  for (const std::string& path : others) {
    SCOPED_TRACE(path);
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    const auto reference = Read((folder / (SourceOf(path) + ".bpf.o")).string());
    const auto read = elf::ReadCollectionSpec(test::ReadFile(path), {.path = path});
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(NamedMapsOf(*read), NamedMapsOf(reference));
    EXPECT_EQ(KeysOf(read->programs), KeysOf(reference.programs));
    EXPECT_EQ(KeysOf(read->externs), KeysOf(reference.externs));
    EXPECT_EQ(KeysOf(read->variables), KeysOf(reference.variables));
    for (const auto& [name, program] : read->programs) {
      const ProgramSpec& expected = reference.programs.at(name);
      EXPECT_EQ(program.attach_to, expected.attach_to);
      EXPECT_EQ(program.type_of_program, expected.type_of_program);
      EXPECT_EQ(read->types->NameOf(program.type), name);
      const auto flat = Flatten(*read, program);
      EXPECT_TRUE(flat) << flat.error().message();
    }
    for (const auto& [name, map] : reference.maps) {
      if (map.is_data_section) continue;
      EXPECT_EQ(read->maps.at(name).type, map.type);
      EXPECT_EQ(read->maps.at(name).value_size, map.value_size);
      EXPECT_EQ(read->maps.at(name).slots, map.slots);
    }
  }
}

}  // namespace
}  // namespace strata
