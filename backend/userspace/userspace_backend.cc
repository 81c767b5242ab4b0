#include "strata/backend/userspace/userspace_backend.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "objects.h"
#include "pins.h"
#include "strata/backend/userspace/runtime/fault_table.h"

namespace strata {
namespace {

using userspace::ObjectKind;
using userspace::Shared;
using userspace::SharedPtr;

// "0-3,8" counts 5.
std::uint32_t CountRanges(std::string_view list) {
  std::uint32_t count = 0;
  while (!list.empty()) {
    const std::string range(list.substr(0, list.find(',')));
    list.remove_prefix(std::min(list.size(), range.size() + 1));
    const std::size_t dash = range.find('-');
    const unsigned long first = std::strtoul(range.c_str(), nullptr, 10);
    const unsigned long last = dash == std::string::npos ? first : std::strtoul(range.c_str() + dash + 1, nullptr, 10);
    if (last >= first) count += static_cast<std::uint32_t>(last - first + 1);
  }
  return count;
}

// As many as the kernel's per-CPU values have.
std::uint32_t PossibleCpus() {
  std::string list;
  std::ifstream file("/sys/devices/system/cpu/possible");
  if (std::getline(file, list)) return std::max(1U, CountRanges(list));
  const long configured = ::sysconf(_SC_NPROCESSORS_CONF);
  return configured > 0 ? static_cast<std::uint32_t>(configured) : 1;
}

class UserspaceBackend : public Backend {
 public:
  explicit UserspaceBackend(SharedPtr shared) : shared_(std::move(shared)) {}
  std::string_view name() const override { return "userspace"; }
  bool runs_in_kernel() const override { return false; }

  Result<std::shared_ptr<BackendMap>> CreateMap(const MapSpec& spec,
                                                const std::shared_ptr<BackendTypes>& types) override {
    return userspace::UserspaceMap::Create(shared_, spec, dynamic_cast<const userspace::UserspaceTypes*>(types.get()));
  }
  Result<std::shared_ptr<BackendTypes>> LoadTypes(std::span<const std::byte> btf) override {
    return userspace::UserspaceTypes::Load(shared_, btf);
  }
  Result<std::shared_ptr<const btf::Btf>> ReadTypes(std::uint32_t id) override {
    return userspace::ReadTypes(*shared_->session, id);
  }

  Result<std::shared_ptr<BackendMap>> OpenMap(std::uint32_t id) override {
    auto file = STRATA_TRY(OpenById({ObjectKind::kMap, id}));
    return userspace::UserspaceMap::Open(shared_, std::move(file), MapAccess::kReadWrite);
  }
  Result<std::shared_ptr<BackendProgram>> OpenProgram(std::uint32_t id) override {
    auto file = STRATA_TRY(OpenById({ObjectKind::kProgram, id}));
    return userspace::UserspaceProgram::Open(shared_, std::move(file));
  }
  Result<std::unique_ptr<BackendLink>> OpenLink(std::uint32_t id) override {
    auto file = STRATA_TRY(OpenById({ObjectKind::kLink, id}));
    return userspace::OpenLink(shared_, std::move(file), id, false);
  }
  Result<std::shared_ptr<BackendMap>> OpenPinnedMap(const std::string& path, MapAccess access) override {
    auto pin = STRATA_TRY(userspace::OpenPin(*shared_->session, path, ObjectKind::kMap, O_RDWR));
    return userspace::UserspaceMap::Open(shared_, std::move(pin.file), access).Context(path);
  }
  Result<std::shared_ptr<BackendProgram>> OpenPinnedProgram(const std::string& path) override {
    auto pin = STRATA_TRY(userspace::OpenPin(*shared_->session, path, ObjectKind::kProgram, O_RDWR));
    return userspace::UserspaceProgram::Open(shared_, std::move(pin.file)).Context(path);
  }
  Result<std::unique_ptr<BackendLink>> OpenPinnedLink(const std::string& path) override {
    auto pin = STRATA_TRY(userspace::OpenPin(*shared_->session, path, ObjectKind::kLink, O_RDWR));
    return userspace::OpenLink(shared_, std::move(pin.file), pin.object.id, pin.is_detached).Context(path);
  }
  Result<std::shared_ptr<BackendMap>> MapFromDescriptor(int descriptor) override {
    return userspace::MapFromDescriptor(shared_, descriptor);
  }
  Result<std::string> PinPath(const std::string& path) const override {
    return userspace::ResolvePin(*shared_->session, path);
  }

