// The backend that runs programs inside the traced processes: a session's folder is the registry, agents do the rest.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/backend/session_report.h"
#include "strata/backend/session_sharing.h"
#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/spec/attach_target.h"

namespace strata {

namespace runtime {
struct HostFunctions;
}

// The caller's own process as one that programs may be attached in. Implemented above this layer (AttachManager).
class STRATA_EXPORT LocalProcess {
 public:
  virtual ~LocalProcess() = default;
  // Makes what is attached here agree with the session's links. Any thread.
  virtual Result<void> Reconcile() = 0;
  // What programs may call here; called once, before anything is attached. They outlive it.
  virtual void ServeFunctions(const runtime::HostFunctions& /*functions*/) {}
};

// Makes the plan that an agent needs for `target`: the record goes into the link's file as it is. Any thread.
using AttachPlanner = std::function<Result<std::vector<std::byte>>(const AttachTarget& target)>;

enum class UserspaceEngine : std::uint8_t {
  kCompiled,     // machine code; what the compiler does not know is interpreted
  kInterpreted,  // always the interpreter
};

// What the composition root puts together.
struct UserspaceOptions {
  std::string session = "default";  // letters, digits, '.', '_' and '-'; at most 63
  std::string runtime_folder;       // where sessions lie; empty: /dev/shm/strata-<uid>
  SessionSharing sharing;  // of a session that this makes; of one that exists it must be the same, or not given
  UserspaceEngine engine = UserspaceEngine::kCompiled;
  // See BackendOptions::handle_fault_signals. The local process is told by who makes it.
  bool handle_fault_signals = false;
  // By the name of the attach kind; a kind that is not here is not served in userspace.
  std::map<std::string, AttachPlanner, std::less<>> planners;
  // Called once, when a link first selects the caller's own process. Empty: such links are refused.
  std::function<Result<std::unique_ptr<LocalProcess>>(const std::string& session_folder)> make_local_process;
  // What a new process needs in its environment to get an agent of this session.
  std::function<std::vector<std::pair<std::string, std::string>>(const std::string& session_folder)> traced_environment;
};

// Opens the session and makes it when it does not exist. Errors: kInvalidArgument for its name; kPermissionDenied for a
// folder of another user or that others may write; kNoSpace.
STRATA_EXPORT Result<std::shared_ptr<Backend>> OpenUserspaceBackend(UserspaceOptions options);

// Removes what dead loaders left in all sessions of a runtime folder (empty: the default one). Backends do so when they
// open and close.
STRATA_EXPORT Result<void> CollectSessions(const std::string& runtime_folder);

struct CollectOptions {
  std::string runtime_folder;  // empty: the default one
  std::string session;         // empty: all
  bool is_dry_run = false;     // only look
};
// The same, saying what goes and what stays, by session. kNotFound for a session that there is not.
STRATA_EXPORT Result<std::vector<SessionReport>> CollectGarbage(const CollectOptions& options);

}  // namespace strata
