// Whom a userspace session is shared with. Plain values.
#pragma once

#include <cstdint>
#include <string_view>

#include "strata/base/export.h"
#include "strata/base/result.h"

namespace strata {

// Programs, links and types are read-only for those whom a session is shared with. So are maps that programs may only
// read (BPF_F_RDONLY_PROG), and with `maps_are_read_only` all maps: then nobody else's programs can write them.
struct SessionSharing {
  enum class With : std::uint8_t { kOwnerOnly, kGroup, kUser };
  With with = With::kOwnerOnly;
  std::uint32_t id = 0;  // of the group or user
  bool maps_are_read_only = false;
  bool operator==(const SessionSharing&) const = default;
};

// "group:adm", "user:1000", "user:www-data,maps=ro"; empty: the owner only. kInvalidArgument, kNotFound for a name that
// there is not.
STRATA_EXPORT Result<SessionSharing> ParseSessionSharing(std::string_view text);

}  // namespace strata
