#include "strata/link/struct_ops.h"

#include <fmt/format.h>

namespace strata {

Result<StructOpsLink> AttachStructOps(Collection& collection, std::string_view name) {
  const Map* map = STRATA_TRY(collection.FindMap(name));
  const bool is_struct_ops = map->spec().type == MapType::kStructOps;
  if (!is_struct_ops || !map->spec().is_linkable) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: map {}: {}", collection.spec().name, name,
                             is_struct_ops ? "is of section .struct_ops: register it by RegisterStructOps"
                                           : "is no struct_ops map"));
  }
  auto link = STRATA_TRY(collection.backend()->AttachStructOps(map->backend_map()).Context(collection.spec().name));
  return StructOpsLink(Link(collection.backend(), std::move(link)));
}

}  // namespace strata
