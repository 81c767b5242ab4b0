// Iterators: programs that the kernel calls for each of its objects of a kind (Linux 5.8).
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "attach.h"
#include "fd_link.h"

namespace strata::kernel {
namespace {

// union bpf_iter_link_info.
union IteratorInfo {
  std::uint64_t words[2];
  struct {
    std::uint32_t fd;
  } map;
  struct {
    std::uint32_t order;
    std::uint32_t fd;
    std::uint64_t id;
  } cgroup;
  struct {
    std::uint32_t thread_id;
    std::uint32_t process_id;
    std::uint32_t process_descriptor;
  } task;
};
static_assert(sizeof(IteratorInfo) == 16);

// What `info` refers to by descriptor.
struct Restriction {
  IteratorInfo info{};
  bool is_set = false;
  UniqueFd fd;
};

Result<UniqueFd> OpenCgroup(const std::string& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return Error::FromErrno(errno, "cgroup " + path);
  return folder;
}

Result<Restriction> MakeRestriction(const Context& context, const AttachTarget& target, const IteratorConfig& config) {
  Restriction made;
  if (config.map_id != 0) {
    FdOrErrno map = context.OpenById(Command::kMapOpenById, config.map_id);
    if (!map) return BpfError(map.sys_errno, fmt::format("opening map {}", config.map_id));
    made.fd = std::move(map.fd);
    made.info.map.fd = static_cast<std::uint32_t>(made.fd.get());
    made.is_set = true;
  } else if (!target.path.empty()) {
    made.fd = STRATA_TRY(OpenCgroup(target.path));
    made.info.cgroup.fd = static_cast<std::uint32_t>(made.fd.get());
    made.info.cgroup.order = config.cgroup_order;
    made.is_set = true;
  } else if (config.thread_id != 0 || config.process_id != 0) {
    made.info.task.thread_id = config.thread_id;
    made.info.task.process_id = config.process_id;
    made.is_set = true;
  } else if (config.process_descriptor >= 0) {
    // Kept, so that the link can be made again when the caller's descriptor is gone.
    made.fd = UniqueFd(::fcntl(config.process_descriptor, F_DUPFD_CLOEXEC, 3));
    if (!made.fd) return Error::FromErrno(errno, fmt::format("process descriptor {}", config.process_descriptor));
    made.info.task.process_descriptor = static_cast<std::uint32_t>(made.fd.get());
    made.is_set = true;
  }
  return made;
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachIterator(const ContextPtr& context,
                                                    const std::shared_ptr<KernelProgram>& program,
                                                    const AttachTarget& target) {
  const std::string what = "iterator " + target.name;
  const auto config = target.config.empty() ? IteratorConfig{} : STRATA_TRY(DecodeConfig<IteratorConfig>(target));
  auto restriction = std::make_shared<Restriction>(STRATA_TRY(MakeRestriction(*context, target, config).Context(what)));
  auto make = [context, restriction](const KernelProgram& attached) {
    LinkCreateAttr attr;
    attr.attach_type = static_cast<std::uint32_t>(AttachType::kTraceIter);
    if (restriction->is_set) {
      attr.detail.iterator.info = AddressOf(&restriction->info);
      attr.detail.iterator.info_len = sizeof(restriction->info);
    }
    return CreateLink(*context, attached, attr);
  };
  return FdLink::Create(context, program, target, std::move(make)).Context(what);
}

}  // namespace strata::kernel
