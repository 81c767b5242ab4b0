#include "strata/backend/userspace/userspace_backend.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "objects.h"

namespace strata {
namespace {

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

class UserspaceStatsGuard : public StatsGuard {
 public:
  UserspaceStatsGuard(SharedPtr shared, StatsDetail detail) : shared_(std::move(shared)), detail_(detail) {
    Level().fetch_add(1);
  }
  ~UserspaceStatsGuard() override { Level().fetch_sub(1); }

 private:
  std::atomic<std::uint32_t>& Level() { return detail_ == StatsDetail::kTime ? shared_->timing : shared_->counting; }
  SharedPtr shared_;
  StatsDetail detail_;
};

class UserspaceBackend : public Backend {
 public:
  explicit UserspaceBackend(SharedPtr shared) : shared_(std::move(shared)) {}
  std::string_view name() const override { return "userspace"; }
  bool runs_in_kernel() const override { return false; }

  Result<std::shared_ptr<BackendMap>> CreateMap(const MapSpec& spec,
                                                const std::shared_ptr<BackendTypes>& types) override {
    const auto* own = dynamic_cast<const userspace::UserspaceTypes*>(types.get());
    return userspace::UserspaceMap::Create(shared_, spec, own == nullptr ? nullptr : &own->types());
  }
  Result<std::shared_ptr<BackendTypes>> LoadTypes(std::span<const std::byte> btf) override {
    auto types = STRATA_TRY(btf::Btf::Parse({btf.begin(), btf.end()}));
    return std::shared_ptr<BackendTypes>(std::make_shared<userspace::UserspaceTypes>(std::move(types)));
  }
  Result<std::shared_ptr<BackendProgram>> LoadProgram(const LinkedProgram& program) override {
    // The tag that the program would have in the kernel below.
    const auto hash = isa::TagHashOf(kernel().Version().value_or(0U));
    return userspace::UserspaceProgram::Load(shared_, program, hash);
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
    return std::unique_ptr<StatsGuard>(std::make_unique<UserspaceStatsGuard>(shared_, detail));
  }
  Result<ObjectListing> List() override { return userspace::ListObjects(*shared_->session); }
  FeatureAnswer Probe(const Feature& feature) override { return userspace::ProbeFeature(shared_->options, feature); }
  std::uint32_t possible_cpus() const override { return shared_->possible_cpus; }
  std::vector<std::pair<std::string, std::string>> TracedEnvironment() const override {
    if (!shared_->options.traced_environment) return {};
    return shared_->options.traced_environment(shared_->session->folder());
  }

 private:
  SharedPtr shared_;
};

}  // namespace

Result<std::shared_ptr<Backend>> OpenUserspaceBackend(UserspaceOptions options) {
  auto shared = std::make_shared<Shared>();
  shared->options = std::move(options);
  shared->possible_cpus = PossibleCpus();
  shared->session = STRATA_TRY(
      userspace::Session::Open(shared->options.runtime_folder, shared->options.session, shared->possible_cpus));
  shared->session->process().host_functions = &shared->host_functions;
  // Another loader may have made it where the kernel says otherwise (a container).
  shared->possible_cpus = shared->session->process().slot_count;
  return std::shared_ptr<Backend>(std::make_shared<UserspaceBackend>(std::move(shared)));
}

Result<void> CollectSessions(const std::string& runtime_folder) {
  return userspace::CollectAllSessions(runtime_folder.empty() ? userspace::DefaultRuntimeFolder() : runtime_folder);
}

}  // namespace strata
