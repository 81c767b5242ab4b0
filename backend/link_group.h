// Several links that are one to whoever made them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "strata/backend/backend.h"

namespace strata {

struct LinkGroupOptions {
  std::string kind;                           // of the group, for LinkInfo; empty: the first link's
  std::shared_ptr<const void> used_by_links;  // goes after the last of them is detached
};

// What has no single link: a USDT probe in several places, an event on every CPU, many uprobes before Linux 6.6. The
// id is that of the first of `links`, which has at least one; where there is only one, and nothing to keep for it, it
// is returned itself. Operations go on past a failure and report the first one.
STRATA_EXPORT std::unique_ptr<BackendLink> MakeLinkGroup(std::vector<std::unique_ptr<BackendLink>> links,
                                                         LinkGroupOptions options = {});

}  // namespace strata
