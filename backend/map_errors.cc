#include "strata/backend/map_errors.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "strata/spec/map_rules.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

constexpr int kNotSupportedErrno = 524;  // ENOTSUPP, the kernel's own

ErrorCode CodeOf(const MapInfo& map, int sys_errno) {
  switch (sys_errno) {
    case ENOENT:
      return ErrorCode::kKeyNotExist;
    case EEXIST:
      return ErrorCode::kKeyExist;
    case E2BIG:  // an index past the end, or no room for one more
      return HasTrait(map.type, map_traits::kIndexed) ? ErrorCode::kKeyNotExist : ErrorCode::kMapFull;
    default:
      return ErrorCodeFromErrno(sys_errno);
  }
}

}  // namespace

Error ElementError(const MapInfo& map, int sys_errno, std::string_view operation) {
  const std::string what = fmt::format("map {}: {}", map.name, operation);
  if (sys_errno == kNotSupportedErrno || sys_errno == EOPNOTSUPP) {
    return Error(ErrorCode::kNotSupported,
                 fmt::format("{}: a map of type {} has no such operation", what, MapTypeName(map.type)), sys_errno);
  }
  const ErrorCode code = CodeOf(map, sys_errno);
  const std::string_view text = code == ErrorCode::kKeyNotExist ? "no such key"
                                : code == ErrorCode::kKeyExist  ? "the key exists"
                                : code == ErrorCode::kMapFull   ? "the map is full"
                                                                : std::strerror(sys_errno);
  return Error(code, fmt::format("{}: {}", what, text), sys_errno);
}

}  // namespace strata
