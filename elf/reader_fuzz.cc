// Any file is read or refused, and read equally twice.
#include "fuzz/fuzz_input.h"
#include "strata/elf/reader.h"
#include "strata/spec/flatten.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = strata::test::FuzzInput(data, size).rest();
  const auto spec = strata::elf::ReadCollectionSpec(bytes);
  if (!spec) {
    strata::test::Require(!spec.error().message().empty(), "an error without a message");
    return 0;
  }
  const auto again = strata::elf::ReadCollectionSpec(bytes);
  strata::test::Require(again.has_value() && *again == *spec, "two readings differ");
  for (const auto& [name, program] : spec->programs) static_cast<void>(strata::Flatten(*spec, program));
  return 0;
}
