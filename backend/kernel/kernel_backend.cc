#include "strata/backend/kernel/kernel_backend.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "context.h"
#include "failure.h"
#include "feature_prober.h"
#include "links/attach.h"
#include "links/fd_link.h"
#include "links/query.h"
#include "links/struct_ops.h"
#include "map.h"
#include "memlock.h"
#include "possible_cpus.h"
#include "program.h"
#include "token.h"
#include "trace_log.h"
#include "types.h"

namespace strata {
namespace {

using kernel::BpfError;
using kernel::Command;
using kernel::ContextPtr;
using kernel::KernelMap;
using kernel::KernelProgram;
using kernel::KernelTypes;

constexpr char kDefaultTokenPath[] = "/sys/fs/bpf";

class KernelStatsGuard : public StatsGuard {
 public:
  explicit KernelStatsGuard(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

class KernelBackend : public Backend {
 public:
  explicit KernelBackend(ContextPtr context) : context_(std::move(context)), prober_(context_, kernel()) {}

  std::string_view name() const override { return "kernel"; }
  bool runs_in_kernel() const override { return true; }
  std::uint32_t possible_cpus() const override { return context_->possible_cpus; }
  std::vector<std::pair<std::string, std::string>> TracedEnvironment() const override { return {}; }

  Result<std::shared_ptr<BackendMap>> CreateMap(const MapSpec& spec,
                                                const std::shared_ptr<BackendTypes>& types) override {
    auto map = KernelMap::Create(context_, spec, dynamic_cast<const KernelTypes*>(types.get()));
    if (!map) return kernel::ExplainMapFailure(std::move(map).error(), spec, prober_);
    return map;
  }

  Result<std::shared_ptr<BackendTypes>> LoadTypes(std::span<const std::byte> btf) override {
    return KernelTypes::Load(*context_, btf);
  }

  Result<std::shared_ptr<BackendProgram>> LoadProgram(const LinkedProgram& program) override {
    return KernelProgram::Load(context_, program, prober_);
  }

  Result<std::shared_ptr<BackendProgram>> OpenProgram(std::uint32_t id) override {
    kernel::FdOrErrno program = context_->OpenById(Command::kProgramOpenById, id);
    if (!program) return BpfError(program.sys_errno, fmt::format("program {}: opening it", id));
    return KernelProgram::Adopt(context_, std::move(program.fd)).Context(fmt::format("program {}", id));
  }

  Result<std::shared_ptr<BackendProgram>> OpenPinnedProgram(const std::string& path) override {
    kernel::FdOrErrno program = context_->OpenPinned(path);
    if (!program) return BpfError(program.sys_errno, fmt::format("{}: opening the pinned program", path));
    return KernelProgram::Adopt(context_, std::move(program.fd)).Context(path);
  }

  FeatureAnswer Probe(const Feature& feature) override { return prober_.Probe(feature); }

  Result<std::unique_ptr<BackendLink>> Attach(const std::shared_ptr<BackendProgram>& program,
                                              const AttachTarget& target, const BackendAttachOptions&) override {
    auto kernel_program = std::dynamic_pointer_cast<KernelProgram>(program);
    if (kernel_program == nullptr) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("program {}: belongs to another backend", program->info().name));
    }
    for (const kernel::AttachRow& row : kernel::AttachRows()) {
      if (row.kind != target.kind) continue;
      STRATA_TRY(CheckAttachKind(target, program->info()));
      auto link = row.attach(context_, kernel_program, target);
      if (!link) return kernel::ExplainAttachFailure(std::move(link).error(), target, prober_);
      return link;
    }
    return Error(ErrorCode::kNotSupported,
                 fmt::format("attach kind {}: not served by the kernel backend", target.kind));
  }

  Result<std::shared_ptr<BackendMap>> OpenMap(std::uint32_t id) override {
    const std::string what = fmt::format("map {}", id);
    kernel::FdOrErrno map = context_->OpenById(Command::kMapOpenById, id);
    if (!map) return BpfError(map.sys_errno, what + ": opening it");
    return KernelMap::Adopt(context_, std::move(map.fd), what);
  }

  Result<std::shared_ptr<BackendMap>> OpenPinnedMap(const std::string& path, MapAccess access) override {
    const std::uint32_t flags = access == MapAccess::kReadOnly    ? map_flags::kReadOnly
                                : access == MapAccess::kWriteOnly ? map_flags::kWriteOnly
                                                                  : 0;
    kernel::FdOrErrno map = context_->OpenPinned(path, flags);
    if (!map) return BpfError(map.sys_errno, path + ": opening the pinned map");
    return KernelMap::Adopt(context_, std::move(map.fd), path);
  }

  Result<std::shared_ptr<BackendMap>> MapFromDescriptor(int descriptor) override {
    const std::string what = fmt::format("descriptor {}", descriptor);
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return Error::FromErrno(errno, what);
    return KernelMap::Adopt(context_, UniqueFd(copy), what);
  }

  Result<std::unique_ptr<BackendLink>> OpenLink(std::uint32_t id) override {
    kernel::FdOrErrno link = context_->OpenById(Command::kLinkOpenById, id);
    if (!link) return BpfError(link.sys_errno, fmt::format("link {}: opening it", id));
    return kernel::FdLink::Adopt(context_, std::move(link.fd));
  }

