#include "exec_hook.h"

#include "program_check.h"
#include "strata/attach/agent/x86_64/system_call_site.h"
#include "strata/attach/uprobe/uprobe_engine.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::attach {

namespace sys = runtime::sys;

namespace {

constexpr std::size_t kMaxDefinitions = 4;

// Runs before each execve, also in a vfork child, on its parent's memory. Makes the system call itself, with the
// agent's variables; when that fails, so does the program's own right after, with the same error.
void OnExecve(void* cookie, PtRegs* regs) {
  const auto& settings = *static_cast<const AgentSettings*>(cookie);
  const auto* path = reinterpret_cast<const char*>(regs->di);
  auto* const* environment = reinterpret_cast<char* const*>(regs->dx);
  if (path == nullptr || !TakesAgent(path, settings.agent_path)) return;
  ChildEnvironment child;
  if (!AddSettings(environment, settings, &child)) return;
  LeaveHandler();
  sys::Raw(sys::Call::kExecve, regs->di, regs->si, sys::Address(child.entries));
}

}  // namespace

void FollowExec(const AuxiliaryEntry* auxiliary_vector, const AgentSettings& settings) noexcept {
  std::uint64_t addresses[kMaxDefinitions];
  const std::size_t found = FindLoadedFunctions(auxiliary_vector, "execve", addresses, kMaxDefinitions);
  for (std::size_t i = 0; i < found && i < kMaxDefinitions; ++i) {
    UprobePlan plan;
    if (!PlanSystemCall(addresses[i], static_cast<std::uint32_t>(sys::Call::kExecve), &plan)) continue;
    ProbeRequest request;
    request.plan = &plan;
    request.address = addresses[i];
    request.handler = {OnExecve, nullptr, const_cast<AgentSettings*>(&settings)};
    ApplyProbes(&request, 1);
  }
}

}  // namespace strata::attach
