#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "random_types.h"
#include "strata/btf/builder.h"
#include "support/elf_section.h"
#include "support/vmlinux.h"

namespace strata::btf {
namespace {

std::shared_ptr<const Btf> TypesOf(const std::string& object) {
  return Btf::Parse(test::ElfSection(object, ".BTF"), object).value();
}

// Written in both byte orders and read again, the types are the same under the same ids.
void ExpectRoundTrip(const Btf& types) {
  Builder builder;
  ASSERT_TRUE(builder.Copy(types));
  const auto expected = TypeTexts(types);
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    const auto again = Btf::Parse(builder.Build(order).value(), "again").value();
    EXPECT_EQ(again->byte_order(), order);
    EXPECT_EQ(TypeTexts(*again), expected);
  }
}

TEST(BtfRoundTrip, KeepsWhatCompilersWrite) {
  for (const char* object : {STRATA_BPF_SHAPES, STRATA_BPF_LEFT, STRATA_BPF_RIGHT, STRATA_BPF_CORE, STRATA_BPF_MAPS}) {
    SCOPED_TRACE(object);
    ExpectRoundTrip(*TypesOf(object));
  }
}

TEST(BtfRoundTrip, ConvertsAnObjectOfTheOtherByteOrder) {
  const auto big = TypesOf(STRATA_BPF_SHAPES);
  Builder builder;
  ASSERT_TRUE(builder.Copy(*big));
  const auto swapped = Btf::Parse(builder.Build(std::endian::big).value()).value();
  Builder back;
  ASSERT_TRUE(back.Copy(*swapped));
  EXPECT_EQ(back.Build().value(), builder.Build().value());
}

TEST(BtfRoundTrip, KeepsRandomTypes) {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    ExpectRoundTrip(*RandomTypes(seed, 100).BuildTypes().value());
  }
}

TEST(BtfRoundTrip, KeepsRandomSplitTypes) {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    const auto base = RandomTypes(seed, 50).BuildTypes().value();
    const auto split = RandomTypes(seed + 1000, 50, base).BuildTypes().value();
    ASSERT_EQ(split->type_count(), 101U);
    ExpectRoundTrip(*split);
  }
}

// Every value that is read can be written: Add() of what TypeById() gives.
TEST(BtfRoundTrip, KeepsTypesThatAreAddedOneByOne) {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    const auto types = RandomTypes(seed, 100).BuildTypes().value();
    Builder builder;
    for (std::uint32_t id = 1; id < types->type_count(); ++id) {
      ASSERT_TRUE(builder.Add(types->TypeById(TypeId{id}).value()));
    }
    EXPECT_EQ(TypeTexts(*builder.BuildTypes().value()), TypeTexts(*types));
  }
}

TEST(BtfRoundTrip, KeepsTheKernelsTypes) {
  STRATA_NEEDS_VMLINUX();
  const auto types = Btf::Open(test::kVmlinux).value();
  Builder builder;
  ASSERT_TRUE(builder.Copy(*types));
  const auto again = Btf::Parse(builder.Build().value(), "again").value();
  EXPECT_EQ(TypeTexts(*again), TypeTexts(*types));
}

}  // namespace
}  // namespace strata::btf
