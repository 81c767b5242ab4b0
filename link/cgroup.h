// Programs that decide for the processes of a cgroup.
#pragma once

#include <cstdint>
#include <string>

#include "strata/link/anchor.h"
#include "strata/link/link.h"

namespace strata {

struct CgroupOptions {
  CgroupMode mode = CgroupMode::kLink;
  // kNone: what the program's section says.
  AttachType attach_type = AttachType::kNone;
  // Of links, Linux 6.17.
  Anchor anchor = {};
  std::uint64_t expected_revision = 0;  // as QueryCgroup() told it: kBusy when it has changed since. 0: any
};

class [[nodiscard]] STRATA_EXPORT CgroupLink : public Link {
 public:
  explicit CgroupLink(Link link) : Link(std::move(link)) {}
};

// `path` is the cgroup's folder, of version 2. A mode that this kernel or the cgroup's other programs do not allow is
// an error that names it: none is taken in its stead. What is attached in a mode other than kLink has no id, cannot be
// pinned, and goes with this object; in kOverride and kExclusive, a program that somebody else put in its place goes
// too.
STRATA_EXPORT Result<CgroupLink> AttachCgroup(const Program& program, const std::string& path,
                                              const CgroupOptions& options = {});

}  // namespace strata
