#include "strata/spec/variable_spec.h"

#include <fmt/format.h>

namespace strata {

Result<void> VariableSpec::SetBytes(std::span<const std::byte> bytes) {
  if (bytes.size() != value.size()) return SizeMismatch(bytes.size());
  value.assign(bytes.begin(), bytes.end());
  return {};
}

Error VariableSpec::SizeMismatch(std::size_t given) const {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("variable {}: has {} bytes, the type given has {}", name, value.size(), given));
}

}  // namespace strata
