// Which programs are attached somewhere, whoever attached them.
#pragma once

#include <memory>
#include <string>

#include "strata/backend/backend.h"
#include "strata/link/interface.h"
#include "strata/object/map.h"

namespace strata {

struct QueryCgroupOptions {
  bool is_effective = false;  // the programs that run in the cgroup, those of its ancestors too; the kernel then tells
                              // no flags
};

// kNotSupported on the userspace backend; kInvalidArgument where the place has no programs of that attach type.
STRATA_EXPORT Result<AttachedPrograms> QueryPrograms(const std::shared_ptr<Backend>& backend, const QueryTarget& target,
                                                     AttachType attach_type);

// The same by kind of place.
STRATA_EXPORT Result<AttachedPrograms> QueryCgroup(const std::shared_ptr<Backend>& backend, const std::string& path,
                                                   AttachType attach_type, const QueryCgroupOptions& options = {});
// kTcxIngress, kTcxEgress, kNetkitPrimary, kNetkitPeer.
STRATA_EXPORT Result<AttachedPrograms> QueryInterface(const std::shared_ptr<Backend>& backend,
                                                      const Interface& interface, AttachType attach_type);
// kSkLookup, kFlowDissector; `path` as in NetnsOptions.
STRATA_EXPORT Result<AttachedPrograms> QueryNetns(const std::shared_ptr<Backend>& backend, const std::string& path,
                                                  AttachType attach_type);
// kSkSkbStreamParser, kSkSkbStreamVerdict, kSkSkbVerdict, kSkMsgVerdict.
STRATA_EXPORT Result<AttachedPrograms> QuerySockMap(const std::shared_ptr<Backend>& backend, const Map& map,
                                                    AttachType attach_type);

}  // namespace strata
