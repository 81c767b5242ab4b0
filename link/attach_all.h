// Attaches the programs of a collection to what their section names say.
#pragma once

#include <string>
#include <vector>

#include "strata/link/auto_attach.h"
#include "strata/link/link.h"
#include "strata/object/collection.h"

namespace strata {

struct SkippedProgram {
  std::string program;
  Error reason;
};

struct AttachedCollection {
  std::vector<Link> links;              // in the order of the programs' names
  std::vector<SkippedProgram> skipped;  // loaded, but their section does not say where: attach them yourself
};

// Every program that is loaded. Skipped are those of sections that name no place, or need more than a place (an
// interface, a cgroup). The error of the first one that cannot be attached to the place that it names; then none is.
STRATA_EXPORT Result<AttachedCollection> AttachAll(const Collection& collection, const AutoAttachOptions& options = {});

}  // namespace strata