  Result<std::shared_ptr<BackendProgram>> LoadProgram(const LinkedProgram& program) override {
    // The tag that the program would have in the kernel below.
    const auto hash = isa::TagHashOf(kernel().Version().value_or(0U));
    return userspace::UserspaceProgram::Load(shared_, program, hash, kernel());
  }
  Result<std::unique_ptr<BackendLink>> Attach(const std::shared_ptr<BackendProgram>& program,
                                              const AttachTarget& target,
                                              const BackendAttachOptions& options) override {
    return userspace::AttachProgram(shared_, program, target, options);
  }
  Result<bool> HasFunction(const std::string& name, const btf::Btf& types, btf::TypeId declared) override {
    return userspace::HasFunction(*shared_->session, name, types, declared);
  }
  Result<std::unique_ptr<HostFunctionGuard>> ServeFunction(const HostFunction& function) override {
    return userspace::ServeFunction(shared_, function);
  }
  Result<void> SetProgramEnabled(std::uint32_t id, bool is_enabled) override {
    return userspace::SetProgramEnabled(shared_, id, is_enabled);
  }
  Result<std::unique_ptr<TraceLog>> OpenTraceLog() override { return userspace::OpenTraceLog(shared_); }
  Result<std::unique_ptr<StatsGuard>> EnableStats(StatsDetail detail) override {
    return userspace::EnableStats(shared_, detail);
  }
  Result<ObjectListing> List() override { return userspace::ListObjects(*shared_->session); }
  FeatureAnswer Probe(const Feature& feature) override { return userspace::ProbeFeature(shared_->options, feature); }
  std::uint32_t possible_cpus() const override { return shared_->possible_cpus; }
  std::vector<std::pair<std::string, std::string>> TracedEnvironment() const override {
    if (!shared_->options.traced_environment) return {};
    return shared_->options.traced_environment(shared_->session->folder());
  }

 private:
  Result<userspace::ObjectFile> OpenById(userspace::ObjectId object) const {
    const std::string what = userspace::TextOf(object) + ": opening it";
    auto file = STRATA_TRY(shared_->session->OpenHeld(userspace::FileNameOf(object), what, O_RDWR));
    const auto identity = userspace::IdentityAs(file.fd.get(), object.kind);
    if (identity && identity->object == object) return file;
    return Error(ErrorCode::kMalformed, what + ": its file is damaged", EBADMSG);
  }

  SharedPtr shared_;
};

}  // namespace

Result<std::shared_ptr<Backend>> OpenUserspaceBackend(UserspaceOptions options) {
  auto shared = std::make_shared<Shared>();
  shared->options = std::move(options);
  shared->possible_cpus = PossibleCpus();
  shared->session = STRATA_TRY(userspace::Session::Open(shared->options.runtime_folder, shared->options.session,
                                                        shared->possible_cpus, shared->options.sharing));
  if (shared->options.handle_fault_signals) {
    if (const long error = runtime::UseFaultTable(shared->session->process()); error != 0)
      return Error::FromErrno(static_cast<int>(-error), "handlers of SIGSEGV and SIGBUS");
  }
  shared->session->process().host_functions = &shared->host_functions;
  // Another loader may have made it where the kernel says otherwise (a container).
  shared->possible_cpus = shared->session->process().slot_count;
  return std::shared_ptr<Backend>(std::make_shared<UserspaceBackend>(std::move(shared)));
}

Result<void> CollectSessions(const std::string& runtime_folder) {
  return userspace::CollectAllSessions(runtime_folder.empty() ? userspace::DefaultRuntimeFolder() : runtime_folder);
}

Result<std::vector<SessionReport>> CollectGarbage(const CollectOptions& options) {
  const std::string folder =
      options.runtime_folder.empty() ? userspace::DefaultRuntimeFolder() : options.runtime_folder;
  return userspace::CollectAndReport(folder, options.session,
                                     options.is_dry_run ? userspace::Sweep::kDryRun : userspace::Sweep::kRemove);
}

}  // namespace strata
