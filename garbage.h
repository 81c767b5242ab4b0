// What userspace sessions hold that nobody uses any more.
#pragma once

#include <string>
#include <vector>

#include "strata/backend/session_report.h"
#include "strata/base/export.h"
#include "strata/base/result.h"

namespace strata {

struct GarbageOptions {
  std::string session;         // empty: all sessions
  std::string runtime_folder;  // empty: $STRATA_RUNTIME_DIR, else /dev/shm/strata-<uid>
  bool is_dry_run = false;     // only look
};

// Removes it, and says of each object why it goes or stays. kNotFound for a session that there is not. Opens no session
// and makes none.
STRATA_EXPORT Result<std::vector<SessionReport>> CollectUserspaceGarbage(const GarbageOptions& options = {});

}  // namespace strata
