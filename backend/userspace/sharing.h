// Whom a session is shared with: access control lists on its folders and files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "strata/backend/session_sharing.h"
#include "strata/base/result.h"

namespace strata::userspace {

// What those whom a session is shared with may do with a file or folder of it.
enum class SharedRights : std::uint8_t {
  kRead,        // programs, links, types; a folder: list and go through
  kReadWrite,   // root, log, maps
  kFolderWrite  // the folder of instance records, where nobody removes what another made
};

// Gives an open file or folder these rights; nothing for a session that is not shared. `what` begins errors.
Result<void> Share(int fd, const SessionSharing& sharing, SharedRights rights, const std::string& what);

// The session's own record of it. Nothing where the session is not shared.
Result<std::optional<SessionSharing>> ReadSharing(int folder_fd, const std::string& folder);
// Makes the record and the folder of instance records, and opens the folders to them.
Result<void> MakeShared(int runtime_fd, int folder_fd, const SessionSharing& sharing, const std::string& folder);

}  // namespace strata::userspace
