#include "core_pass.h"

#include <utility>

namespace strata {

using TypesList = std::vector<std::shared_ptr<const btf::Btf>>;

btf::CoreTargets CorePass::Targets() const {
  btf::CoreTargets targets;
  targets.first = [this]() -> Result<TypesList> {
    if (options_.target_types != nullptr) return TypesList{options_.target_types};
    return TypesList { STRATA_TRY(kernel_.Types().Context("CO-RE needs types to fit the program to")) };
  };
  targets.others = [this]() -> Result<TypesList> {
    TypesList others = options_.extra_target_types;
    // Types that replace the kernel's replace its modules' as well.
    if (options_.target_types != nullptr) return others;
    for (auto& module : STRATA_TRY(kernel_.ModuleTypes())) others.push_back(std::move(module));
    return others;
  };
  return targets;
}

Result<std::vector<PoisonedInstruction>> CorePass::Relocate(std::span<const btf::CoreRelocation> relocations,
                                                            std::span<isa::Instruction> code) {
  if (relocations.empty()) return std::vector<PoisonedInstruction>();
  if (collection_.types == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "has CO-RE relocations, but its collection has no types");
  }
  if (!relocator_) relocator_.emplace(collection_.types, Targets());
  std::vector<PoisonedInstruction> poisoned;
  for (btf::CorePoison& poison : STRATA_TRY(relocator_->Relocate(relocations, code))) {
    poisoned.push_back({poison.index, "CO-RE relocation " + std::move(poison.reason)});
  }
  return poisoned;
}

}  // namespace strata
