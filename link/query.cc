#include "strata/link/query.h"

namespace strata {

using Place = QueryTarget::Place;

Result<AttachedPrograms> QueryPrograms(const std::shared_ptr<Backend>& backend, const QueryTarget& target,
                                       AttachType attach_type) {
  return backend->Query(target, attach_type);
}

Result<AttachedPrograms> QueryCgroup(const std::shared_ptr<Backend>& backend, const std::string& path,
                                     AttachType attach_type, const QueryCgroupOptions& options) {
  return backend->Query({.place = Place::kCgroup, .path = path, .is_effective = options.is_effective}, attach_type);
}

Result<AttachedPrograms> QueryInterface(const std::shared_ptr<Backend>& backend, const Interface& interface,
                                        AttachType attach_type) {
  const std::uint32_t index = STRATA_TRY(interface.Index());
  return backend->Query({.place = Place::kInterface, .id = index}, attach_type);
}

Result<AttachedPrograms> QueryNetns(const std::shared_ptr<Backend>& backend, const std::string& path,
                                    AttachType attach_type) {
  return backend->Query({.place = Place::kNetworkNamespace, .path = path}, attach_type);
}

Result<AttachedPrograms> QuerySockMap(const std::shared_ptr<Backend>& backend, const Map& map, AttachType attach_type) {
  return backend->Query({.place = Place::kSockMap, .id = map.info().id}, attach_type);
}

}  // namespace strata
