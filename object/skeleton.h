// What generated skeletons (docs/strata-gen.md) are made of.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata::internal {

struct SkeletonVariable {
  std::string_view name;
  std::size_t size_bytes = 0;
};

// What a skeleton has members for.
struct SkeletonNames {
  std::span<const std::string_view> maps = {};
  std::span<const std::string_view> programs = {};
  std::span<const SkeletonVariable> variables = {};
};

// The object inside of a skeleton, read. kMalformed when it does not have what the skeleton has members for.
STRATA_EXPORT Result<CollectionSpec> OpenSkeleton(std::string_view name, std::span<const std::byte> object,
                                                  const SkeletonNames& names);

// A variable's value before load, as what its bytes are; OpenSkeleton has checked that it is there.
template <typename T>
T& VariableValue(CollectionSpec& spec, std::string_view variable) {
  return *reinterpret_cast<T*>(spec.variables.find(variable)->second.value.data());
}

}  // namespace strata::internal
