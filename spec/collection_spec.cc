#include "strata/spec/collection_spec.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata {
namespace {

// By content: two readings of one file have equal types.
bool AreEqual(const std::shared_ptr<const btf::Btf>& a, const std::shared_ptr<const btf::Btf>& b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr) return false;
  return std::ranges::equal(a->bytes(), b->bytes());
}

}  // namespace

bool CollectionSpec::operator==(const CollectionSpec& other) const {
  return name == other.name && byte_order == other.byte_order && maps == other.maps && programs == other.programs &&
         functions == other.functions && variables == other.variables && externs == other.externs &&
         AreEqual(types, other.types);
}

Result<void> CollectionSpec::CheckVariable(std::string_view variable, const ValueShape& shape) const {
  const auto found = variables.find(variable);
  if (found == variables.end()) {
    return Error(ErrorCode::kNotFound, fmt::format("collection {}: there is no variable {}", name, variable));
  }
  if (types == nullptr || !found->second.type) return {};
  return CheckShape(*types, found->second.type, shape).Context(fmt::format("variable {}", variable));
}

}  // namespace strata
