// The kernel's names of map and program types, as bpftool prints them.
#pragma once

#include <string>

#include "strata/base/export.h"
#include "strata/spec/map_type.h"
#include "strata/spec/program_type.h"

namespace strata {

// "hash", "percpu_array", "ringbuf"; "type_77" for a number this version does not know.
STRATA_EXPORT std::string MapTypeName(MapType type);
// "kprobe", "xdp", "tracing".
STRATA_EXPORT std::string ProgramTypeName(ProgramType type);
// "cgroup_inet_ingress", "trace_fentry"; empty for kNone.
STRATA_EXPORT std::string AttachTypeName(AttachType type);

}  // namespace strata
