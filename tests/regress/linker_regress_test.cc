#include <gtest/gtest.h>

#include "strata/elf/linker.h"
#include "strata/elf/reader.h"
#include "strata/isa/builder.h"
#include "support/elf_writer.h"

namespace strata::elf {
namespace {

// The linker took a section without a name for one of no interest.
TEST(LinkerRegression, KeepsFunctionsOfSectionsWithoutAName) {
  isa::Builder code;
  code.Mov(isa::kR0, 0).Exit();
  const auto bytes = test::ElfWriter().Code("", "function", std::move(code).Build().value()).Bytes();
  const LinkInput input[] = {{"object", bytes}};
  const auto linked = ReadCollectionSpec(LinkObjects(input).value()).value();
  EXPECT_TRUE(linked.programs.contains("function"));
}

}  // namespace
}  // namespace strata::elf
