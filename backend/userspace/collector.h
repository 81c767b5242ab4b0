// Collection by mark and sweep: an object stays while somebody holds its lock, while it is pinned, and while what stays
// refers to it. docs/registry.md has the protocol and why it needs no counting.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "references.h"
#include "strata/backend/userspace/userspace_backend.h"
#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::userspace {

enum class Sweep : std::uint8_t { kRemove, kDryRun };

// The file's own lock, exclusive; only when nobody holds the object and it has no second name. Empty where that is not
// so.
UniqueFd LockDead(int folder_fd, const std::string& name);

// Collects in one session's folder. With `objects` says of each what became of it.
void CollectIn(int folder_fd, const std::string& folder, Sweep sweep, std::vector<SessionObject>* objects);

// What the next collection would remove; empty while another collector works.
std::set<ObjectId> GarbageIn(int folder_fd, const std::string& folder);

// The same for a session of a runtime folder, which also goes when no loader has it open and nothing is left in it.
// Folders that no session of this layout version can be are left alone.
SessionReport CollectSession(int runtime_fd, const std::string& runtime_folder, const std::string& name, Sweep sweep);

// Records of what processes made of one link.
void RemoveInstances(int folder_fd, std::uint32_t link_id);

}  // namespace strata::userspace
