// Any file is read or refused, and read equally twice; what is read can be printed, flattened, disassembled, and linked
// without a change.
#include "fuzz/fuzz_input.h"
#include "strata/elf/linker.h"
#include "strata/elf/reader.h"
#include "strata/spec/disassembly.h"
#include "strata/spec/flatten.h"
#include "strata/spec/json.h"
#include "strata/spec/print.h"

namespace {

using strata::CollectionSpec;
using strata::test::Require;

void Print(const CollectionSpec& spec) {
  Require(!strata::FormatSpec(spec).empty(), "a spec without text");
  Require(!strata::FormatSpecJson(spec).empty(), "a spec without JSON");
  for (const auto& [name, program] : spec.programs) {
    Require(strata::Disassemble(spec, program).empty() == program.instructions.empty(), "code without text");
    if (const auto flat = strata::Flatten(spec, program)) static_cast<void>(strata::Disassemble(spec, *flat));
  }
}

// But for the ids of types, which the linker may merge, and for code that could not be read.
bool SaysTheSame(const strata::FunctionSpec& a, const strata::FunctionSpec& b) {
  if (!a.unusable.empty()) return true;
  return a.name == b.name && a.section_name == b.section_name && a.CanonicalCode() == b.CanonicalCode() &&
         a.references == b.references && a.core_relocations.size() == b.core_relocations.size();
}

bool SaysTheSame(const CollectionSpec& a, const CollectionSpec& b) {
  if (a.programs.size() != b.programs.size() || a.functions.size() != b.functions.size()) return false;
  for (const auto& [name, program] : a.programs) {
    const auto other = b.programs.find(name);
    if (other == b.programs.end() || !SaysTheSame(program, other->second)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = strata::test::FuzzInput(data, size).rest();
  const auto spec = strata::elf::ReadCollectionSpec(bytes);
  if (!spec) {
    Require(!spec.error().message().empty(), "an error without a message");
    return 0;
  }
  const auto again = strata::elf::ReadCollectionSpec(bytes);
  Require(again.has_value() && *again == *spec, "two readings differ");
  Print(*spec);
  const strata::elf::LinkInput input[] = {{"object", bytes}};
  const auto linked = strata::elf::LinkObjects(input);
  if (!linked) return 0;  // the linker asks more of symbols and relocations
  const auto read = strata::elf::ReadCollectionSpec(*linked);
  Require(!read || SaysTheSame(*spec, *read), "linking one object changes it");
  return 0;
}
