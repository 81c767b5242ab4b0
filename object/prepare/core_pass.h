// CO-RE: fits the code of a collection's programs to the types of the system they will run on.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "strata/backend/linked_program.h"
#include "strata/base/result.h"
#include "strata/btf/core.h"
#include "strata/object/prepare/prepare.h"

namespace strata {

// One for all programs of a collection, whose answers are shared. Target types are read when a relocation first needs
// them. What it is given must outlive it.
class CorePass {
 public:
  CorePass(const CollectionSpec& collection, const KernelFacts& kernel, const PrepareOptions& options)
      : collection_(collection), kernel_(kernel), options_(options) {}

  // Changes `code`; returns what was poisoned, by index. Errors name the instruction and the relocation.
  Result<std::vector<PoisonedInstruction>> Relocate(std::span<const btf::CoreRelocation> relocations,
                                                    std::span<isa::Instruction> code);

 private:
  btf::CoreTargets Targets() const;

  const CollectionSpec& collection_;
  const KernelFacts& kernel_;
  const PrepareOptions& options_;
  std::optional<btf::CoreRelocator> relocator_;
};

}  // namespace strata
