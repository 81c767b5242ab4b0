// Pins are files: what is done with them beside making them.
#pragma once

#include <string>

#include "strata/backend/backend.h"
#include "strata/base/result.h"

namespace strata {

// Never replaces what is at `to`: kKeyExist. A pin that is gone or lies in another file system is made anew.
Result<void> MovePin(BackendMap& map, const std::string& from, const std::string& to);

// Fine when it is gone already.
Result<void> RemovePin(const std::string& path);

}  // namespace strata