  Result<std::unique_ptr<BackendLink>> OpenPinnedLink(const std::string& path) override {
    kernel::FdOrErrno link = context_->OpenPinned(path);
    if (!link) return BpfError(link.sys_errno, fmt::format("{}: opening the pinned link", path));
    return kernel::FdLink::Adopt(context_, std::move(link.fd)).Context(path);
  }

  Result<std::unique_ptr<BackendLink>> AttachStructOps(const std::shared_ptr<BackendMap>& map) override {
    auto kernel_map = std::dynamic_pointer_cast<KernelMap>(map);
    if (kernel_map == nullptr) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: belongs to another backend", map->info().name));
    }
    return kernel::LinkStructOps(context_, std::move(kernel_map));
  }

  Result<AttachedPrograms> Query(const QueryTarget& target, AttachType attach_type) override {
    return kernel::QueryPlace(*context_, target, attach_type);
  }

  Result<std::unique_ptr<TraceLog>> OpenTraceLog() override { return kernel::OpenTracePipe(); }

  Result<std::unique_ptr<StatsGuard>> EnableStats(StatsDetail) override {  // the kernel always times what it counts
    kernel::TwoNumbersAttr run_time{};
    kernel::FdOrErrno guard = context_->Open(Command::kEnableStats, run_time);
    if (!guard) return BpfError(guard.sys_errno, "enabling program statistics (Linux 5.8)");
    return std::unique_ptr<StatsGuard>(std::make_unique<KernelStatsGuard>(std::move(guard.fd)));
  }

  Result<ObjectListing> List() override {
    ObjectListing listing;
    STRATA_TRY(ListMaps(listing));
    STRATA_TRY(ListPrograms(listing));
    STRATA_TRY(ListLinks(listing));
    STRATA_TRY(ListTypes(listing));
    return listing;
  }

  Result<std::shared_ptr<const btf::Btf>> ReadTypes(std::uint32_t id) override {
    return strata::kernel::ReadTypes(*context_, id, Backend::kernel());
  }

 private:
  Result<void> ListMaps(ObjectListing& listing) const {
    const int error = context_->ForEachId(Command::kMapNextId, Command::kMapOpenById, [&](const UniqueFd& fd) {
      kernel::MapInfoRecord record;
      if (context_->Info(fd.get(), record) != 0) return;
      listing.maps.push_back(kernel::MakeMapInfo(record, record.name.data(), context_->possible_cpus));
    });
    return error == 0 ? Result<void>() : BpfError(error, "listing maps");
  }

  Result<void> ListPrograms(ObjectListing& listing) const {
    const int error = context_->ForEachId(Command::kProgramNextId, Command::kProgramOpenById, [&](const UniqueFd& fd) {
      if (auto info = kernel::ReadProgramInfo(*context_, fd.get())) listing.programs.push_back(*std::move(info));
    });
    return error == 0 ? Result<void>() : BpfError(error, "listing programs");
  }

  Result<void> ListLinks(ObjectListing& listing) const {
    const int error = context_->ForEachId(Command::kLinkNextId, Command::kLinkOpenById, [&](const UniqueFd& fd) {
      if (auto info = kernel::ReadLinkInfo(*context_, fd.get())) listing.links.push_back(*std::move(info));
    });
    return error == 0 ? Result<void>() : BpfError(error, "listing links");
  }

  Result<void> ListTypes(ObjectListing& listing) const {
    const int error = context_->ForEachId(Command::kBtfNextId, Command::kBtfOpenById, [&](const UniqueFd& fd) {
      if (auto info = kernel::ReadTypesInfo(*context_, fd.get())) listing.types.push_back(*std::move(info));
    });
    return error == 0 ? Result<void>() : BpfError(error, "listing BTF");
  }

  ContextPtr context_;
  kernel::FeatureProber prober_;
};

// Whether this process may create maps. Asked once, so that a missing privilege is reported before any work is done.
int TryMap(const kernel::Context& context) {
  kernel::MapCreateAttr probe;
  probe.map_type = static_cast<std::uint32_t>(MapType::kArray);
  probe.key_size = probe.value_size = sizeof(std::uint32_t);
  probe.max_entries = 1;
  return context.Open(Command::kMapCreate, probe).sys_errno;
}

}  // namespace

Result<std::shared_ptr<Backend>> OpenKernelBackend(const KernelBackendOptions& options) {
  auto context = std::make_shared<kernel::Context>();
  context->syscalls = options.syscalls != nullptr ? options.syscalls : std::make_shared<const kernel::SyscallTable>();
  context->possible_cpus = STRATA_TRY(kernel::CountPossibleCpus());
  context->event_sources = options.event_sources;
  context->tracefs = options.tracefs;
  context->facts = std::make_shared<const KernelFacts>(options.facts);
  context->kernel_version =
      options.kernel_version != 0 ? options.kernel_version : context->facts->Version().value_or(0U);
  if (!options.token_path.empty()) context->token = STRATA_TRY(kernel::CreateToken(*context, options.token_path));
  int error = TryMap(*context);
  if (error == EPERM && kernel::RaiseMemlockLimit(*context)) error = TryMap(*context);
  if (error == EPERM && !context->token) {
    // Where an administrator prepared a container for it, the token lies there.
    if (auto token = kernel::CreateToken(*context, kDefaultTokenPath)) {
      context->token = *std::move(token);
      error = TryMap(*context);
    }
  }
  if (error != 0) return BpfError(error, "opening the kernel backend");
  return std::shared_ptr<Backend>(std::make_shared<KernelBackend>(std::move(context)));
}

}  // namespace strata
