// Several places that are attached and detached together.
#pragma once

#include <memory>
#include <vector>

#include "strata/backend/backend.h"

namespace strata {

// `links` has at least one; its id is that of the first. Operations go on past a failure and report the first one.
// `used_by_links` goes after the last of them is detached.
std::unique_ptr<BackendLink> MakeCompositeLink(std::vector<std::unique_ptr<BackendLink>> links,
                                               std::shared_ptr<const void> used_by_links);

}  // namespace strata
