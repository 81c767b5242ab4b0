#include "strata/backend/kernel/kernel_backend.h"

#include <fmt/format.h>

#include "context.h"
#include "links/attach.h"
#include "links/fd_link.h"
#include "map.h"
#include "possible_cpus.h"
#include "program.h"
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

class KernelStatsGuard : public StatsGuard {
 public:
  explicit KernelStatsGuard(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

class KernelBackend : public Backend {
 public:
  explicit KernelBackend(ContextPtr context) : context_(std::move(context)) {}

  std::string_view name() const override { return "kernel"; }
  bool runs_in_kernel() const override { return true; }
  std::uint32_t possible_cpus() const override { return context_->possible_cpus; }
  std::vector<std::pair<std::string, std::string>> TracedEnvironment() const override { return {}; }

  Result<std::shared_ptr<BackendMap>> CreateMap(const MapSpec& spec,
                                                const std::shared_ptr<BackendTypes>& types) override {
    return KernelMap::Create(context_, spec, dynamic_cast<const KernelTypes*>(types.get()));
  }

  Result<std::shared_ptr<BackendTypes>> LoadTypes(std::span<const std::byte> btf) override {
    return KernelTypes::Load(*context_, btf);
  }

  Result<std::shared_ptr<BackendProgram>> LoadProgram(const LinkedProgram& program) override {
    return KernelProgram::Load(context_, program);
  }

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
      return row.attach(context_, kernel_program, target);
    }
    return Error(ErrorCode::kNotSupported,
                 fmt::format("attach kind {}: not served by the kernel backend", target.kind));
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
    return listing;
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
      kernel::ProgramInfoRecord record;
      if (context_->Info(fd.get(), record) != 0) return;
      listing.programs.push_back(kernel::MakeProgramInfo(record, record.name.data()));
    });
    return error == 0 ? Result<void>() : BpfError(error, "listing programs");
  }

  Result<void> ListLinks(ObjectListing& listing) const {
    const int error = context_->ForEachId(Command::kLinkNextId, Command::kLinkOpenById, [&](const UniqueFd& fd) {
      if (auto info = kernel::ReadLinkInfo(*context_, fd.get())) listing.links.push_back(*std::move(info));
    });
    return error == 0 ? Result<void>() : BpfError(error, "listing links");
  }

  ContextPtr context_;
};

}  // namespace

Result<std::shared_ptr<Backend>> OpenKernelBackend(const KernelBackendOptions& options) {
  auto context = std::make_shared<kernel::Context>();
  context->syscalls = options.syscalls != nullptr ? options.syscalls : std::make_shared<const kernel::SyscallTable>();
  context->possible_cpus = STRATA_TRY(kernel::CountPossibleCpus());
  context->event_sources = options.event_sources;
  context->tracefs = options.tracefs;
  context->facts = std::make_shared<const KernelFacts>(options.facts);
  // Asked once, here, so that a missing privilege is reported before any work is done.
  kernel::MapCreateAttr probe;
  probe.map_type = static_cast<std::uint32_t>(MapType::kArray);
  probe.key_size = probe.value_size = sizeof(std::uint32_t);
  probe.max_entries = 1;
  const kernel::FdOrErrno created = context->Open(Command::kMapCreate, probe);
  if (!created) return BpfError(created.sys_errno, "opening the kernel backend");
  return std::shared_ptr<Backend>(std::make_shared<KernelBackend>(std::move(context)));
}

}  // namespace strata
