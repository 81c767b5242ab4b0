// struct_ops maps that a link registers.
#pragma once

#include <string_view>

#include "strata/link/link.h"
#include "strata/object/collection.h"

namespace strata {

class [[nodiscard]] STRATA_EXPORT StructOpsLink : public Link {
 public:
  explicit StructOpsLink(Link link) : Link(std::move(link)) {}

  // Puts another map of the same struct in place, without a moment in between that has neither. With `expected` only
  // where that one is in use now, kBusy otherwise. Program links have Link::Update instead.
  Result<void> Update(const Map& map) { return backend_link()->UpdateStructOps(map.backend_map(), nullptr); }
  Result<void> Update(const Map& map, const Map& expected) {
    return backend_link()->UpdateStructOps(map.backend_map(), expected.backend_map());
  }
};

// A variable of section ".struct_ops.link" (Linux 6.4): the kernel calls its programs until the link goes; what still
// uses it then (a connection with that congestion control) keeps it until it ends. kInvalidArgument for another map.
STRATA_EXPORT Result<StructOpsLink> AttachStructOps(Collection& collection, std::string_view map);

}  // namespace strata
