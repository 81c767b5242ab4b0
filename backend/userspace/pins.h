// Pins: second names of objects' files below the session's folder `pinned`.
#pragma once

#include <string>

#include "registry.h"

namespace strata::userspace {

// The file system's path for a pin: `path` is relative to the session's folder `pinned`, or absolute and inside of it.
// kInvalidArgument for others.
Result<std::string> ResolvePin(const Session& session, const std::string& path);

// Gives the object's file that name too, and makes the folders above it. Never replaces what is there.
Result<void> PinObject(const Session& session, int fd, const std::string& path, const std::string& what);

// A pinned object, locked as one that is opened by id. kInvalidArgument for an object of another kind.
struct OpenedPin {
  ObjectFile file;  // under the object's own name
  ObjectId object;
  bool is_detached = false;  // a link whose own name is gone: somebody detached it
};
Result<OpenedPin> OpenPin(const Session& session, const std::string& path, ObjectKind kind, int access);

}  // namespace strata::userspace
