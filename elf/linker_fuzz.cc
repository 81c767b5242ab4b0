// Linking any two objects, the second of which may be the first.
#include <string>

#include "fuzz/fuzz_input.h"
#include "strata/elf/linker.h"
#include "strata/elf/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  strata::test::FuzzInput input(data, size);
  const auto first = input.TakePart();
  const auto second = input.rest();
  const strata::elf::LinkInput inputs[] = {{"first", first}, {"second", second}};
  const auto linked = strata::elf::LinkObjects(inputs);
  if (!linked) {
    strata::test::Require(!linked.error().message().empty(), "an error without a message");
    return 0;
  }
  const strata::elf::LinkInput again[] = {{"linked", *linked}};
  strata::test::Require(strata::elf::LinkObjects(again).has_value(), "what was linked cannot be linked");
  static_cast<void>(strata::elf::ReadCollectionSpec(*linked));
  return 0;
}
