// Many uprobes of one file by one link (Linux 6.6), before that by one perf event each.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "attach.h"
#include "fd_link.h"
#include "strata/backend/link_group.h"

namespace strata::kernel {
namespace {

constexpr std::uint32_t kReturn = 1U << 0;  // BPF_F_UPROBE_MULTI_RETURN

struct MultiRow {
  AttachType attach_type;
  std::uint32_t flags;
  std::string_view needs;
  std::string_view single_kind;  // what does the same for one place; empty for what nothing else does
  AttachFunction* attach_single;
};
constexpr MultiRow kEntryRow = {AttachType::kTraceUprobeMulti, 0, "Linux 6.6", "uprobe", AttachUprobe};
constexpr MultiRow kReturnRow = {AttachType::kTraceUprobeMulti, kReturn, "Linux 6.6", "uretprobe", AttachUretprobe};
constexpr MultiRow kSessionRow = {AttachType::kTraceUprobeSession, 0, "Linux 6.13", "", nullptr};

// The kernel takes columns. One that is all zero is left out, as kernels before the feature behind it want it.
struct Columns {
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint64_t> ref_ctr_offsets;
  std::vector<std::uint64_t> cookies;
};

std::uint64_t ColumnOrNull(const std::vector<std::uint64_t>& column) {
  const bool is_zero = std::all_of(column.begin(), column.end(), [](std::uint64_t value) { return value == 0; });
  return is_zero ? 0 : AddressOf(column.data());
}

Columns MakeColumns(const std::vector<UprobePlace>& places) {
  Columns columns;
  for (const UprobePlace& place : places) {
    columns.offsets.push_back(place.file_offset);
    columns.ref_ctr_offsets.push_back(place.ref_ctr_file_offset);
    columns.cookies.push_back(place.cookie);
  }
  return columns;
}

Result<UniqueFd> LinkPlaces(const Context& context, const KernelProgram& program, const AttachTarget& target,
                            const Columns& columns, const MultiRow& row) {
  LinkCreateAttr attr;
  attr.attach_type = static_cast<std::uint32_t>(row.attach_type);
  attr.detail.uprobe_multi.path = AddressOf(target.path.c_str());
  attr.detail.uprobe_multi.offsets = AddressOf(columns.offsets.data());
  attr.detail.uprobe_multi.ref_ctr_offsets = ColumnOrNull(columns.ref_ctr_offsets);
  attr.detail.uprobe_multi.cookies = ColumnOrNull(columns.cookies);
  attr.detail.uprobe_multi.count = static_cast<std::uint32_t>(columns.offsets.size());
  attr.detail.uprobe_multi.flags = row.flags;
  attr.detail.uprobe_multi.pid = target.pid == kAllProcesses ? 0 : static_cast<std::uint32_t>(target.pid);
  return CreateLink(context, program, attr);
}

// A folder is no file to be probed: EBADF.
bool KernelHas(const Context& context, AttachType attach_type) {
  const std::uint64_t offset = 0;
  LinkCreateAttr attr;
  attr.attach_type = static_cast<std::uint32_t>(attach_type);
  attr.detail.uprobe_multi.path = AddressOf("/");
  attr.detail.uprobe_multi.offsets = AddressOf(&offset);
  attr.detail.uprobe_multi.count = 1;
  return KnowsLinks(context, ProgramType::kKprobe, attr);
}

Result<std::unique_ptr<BackendLink>> AttachOneByOne(const ContextPtr& context,
                                                    const std::shared_ptr<KernelProgram>& program,
                                                    const AttachTarget& target, const std::vector<UprobePlace>& places,
                                                    const MultiRow& row) {
  std::vector<std::unique_ptr<BackendLink>> links;
  for (const UprobePlace& place : places) {
    AttachTarget single = target;
    single.kind = row.single_kind;
    single.cookie = place.cookie;
    single.config = EncodeConfig(UprobeConfig{place.file_offset, place.ref_ctr_file_offset});
    links.push_back(STRATA_TRY(row.attach_single(context, program, single)));
  }
  return MakeLinkGroup(std::move(links), {target.kind, nullptr});
}

Result<std::unique_ptr<BackendLink>> AttachMany(const ContextPtr& context,
                                                const std::shared_ptr<KernelProgram>& program,
                                                const AttachTarget& target, const MultiRow& row) {
  const auto places = STRATA_TRY(DecodeConfigs<UprobePlace>(target));
  const std::string what = fmt::format("{} of {} places in {}", target.kind, places.size(), target.path);
  if (places.empty()) return Error(ErrorCode::kInvalidArgument, what + ": there is no place to attach to", EINVAL);
  auto make = [context, target, columns = MakeColumns(places), &row](const KernelProgram& attached) {
    return LinkPlaces(*context, attached, target, columns, row);
  };
  auto link = FdLink::Create(context, program, target, std::move(make));
  if (link || link.error().sys_errno() != EINVAL || KernelHas(*context, row.attach_type)) {
    return std::move(link).Context(what);
  }
  if (row.attach_single == nullptr) {
    return Error(ErrorCode::kNotSupported, fmt::format("{}: needs {}", what, row.needs), EINVAL);
  }
  return AttachOneByOne(context, program, target, places, row)
      .Context(fmt::format("{}: one by one, as one link needs {}", what, row.needs));
}

}  // namespace

Result<std::unique_ptr<BackendLink>> AttachUprobeMulti(const ContextPtr& context,
                                                       const std::shared_ptr<KernelProgram>& program,
                                                       const AttachTarget& target) {
  return AttachMany(context, program, target, kEntryRow);
}

Result<std::unique_ptr<BackendLink>> AttachUretprobeMulti(const ContextPtr& context,
                                                          const std::shared_ptr<KernelProgram>& program,
                                                          const AttachTarget& target) {
  return AttachMany(context, program, target, kReturnRow);
}

Result<std::unique_ptr<BackendLink>> AttachUprobeSession(const ContextPtr& context,
                                                         const std::shared_ptr<KernelProgram>& program,
                                                         const AttachTarget& target) {
  return AttachMany(context, program, target, kSessionRow);
}

}  // namespace strata::kernel
