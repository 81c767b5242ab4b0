// The composition root: puts the layers together, and is the one reader of the environment.
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "strata/attach/attach_manager.h"
#include "strata/attach/plan/uprobe_plan.h"
#include "strata/backend/kernel/kernel_backend.h"
#include "strata/backend/userspace/userspace_backend.h"
#include "strata/garbage.h"
#include "strata/strata.h"

namespace strata {
namespace {

constexpr char kAgentName[] = "libstrata-agent.so";

std::string EnvironmentOr(const char* variable, std::string otherwise) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : std::move(otherwise);
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// Beside the file that holds this function (libstrata.so, or a program that the layers are linked into), or in the lib
// folder next to a program's bin.
Result<std::string> FindAgent(const std::string& chosen) {
  if (!chosen.empty()) {
    if (::access(chosen.c_str(), R_OK) == 0) return chosen;
    return Error(ErrorCode::kNotFound, fmt::format("the agent {} cannot be read: {}", chosen, std::strerror(errno)));
  }
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&OpenBackend), &info) == 0 || info.dli_fname == nullptr)
    return std::string(kAgentName);
  char* resolved = ::realpath(info.dli_fname, nullptr);
  const std::string folder = FolderOf(resolved != nullptr ? resolved : info.dli_fname);
  std::free(resolved);
  for (const std::string& candidate : {folder + "/" + kAgentName, folder + "/../lib/" + kAgentName}) {
    if (::access(candidate.c_str(), R_OK) == 0) return candidate;
  }
  return Error(ErrorCode::kNotFound, fmt::format("{} is not in {}; set STRATA_AGENT to its path", kAgentName, folder));
}

// This very process as one that programs may be attached in.
class OwnProcess : public LocalProcess {
 public:
  static Result<std::unique_ptr<LocalProcess>> Make(const std::string& session_folder,
                                                    attach::FaultSignals fault_signals) {
    int error = 0;
    attach::AttachManager* manager = attach::AttachManager::Create(session_folder.c_str(), &error, fault_signals);
    if (manager == nullptr) return Error::FromErrno(error, "attaching in this process: " + session_folder);
    return std::unique_ptr<LocalProcess>(new OwnProcess(manager));
  }
  ~OwnProcess() override { attach::AttachManager::Destroy(manager_); }
  OwnProcess(const OwnProcess&) = delete;
  OwnProcess& operator=(const OwnProcess&) = delete;

  Result<void> Reconcile() override {
    if (const int error = manager_->Reconcile(); error != 0)
      return Error::FromErrno(error, "attaching in this process");
    return {};
  }
  void ServeFunctions(const runtime::HostFunctions& functions) override { manager_->ServeFunctions(functions); }

 private:
  explicit OwnProcess(attach::AttachManager* manager) : manager_(manager) {}
  attach::AttachManager* manager_;
};

// Planners of the files that probes were put on: reading a library's symbols takes milliseconds, planning a place
// microseconds. A plan from a file that was replaced meanwhile does no harm, because the agent compares the bytes.
class PlannerCache {
 public:
  Result<std::vector<std::byte>> Plan(const AttachTarget& target, attach::ProbeKind kind) {
    const auto config = STRATA_TRY(DecodeConfig<UprobeConfig>(target));
    const std::lock_guard lock(mutex_);
    auto found = planners_.find(target.path);
    if (found == planners_.end()) {
      found = planners_.emplace(target.path, STRATA_TRY(attach::UprobePlanner::Open(target.path))).first;
    }
    return EncodeConfig(STRATA_TRY(found->second.Plan(config.file_offset, kind)));
  }

 private:
  std::mutex mutex_;
  std::map<std::string, attach::UprobePlanner> planners_;
};

AttachPlanner UprobePlannerOf(const std::shared_ptr<PlannerCache>& cache, attach::ProbeKind kind) {
  return [cache, kind](const AttachTarget& target) { return cache->Plan(target, kind); };
}

Result<std::shared_ptr<Backend>> OpenUserspace(const BackendOptions& options) {
  const std::string agent =
      STRATA_TRY(FindAgent(!options.agent_path.empty() ? options.agent_path : EnvironmentOr("STRATA_AGENT", {})));
  UserspaceOptions userspace;
  userspace.session = options.session;
  userspace.sharing = STRATA_TRY(ParseSessionSharing(options.share));
  userspace.runtime_folder =
      !options.runtime_folder.empty() ? options.runtime_folder : EnvironmentOr("STRATA_RUNTIME_DIR", {});
  const auto cache = std::make_shared<PlannerCache>();
  userspace.planners = {{"uprobe", UprobePlannerOf(cache, attach::ProbeKind::kEntry)},
                        {"uretprobe", UprobePlannerOf(cache, attach::ProbeKind::kReturn)}};
  userspace.handle_fault_signals = options.handle_fault_signals;
  const auto fault_signals =
      options.handle_fault_signals ? attach::FaultSignals::kManager : attach::FaultSignals::kHost;
  userspace.make_local_process = [fault_signals](const std::string& session_folder) {
    return OwnProcess::Make(session_folder, fault_signals);
  };
  userspace.traced_environment = [agent](const std::string& session_folder) {
    return std::vector<std::pair<std::string, std::string>>{{"LD_PRELOAD", agent}, {"STRATA_SESSION", session_folder}};
  };
  return OpenUserspaceBackend(std::move(userspace));
}

}  // namespace

Result<std::shared_ptr<Backend>> OpenBackend(std::string_view name, const BackendOptions& options) {
  if (name == "kernel") return OpenKernelBackend({.syscalls = nullptr, .token_path = options.token_path});
  if (name == "userspace") return OpenUserspace(options);
  return Error(ErrorCode::kInvalidArgument, fmt::format("backend {}: there is \"userspace\" and \"kernel\"", name));
}

Result<std::vector<SessionReport>> CollectUserspaceGarbage(const GarbageOptions& options) {
  const std::string folder =
      !options.runtime_folder.empty() ? options.runtime_folder : EnvironmentOr("STRATA_RUNTIME_DIR", {});
  return CollectGarbage({.runtime_folder = folder, .session = options.session, .is_dry_run = options.is_dry_run});
}

}  // namespace strata
