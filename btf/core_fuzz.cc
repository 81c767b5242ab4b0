// CO-RE between any two BTFs: either an error, or code of the same size, poisoned where it says so.
#include "fuzz/fuzz_input.h"
#include "strata/btf/core.h"
#include "strata/btf/ext_reader.h"

namespace {

using strata::btf::Btf;
using strata::test::Require;

// Enough for the records of a small section; relocations past it must be refused, not applied.
constexpr std::size_t kCodeSlots = 512;

// Field accesses of every size, so that every way of patching is met.
std::vector<strata::isa::Instruction> Code() {
  constexpr std::uint8_t kOpcodes[] = {0xb7, 0x61, 0x79, 0x69, 0x71, 0x63, 0x7b, 0x07, 0x81, 0x62};
  std::vector<strata::isa::Instruction> code(kCodeSlots);
  for (std::size_t i = 0; i < code.size(); ++i) code[i].opcode = kOpcodes[i % sizeof(kOpcodes)];
  return code;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  strata::test::FuzzInput input(data, size);
  const auto local = Btf::Parse(strata::test::CopyOf(input.TakePart()));
  const auto target = Btf::Parse(strata::test::CopyOf(input.TakePart()));
  if (!local || !target) return 0;
  const auto info = strata::btf::ReadExtInfo(input.rest(), **local);
  if (!info) return 0;
  strata::btf::CoreRelocator relocator(*local, std::vector<std::shared_ptr<const Btf>>{*target});
  for (const auto& [name, section] : *info) {
    for (const auto& relocation : section.core_relocations) {
      Require(!relocator.Describe(relocation).empty(), "a relocation without a description");
      static_cast<void>(relocator.Resolve(relocation));
    }
    auto code = Code();
    const auto poisons = relocator.Relocate(section.core_relocations, code);
    if (!poisons) continue;
    for (const auto& poison : *poisons) {
      Require(poison.index.value < code.size() && !poison.reason.empty(), "a poison outside of the code");
    }
  }
  return 0;
}
