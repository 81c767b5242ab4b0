#include "strata/object/map_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/spec/type_names.h"

namespace strata::internal {

Result<void> CheckView(const Map& map, std::initializer_list<MapType> types, std::size_t key_size,
                       std::size_t value_size) {
  const MapInfo& info = map.info();
  if (std::find(types.begin(), types.end(), info.type) == types.end()) {
    return Error(ErrorCode::kMapIncompatible, fmt::format("map {}: type: the view is of {}, the map is {}", map.name(),
                                                          MapTypeName(*types.begin()), MapTypeName(info.type)));
  }
  if (info.key_size != key_size) {
    return Error(ErrorCode::kMapIncompatible,
                 fmt::format("map {}: key_size: the view's type has {} bytes, the map's keys have {}", map.name(),
                             key_size, info.key_size));
  }
  if (info.value_size != value_size) {
    return Error(ErrorCode::kMapIncompatible,
                 fmt::format("map {}: value_size: the view's type has {} bytes, the map's values have {}", map.name(),
                             value_size, info.value_size));
  }
  return {};
}

}  // namespace strata::internal
