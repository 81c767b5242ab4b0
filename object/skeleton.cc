#include "strata/object/skeleton.h"

#include <fmt/format.h>

#include <string>

#include "strata/elf/reader.h"

namespace strata::internal {
namespace {

template <typename Values>
Result<void> CheckHas(std::string_view kind, const Values& values, std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    if (!values.contains(name)) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("the object has no {} {}; generate the skeleton anew", kind, name));
    }
  }
  return {};
}

Result<void> CheckVariables(const CollectionSpec& spec, std::span<const SkeletonVariable> variables) {
  for (const SkeletonVariable& wanted : variables) {
    STRATA_TRY(CheckHas("variable", spec.variables, std::span(&wanted.name, 1)));
    const std::size_t size = spec.variables.find(wanted.name)->second.value.size();
    if (size != wanted.size_bytes) {
      return Error(ErrorCode::kMalformed, fmt::format("variable {} has {} bytes, {} in the skeleton; generate it anew",
                                                      wanted.name, size, wanted.size_bytes));
    }
  }
  return {};
}

}  // namespace

Result<CollectionSpec> OpenSkeleton(std::string_view name, std::span<const std::byte> object,
                                    const SkeletonNames& names) {
  const std::string text(name);
  CollectionSpec spec =
      STRATA_TRY(elf::ReadCollectionSpec(object, {.path = text, .name = text, .owner = elf::KeepForever(object)}));
  STRATA_TRY(CheckHas("map", spec.maps, names.maps).Context(text));
  STRATA_TRY(CheckHas("program", spec.programs, names.programs).Context(text));
  STRATA_TRY(CheckVariables(spec, names.variables).Context(text));
  return spec;
}

}  // namespace strata::internal
