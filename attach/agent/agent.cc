// libstrata-agent.so: what LD_PRELOAD brings into a traced program. It attaches what the session's links ask for before
// the program's first instruction, and is silent: where it cannot work, it steps aside.
#include "environment.h"
#include "exec_hook.h"
#include "strata/attach/attach_manager.h"

namespace strata::attach {
namespace {

constinit AgentSettings settings = {};

}  // namespace

// The dynamic linker calls it first of all libraries' constructors (-z initfirst), with main's arguments; environ is
// not set yet.
extern "C" [[gnu::constructor]] void strata_agent_start(int, char**, char** environment) {
  const AuxiliaryEntry* auxiliary_vector = AuxiliaryVectorBehind(environment);
  TakeSettings(environment, &settings);
  if (settings.session[0] == '\0') return;
  int error = 0;
  AttachManager* manager = AttachManager::Create(settings.session, &error, FaultSignals::kFiles);
  if (manager == nullptr) return;
  manager->Reconcile();
  if (settings.agent_path[0] != '\0') FollowExec(auxiliary_vector, settings);
}

}  // namespace strata::attach
