#include "strata/btf/type_compatibility.h"

#include "core_types.h"

namespace strata::btf {

Result<bool> TypesAreCompatible(const Btf& local, TypeId local_type, const Btf& target, TypeId target_type) {
  core::WorkLimit limit;
  limit.BeginRelocation();
  const auto local_side = core::Side::Local(local, limit);
  const auto target_side = core::Side::Target(target, limit);
  return core::TypeComparison(local_side, target_side).TypesAreCompatible(local_type, target_type);
}

}  // namespace strata::btf
