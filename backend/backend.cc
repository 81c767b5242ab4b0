#include "strata/backend/backend.h"

#include <fmt/format.h>

namespace strata {

Result<void> BackendMap::UpdateProgram(std::span<const std::byte>, const std::shared_ptr<BackendProgram>&) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: holds no programs", info().name));
}

Result<void> BackendMap::UpdateMap(std::span<const std::byte>, const std::shared_ptr<BackendMap>&) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: holds no maps", info().name));
}

Result<void> BackendMap::UpdateStructOps(std::span<const std::byte>, std::span<const ProgramPointer>) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: is no struct_ops map", info().name));
}

}  // namespace strata
