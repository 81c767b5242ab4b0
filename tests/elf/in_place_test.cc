// Specs that share code and source lines with the bytes they were read from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"

namespace strata {
namespace {

struct Object {
  std::shared_ptr<const std::vector<std::byte>> bytes;
  CollectionSpec spec;
};

Object ReadInPlace(const std::string& path) {
  auto bytes = std::make_shared<const std::vector<std::byte>>(test::ReadFile(path));
  auto spec = elf::ReadCollectionSpec(*bytes, {.path = path, .owner = bytes}).value();
  return {std::move(bytes), std::move(spec)};
}

bool IsInside(const void* place, const std::vector<std::byte>& bytes) {
  const auto* at = static_cast<const std::byte*>(place);
  return at >= bytes.data() && at < bytes.data() + bytes.size();
}

TEST(InPlace, SaysWhatACopySays) {
  const auto objects = test::SplitPaths(STRATA_TEST_OBJECTS);
  ASSERT_GT(objects.size(), 15U);
  for (const std::string& path : objects) {
    const auto bytes = std::make_shared<const std::vector<std::byte>>(test::ReadFile(path));
    const auto copied = elf::ReadCollectionSpec(*bytes, {.path = path});
    const auto in_place = elf::ReadCollectionSpec(*bytes, {.path = path, .owner = bytes});
    ASSERT_EQ(copied.has_value(), in_place.has_value()) << path;
    if (!copied) continue;
    EXPECT_TRUE(*copied == *in_place) << path;
  }
}

TEST(InPlace, SharesTheCodeAndKeepsItAlive) {
  auto object = ReadInPlace(STRATA_BPF_PROGRAMS);
  const ProgramSpec& program = object.spec.programs.at("on_malloc");
  EXPECT_TRUE(IsInside(program.instructions.data(), *object.bytes));
  const std::weak_ptr<const std::vector<std::byte>> alive = object.bytes;
  object.bytes.reset();
  EXPECT_FALSE(alive.expired());
  EXPECT_EQ(program.instructions.back().opcode, 0x95);
  EXPECT_EQ(program.line_infos[0].index.value, 0U);
  object.spec = {};
  EXPECT_TRUE(alive.expired());
}

TEST(InPlace, EditsLeaveTheBytesAlone) {
  auto object = ReadInPlace(STRATA_BPF_PROGRAMS);
  const auto before = *object.bytes;
  ProgramSpec& program = object.spec.programs.at("on_malloc");
  const std::size_t size = program.instructions.size();
  const std::size_t lines = program.line_infos.size();
  ASSERT_TRUE(program.Insert(isa::InsnIndex{0}, {{.opcode = 0xb7}}));
  EXPECT_EQ(program.instructions.size(), size + 1);
  EXPECT_GE(program.line_infos.size(), lines);
  EXPECT_EQ(*object.bytes, before);
}

TEST(InPlace, CodeThatIsNotAlignedIsCopied) {
  const auto file = test::ReadFile(STRATA_BPF_PROGRAMS);
  auto shifted = std::make_shared<std::vector<std::byte>>(file.size() + 1);
  std::copy(file.begin(), file.end(), shifted->begin() + 1);
  const auto bytes = std::span<const std::byte>(*shifted).subspan(1);
  const auto spec = elf::ReadCollectionSpec(bytes, {.path = STRATA_BPF_PROGRAMS, .owner = shifted}).value();
  EXPECT_FALSE(IsInside(spec.programs.at("on_malloc").instructions.data(), *shifted));
  EXPECT_TRUE(spec == test::Read(STRATA_BPF_PROGRAMS));
}

TEST(InPlace, BytesOfTheOtherByteOrderAreCopied) {
  const auto object = ReadInPlace(STRATA_BPF_PROGRAMS_BIG_ENDIAN);
  EXPECT_FALSE(IsInside(object.spec.programs.at("on_malloc").instructions.data(), *object.bytes));
}

TEST(InPlace, BytesOfTheProgramNeedNoOwnerToCount) {
  static const auto kBytes = test::ReadFile(STRATA_BPF_PROGRAMS);
  const auto spec = elf::ReadCollectionSpec(kBytes, {.owner = elf::KeepForever(kBytes)}).value();
  EXPECT_TRUE(IsInside(spec.programs.at("on_malloc").instructions.data(), kBytes));
}

}  // namespace
}  // namespace strata
