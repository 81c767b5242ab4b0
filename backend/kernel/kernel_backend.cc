#include "strata/backend/kernel/kernel_backend.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>

#include "objects.h"

namespace strata {
namespace {

using kernel::BpfError;
using kernel::KernelMap;
using kernel::KernelProgram;
using kernel::KernelTypes;

// Calls `add` with a descriptor of each object of one kind; objects that go meanwhile are left out.
template <typename Add>
Result<void> ForEachId(int (*next_id)(__u32, __u32*), int (*open_by_id)(__u32), std::string_view what, Add add) {
  __u32 id = 0;
  while (next_id(id, &id) == 0) {
    const UniqueFd fd(open_by_id(id));
    if (fd) add(fd.get());
  }
  if (errno == ENOENT) return {};
  return BpfError(errno, fmt::format("listing {}", what));
}

template <typename Info>
bool ReadInfo(int fd, Info* info) {
  __u32 size = sizeof(*info);
  return ::bpf_obj_get_info_by_fd(fd, info, &size) == 0;
}

void AddMap(int fd, std::uint32_t possible_cpus, std::vector<MapInfo>* maps) {
  bpf_map_info info{};
  if (ReadInfo(fd, &info)) maps->push_back(kernel::MakeMapInfo(info, info.name, possible_cpus));
}

void AddProgram(int fd, std::vector<ProgramInfo>* programs) {
  bpf_prog_info info{};
  if (ReadInfo(fd, &info)) programs->push_back(kernel::MakeProgramInfo(info, info.name));
}

void AddLink(int fd, std::vector<LinkInfo>* links) {
  bpf_link_info info{};
  if (!ReadInfo(fd, &info)) return;
  links->push_back({.id = info.id,
                    .program_id = info.prog_id,
                    .kind = info.type == BPF_LINK_TYPE_PERF_EVENT ? "perf_event" : fmt::format("type_{}", info.type),
                    .path = {},
                    .pid = kAllProcesses});
}

class KernelStatsGuard : public StatsGuard {
 public:
  explicit KernelStatsGuard(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

class KernelBackend : public Backend {
 public:
  explicit KernelBackend(std::uint32_t possible_cpus) : possible_cpus_(possible_cpus) {}

  std::string_view name() const override { return "kernel"; }
  bool runs_in_kernel() const override { return true; }
  std::uint32_t possible_cpus() const override { return possible_cpus_; }
  std::vector<std::pair<std::string, std::string>> TracedEnvironment() const override { return {}; }

  Result<std::shared_ptr<BackendMap>> CreateMap(const MapSpec& spec,
                                                const std::shared_ptr<BackendTypes>& types) override {
    return KernelMap::Create(spec, dynamic_cast<const KernelTypes*>(types.get()), possible_cpus_);
  }

  Result<std::shared_ptr<BackendTypes>> LoadTypes(std::span<const std::byte> btf) override {
    std::vector<char> log(std::size_t{64} * 1024, '\0');
    auto options = kernel::EmptyOptions<bpf_btf_load_opts>();
    UniqueFd fd(::bpf_btf_load(btf.data(), btf.size(), &options));
    if (!fd) {
      options.log_buf = log.data();
      options.log_size = static_cast<__u32>(log.size());
      options.log_level = 1;
      fd = UniqueFd(::bpf_btf_load(btf.data(), btf.size(), &options));
    }
    if (!fd) return BpfError(errno, "loading BTF").WithLog(log.data());
    return std::shared_ptr<BackendTypes>(std::make_shared<KernelTypes>(std::move(fd)));
  }

  Result<std::shared_ptr<BackendProgram>> LoadProgram(const LinkedProgram& program) override {
    return KernelProgram::Load(program);
  }

  Result<std::unique_ptr<BackendLink>> Attach(const std::shared_ptr<BackendProgram>& program,
                                              const AttachTarget& target, const BackendAttachOptions&) override {
    auto kernel_program = std::dynamic_pointer_cast<KernelProgram>(program);
    if (kernel_program == nullptr) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("program {}: belongs to another backend", program->info().name));
    }
    for (const kernel::AttachRow& row : kernel::AttachRows()) {
      if (row.kind == target.kind) return row.attach(kernel_program, target);
    }
    return Error(ErrorCode::kNotSupported,
                 fmt::format("attach kind {}: not served by the kernel backend", target.kind));
  }

  Result<std::unique_ptr<TraceLog>> OpenTraceLog() override { return kernel::OpenTracePipe(); }

  Result<std::unique_ptr<StatsGuard>> EnableStats(StatsDetail) override {  // the kernel always times what it counts
    UniqueFd fd(::bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!fd) return BpfError(errno, "enabling program statistics (Linux 5.8)");
    return std::unique_ptr<StatsGuard>(std::make_unique<KernelStatsGuard>(std::move(fd)));
  }

  Result<ObjectListing> List() override {
    ObjectListing listing;
    STRATA_TRY(ForEachId(::bpf_map_get_next_id, ::bpf_map_get_fd_by_id, "maps",
                         [&](int fd) { AddMap(fd, possible_cpus_, &listing.maps); }));
    STRATA_TRY(ForEachId(::bpf_prog_get_next_id, ::bpf_prog_get_fd_by_id, "programs",
                         [&](int fd) { AddProgram(fd, &listing.programs); }));
    STRATA_TRY(ForEachId(::bpf_link_get_next_id, ::bpf_link_get_fd_by_id, "links",
                         [&](int fd) { AddLink(fd, &listing.links); }));
    return listing;
  }

 private:
  std::uint32_t possible_cpus_;
};

}  // namespace

Result<std::shared_ptr<Backend>> OpenKernelBackend() {
  const int cpus = ::libbpf_num_possible_cpus();
  if (cpus <= 0) return Error::FromErrno(-cpus, "counting the possible CPUs");
  // Asked once, here, so that a missing privilege is reported before any work is done.
  const UniqueFd probe(::bpf_map_create(BPF_MAP_TYPE_ARRAY, nullptr, 4, 4, 1, nullptr));
  if (!probe) return BpfError(errno, "opening the kernel backend");
  return std::shared_ptr<Backend>(std::make_shared<KernelBackend>(static_cast<std::uint32_t>(cpus)));
}

}  // namespace strata
