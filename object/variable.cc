#include "strata/object/variable.h"

#include <fmt/format.h>

namespace strata {

std::span<std::byte> Variable::bytes() const {
  return memory_->bytes().subspan(spec_.offset_bytes, spec_.value.size());
}

Error Variable::SizeMismatch(std::size_t given) const {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("variable {}: has {} bytes, the type given has {}", name(), spec_.value.size(), given));
}

Error Variable::ReadOnly() const {
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("variable {}: is constant once loaded; set it in the spec before", name()));
}

Error Variable::Misaligned(std::size_t alignment) const {
  return Error(ErrorCode::kInvalidArgument, fmt::format("variable {}: offset {} of {} is no multiple of {}", name(),
                                                        spec_.offset_bytes, spec_.map_name, alignment));
}

}  // namespace strata
