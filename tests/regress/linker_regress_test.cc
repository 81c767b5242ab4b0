#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/elf/linker.h"
#include "strata/isa/builder.h"
#include "support/elf_writer.h"

namespace strata::elf {
namespace {

// The linker took a section without a name for one of no interest, and lost its functions.
TEST(LinkerRegression, RefusesSectionsWithoutAName) {
  isa::Builder code;
  code.Mov(isa::kR0, 0).Exit();
  const auto bytes = test::ElfWriter().Code("", "function", std::move(code).Build().value()).Bytes();
  const LinkInput input[] = {{"object", bytes}};
  const auto linked = LinkObjects(input);
  ASSERT_FALSE(linked.has_value());
  EXPECT_EQ(linked.error().message(), "object: section number 1: has no name, and sections are joined by their names");
}

// The linker took the value for zero, and made a function of one that could not be read.
TEST(LinkerRegression, RefusesSectionSymbolsWithAValue) {
  isa::Builder code;
  code.Mov(isa::kR0, 0).Exit();
  const auto bytes = test::ElfWriter()
                         .Code(".text", "function", std::move(code).Build().value())
                         .Symbol("", 8, 0, {.type = STT_SECTION, .binding = STB_LOCAL})
                         .Bytes();
  const LinkInput input[] = {{"object", bytes}};
  const auto linked = LinkObjects(input);
  ASSERT_FALSE(linked.has_value());
  EXPECT_THAT(linked.error().message(), testing::HasSubstr("the symbol of section number 1 has the value 8, not 0"));
}

}  // namespace
}  // namespace strata::elf
